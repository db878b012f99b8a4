import Foundation

/// Three nats-servers that keep their streams together.
public final class NATSCluster: Sendable {
    public let servers: [NATSServer]

    private init(servers: [NATSServer]) { self.servers = servers }

    /// Starts them and waits until they have chosen who leads. End it with `stop`.
    /// - Parameter advertises: Whether clients are told of the other servers.
    public static func start(count: Int = 3, advertises: Bool = true) async throws -> NATSCluster {
        let routes = try (0..<count).map { _ in "nats://127.0.0.1:\(try FreePort.next())" }
        var servers: [NATSServer] = []
        do {
            for (number, route) in routes.enumerated() {
                let others = routes.filter { $0 != route }.joined(separator: ",")
                var arguments = ["--name", "n\(number)", "--cluster_name", "apus-test"]
                arguments += ["--cluster", route, "--routes", others]
                if !advertises { arguments.append("--no_advertise") }
                servers.append(try await NATSServer.started(arguments: arguments))
            }
            try await eventually("the servers have a leader", within: 60) {
                servers.contains { $0.output.contains("new metadata leader") }
            }
        } catch {
            for server in servers { server.stop() }
            throw error
        }
        return NATSCluster(servers: servers)
    }

    public var url: String { servers.map(\.url).joined(separator: ",") }

    public func stop() {
        for server in servers { server.stop() }
    }
}
