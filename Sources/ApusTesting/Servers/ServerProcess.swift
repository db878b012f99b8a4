import Foundation
import Spawn

/// A server that a test starts, hurts and stops. Its output goes to a file in its own folder, shown when it fails to start.
public final class ServerProcess: @unchecked Sendable {
    // SAFETY: `process` is replaced only by `start`, which tests call from one task at a time.

    public let name: String
    /// The server's own folder; removed by `stop`.
    public let folder: URL
    private let executable: String
    private let arguments: [String]
    private let environment: [String: String]
    private var process: ChildProcess?

    /// - Parameter executable: A name on the `PATH`, or an absolute path.
    public init(
        _ name: String, executable: String, arguments: [String], folder: URL, environment: [String: String] = [:]
    ) {
        self.name = name
        self.executable = executable
        self.arguments = arguments
        self.folder = folder
        self.environment = environment
    }

    public var processIdentifier: Int32 { process?.identifier ?? 0 }
    public var isRunning: Bool { process?.isRunning ?? false }

    /// What the server printed so far.
    public var output: String { (try? String(contentsOf: logFile, encoding: .utf8)) ?? "" }
    private var logFile: URL { folder.appendingPathComponent("\(name).log") }

    /// Starts it (again), appending to the same log.
    public func start() throws {
        if !FileManager.default.fileExists(atPath: logFile.path) {
            _ = FileManager.default.createFile(atPath: logFile.path, contents: nil)
        }
        let log = try FileHandle(forWritingTo: logFile)
        _ = try log.seekToEnd()
        process = try ChildProcess.start(
            try Self.find(executable), arguments,
            environment: ProcessInfo.processInfo.environment.merging(environment) { _, new in new },
            folder: folder.path, output: log.fileDescriptor, error: log.fileDescriptor)
    }

    /// Sends a signal, for example `SIGKILL`, `SIGSTOP` or `SIGTERM`.
    public func signal(_ number: Int32) {
        process?.signal(number)
    }

    /// Kills it with SIGKILL and waits until it is gone.
    public func killNow() {
        signal(SIGKILL)
        process?.waitUntilExit()
    }

    /// Waits for the end. - Returns: the exit status, or 128 + the signal that ended it.
    public func waitForExit() async -> Int32 {
        while isRunning { try? await Task.sleep(for: .milliseconds(20)) }
        return process?.exitStatus ?? 0
    }

    /// Ends it and removes its folder.
    public func stop() {
        signal(SIGCONT)
        killNow()
        try? FileManager.default.removeItem(at: folder)
    }

    deinit { killNow() }

    private static func find(_ name: String) throws -> String {
        if name.hasPrefix("/") { return name }
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "") + ":/usr/sbin:/usr/local/bin:/usr/bin"
        for folder in path.split(separator: ":") {
            let candidate = "\(folder)/\(name)"
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
        }
        throw TestFailure("\(name) is not installed; scripts/setup installs what the tests need")
    }
}

/// Why a test cannot go on.
public struct TestFailure: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// Tests use it everywhere; the load generator has it from where it stands.
public typealias FreePort = Spawn.FreePort

public enum TestFolder {
    /// A new empty folder for one test.
    public static func make(_ name: String) throws -> URL {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent(
            "apus-\(name)-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        return url
    }
}

/// Waits until `condition` holds, asking again every few milliseconds; fails after the deadline.
public func eventually(
    _ what: String, within seconds: Double = 20, _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw TestFailure("not within \(seconds) s: \(what)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}
