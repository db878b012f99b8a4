import Foundation

/// An `apus serve` in a process of its own: for tests that kill it, and for tests of the executable itself.
public final class ApusProcess: Sendable {
    public let server: ServerProcess
    public let port: Int
    public let backendPort: Int
    public static let secret = "a-secret-for-tests-of-32-bytes-and-more"
    public static let apiKey = "an-api-key-for-tests"

    /// - Parameters:
    ///   - environment: Further settings; an empty list with Redis and NATS unset is the embedded node. An empty value
    ///     takes away one that is usually set.
    ///   - folder: Kept by the caller when the data must outlive the process; nil makes one.
    public init(
        _ node: String = "gw-1", environment: [String: String] = [:], arguments: [String] = [], folder: URL? = nil
    ) throws {
        port = try FreePort.next()
        backendPort = try FreePort.next()
        let folder = try folder ?? TestFolder.make("node")
        var settings = [
            "APUS_LISTEN": "127.0.0.1:\(port)", "APUS_BACKEND_LISTEN": "127.0.0.1:\(backendPort)", "APUS_NODE": node,
            "APUS_DATA": folder.appendingPathComponent("data").path, "APUS_AUTH_HS256_SECRET": Self.secret,
            "APUS_API_KEYS": Self.apiKey, "APUS_LOG_LEVEL": "info",
        ]
        settings.merge(environment) { _, new in new }
        server = ServerProcess(
            node, executable: try Self.executable(), arguments: ["serve"] + arguments, folder: folder,
            environment: settings)
    }

    /// The executable that this build made: it stands beside the test bundle.
    public static func executable(_ name: String = "apus") throws -> String {
        var folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        for _ in 0..<4 {
            let candidate = folder.appendingPathComponent(name).path
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
            folder.deleteLastPathComponent()
        }
        throw TestFailure("\(name) is not built beside the tests")
    }

    /// Starts it and waits until `/readyz` answers 200.
    public func start() async throws {
        try server.start()
        try await eventually("\(server.name) is ready: \(server.output)", within: 40) {
            guard server.isRunning else { throw TestFailure("\(server.name) ended: \(server.output)") }
            return try await status("/readyz") == 200
        }
    }

    /// The status of a GET on the public listener; nil when nobody listens.
    public func status(_ path: String) async throws -> Int? {
        guard let client = try? await ScriptedClient.raw(port: port) else { return nil }
        defer { client.drop() }
        try await client.send(raw: Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
        guard let head = try? await client.head() else { return nil }
        return head.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    }

    /// A request to the backend listener: status and body.
    public func backend(
        _ method: String, _ path: String, body: String = "", headers: [String] = [], key: String? = ApusProcess.apiKey
    ) async throws -> (status: Int, body: String) {
        let client = try await ScriptedClient.raw(port: backendPort)
        defer { client.drop() }
        var request = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        if let key { request += "Authorization: Bearer \(key)\r\n" }
        for header in headers { request += header + "\r\n" }
        if !body.isEmpty { request += "Content-Length: \(body.utf8.count)\r\n" }
        try await client.send(raw: Array((request + "\r\n" + body).utf8))
        return try await client.httpAnswer()
    }
}
