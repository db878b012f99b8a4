import Foundation

/// A nats-server of a test: on a free port of 127.0.0.1, with its streams in its own folder. It can be killed and started
/// again with the same port and streams.
public final class NATSServer: Sendable {
    public let port: Int
    private let process: ServerProcess

    /// Prepares a server; `start` starts it.
    /// - Parameters:
    ///   - jetStream: Whether it keeps streams (`-js`).
    ///   - arguments: More of its command line, for example `["--user", "a", "--pass", "b"]`.
    public init(jetStream: Bool = true, arguments: [String] = []) throws {
        port = try FreePort.next()
        let folder = try TestFolder.make("nats")
        var all = ["-a", "127.0.0.1", "-p", "\(port)"]
        if jetStream { all += ["-js", "-sd", folder.appendingPathComponent("store").path] }
        process = ServerProcess("nats-server", executable: "nats-server", arguments: all + arguments, folder: folder)
    }

    /// A server that is ready.
    public static func started(jetStream: Bool = true, arguments: [String] = []) async throws -> NATSServer {
        let server = try NATSServer(jetStream: jetStream, arguments: arguments)
        try await server.start()
        return server
    }

    public var url: String { "nats://127.0.0.1:\(port)" }

    /// What it printed, for a test that failed.
    public var output: String { process.output }

    /// Starts it (again) and waits until it takes connections.
    public func start() async throws {
        let before = process.output.utf8.count
        try process.start()
        do {
            try await eventually("nats-server is ready") {
                guard self.process.isRunning else { throw TestFailure("nats-server ended: \(self.process.output)") }
                let new = self.process.output.utf8.dropFirst(before)
                return String(decoding: new, as: UTF8.self).contains("Server is ready")
            }
        } catch {
            process.stop()
            throw error
        }
    }

    /// `kill -9`, and waits until it is gone. Its streams stay on disk.
    public func killNow() { process.killNow() }

    /// `kill -9`, then the same server again.
    public func killAndRestart() async throws {
        killNow()
        try await start()
    }

    /// Sends `SIGSTOP`, `SIGCONT` or another signal.
    public func signal(_ number: Int32) { process.signal(number) }

    /// Ends it and removes its folder.
    public func stop() { process.stop() }

}
