import ApusTesting
import Foundation

/// Debian's HAProxy with the configuration that users get (deploy/haproxy), in front of nodes on this machine.
final class HAProxyServer: Sendable {
    let port: Int
    let server: ServerProcess

    private static let configuration = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("deploy/haproxy/haproxy.cfg")

    /// Starts it and waits until it has a node that is ready. End it with `stop`.
    static func started(for nodes: [ApusProcess]) async throws -> HAProxyServer {
        let proxy = try HAProxyServer(nodes)
        do {
            try proxy.server.start()
            try await eventually("HAProxy has a node: \(proxy.server.output)") {
                guard proxy.server.isRunning else { throw TestFailure("HAProxy ended: \(proxy.server.output)") }
                return try await proxy.status("/readyz") == 200
            }
        } catch {
            proxy.stop()
            throw error
        }
        return proxy
    }

    private init(_ nodes: [ApusProcess]) throws {
        port = try FreePort.next()
        let inside = try FreePort.next()
        var environment = [
            "APUS_PROXY_BIND": "127.0.0.1:\(port)", "APUS_PROXY_STATS": "127.0.0.1:\(inside)",
            "APUS_PROXY_SESSIONS": "4000",
        ]
        for (index, node) in nodes.enumerated() { environment["APUS_GW_\(index + 1)"] = "127.0.0.1:\(node.port)" }
        server = ServerProcess(
            "haproxy", executable: "haproxy", arguments: ["-db", "-f", Self.configuration.path],
            folder: try TestFolder.make("haproxy"), environment: environment)
    }

    func stop() { server.stop() }

    /// The status of a GET; nil when nobody listens.
    func status(_ path: String) async throws -> Int? {
        guard let client = try? await ScriptedClient.raw(port: port) else { return nil }
        defer { client.drop() }
        try await client.send(raw: Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
        guard let head = try? await client.head() else { return nil }
        return head.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    }
}
