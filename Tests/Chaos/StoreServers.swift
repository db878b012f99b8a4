import ApusTesting

/// The Redis of a site: one server, or a Cluster.
struct StoreServers: Sendable {
    enum Kind: Sendable {
        /// One server, with a fault proxy before it.
        case single
        /// Three masters, to which nodes go directly: servers of a Cluster name each other's ports.
        case cluster
    }

    /// The only one, or the first master.
    let redis: RedisServer
    let cluster: RedisCluster?

    static func start(_ kind: Kind, _ arguments: [String]) async throws -> StoreServers {
        let server = RedisServer.Options(arguments: ["--maxmemory-policy", "noeviction"] + arguments)
        switch kind {
        case .single: return StoreServers(redis: try await RedisServer.start(server), cluster: nil)
        case .cluster:
            let cluster = try await RedisCluster.start(RedisCluster.Options(server: server))
            return StoreServers(redis: cluster.masters[0], cluster: cluster)
        }
    }

    /// Where nodes go without a proxy; nil: through theirs.
    var url: String? { cluster?.url() }

    func stop() {
        if let cluster { cluster.stop() } else { redis.stop() }
    }
}
