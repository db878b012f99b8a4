import Foundation

extension ChildProcess {
    /// What a process that came to its end left.
    public struct Outcome: Sendable {
        /// As `exitStatus`.
        public let status: Int32
        public let output: String
        public let error: String
    }

    /// Runs a process to its end, on a thread of its own: to wait for it on one of the few threads that tasks share
    /// would stop them all.
    public static func outcome(
        of executable: String, _ arguments: [String] = [], environment: [String: String]? = nil, folder: String? = nil
    ) async throws -> Outcome {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result {
                        // Files and not pipes: a pipe that nobody empties holds the process up.
                        let (output, error) = (try nameless(), try nameless())
                        let process = try start(
                            executable, arguments, environment: environment, folder: folder,
                            output: output.fileDescriptor, error: error.fileDescriptor)
                        let status = process.waitUntilExit()
                        return Outcome(status: status, output: try text(output), error: try text(error))
                    })
            }
        }
    }

    /// An empty file that is gone when it is closed.
    private static func nameless() throws -> FileHandle {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString)")
        try Data().write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try FileHandle(forUpdating: file)
    }

    private static func text(_ file: FileHandle) throws -> String {
        try file.seek(toOffset: 0)
        return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
    }
}
