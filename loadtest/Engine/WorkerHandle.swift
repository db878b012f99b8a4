import Foundation
import Glibc
import Spawn

/// A worker process as the controller has it.
struct WorkerHandle: Sendable {
    let setup: WorkerSetup
    let process: ChildProcess
    private let input: FileHandle
    let output: FileHandle

    /// Starts this same program as a worker and tells it what it is.
    init(_ setup: WorkerSetup) throws {
        let (toWorker, fromWorker) = (Pipe(), Pipe())
        process = try ChildProcess.start(
            try Self.executable(), ["worker"], input: toWorker.fileHandleForReading.fileDescriptor,
            output: fromWorker.fileHandleForWriting.fileDescriptor, error: STDERR_FILENO)
        try toWorker.fileHandleForReading.close()
        try fromWorker.fileHandleForWriting.close()
        self.setup = setup
        input = toWorker.fileHandleForWriting
        output = fromWorker.fileHandleForReading
        try tell(.setup(setup))
    }

    /// This program; a test that runs inside another one finds it beside that.
    private static func executable() throws -> String {
        let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        if own.lastPathComponent == "apus-loadtest" { return own.path }
        var folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        for _ in 0..<4 {
            let candidate = folder.appendingPathComponent("apus-loadtest").path
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
            folder.deleteLastPathComponent()
        }
        throw LoadError("apus-loadtest is not beside this program: build it with `swift build`")
    }

    func tell(_ command: WorkerCommand) throws {
        let line = try Lines.encode(command)
        var at = 0
        while at < line.count {
            let count = line.withUnsafeBytes {
                // SAFETY: `at` stays below the count of the bytes, which live through this closure.
                write(input.fileDescriptor, $0.baseAddress! + at, $0.count - at)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw LoadError("worker \(setup.index) is gone") }
            at += count
        }
    }

    func stop() {
        try? tell(.quit)
        try? input.close()
    }
}

/// Reads what all workers say, on one thread.
enum WorkerListener {
    /// What was heard: a report, or that the worker is gone.
    typealias Heard = (worker: Int, report: WorkerReport?)

    static func listen(to workers: [WorkerHandle]) -> AsyncStream<Heard> {
        let (stream, continuation) = AsyncStream.makeStream(of: Heard.self)
        let outputs = workers.map(\.output)
        Thread.detachNewThread {
            var buffers = [LineBuffer](repeating: LineBuffer(), count: outputs.count)
            var polled = outputs.map { pollfd(fd: $0.fileDescriptor, events: Int16(POLLIN), revents: 0) }
            var bytes = [UInt8](repeating: 0, count: 1 << 18)
            while polled.contains(where: { $0.fd >= 0 }) {
                guard poll(&polled, nfds_t(polled.count), -1) >= 0 || errno == EINTR else { break }
                for at in polled.indices where polled[at].fd >= 0 && polled[at].revents != 0 {
                    let count = read(polled[at].fd, &bytes, bytes.count)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else {
                        polled[at].fd = -1
                        continuation.yield((at, nil))
                        continue
                    }
                    for line in buffers[at].take(bytes[..<count]) {
                        guard let report = try? Lines.decode(WorkerReport.self, line) else { continue }
                        continuation.yield((at, report))
                    }
                }
            }
            continuation.finish()
            for output in outputs { try? output.close() }
        }
        return stream
    }
}
