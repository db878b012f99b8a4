import ApusTesting
import Foundation

/// The Redis of a site: one server, a master with a replica and sentinels, or a Cluster.
struct StoreServers: Sendable {
    enum Kind: Sendable {
        /// One server, with a fault proxy before it.
        case single
        /// A master, a replica, and three sentinels that nodes ask who is the master.
        case sentinels
        /// Three masters. Nodes go to them directly: servers of a Cluster name each other's ports.
        case cluster
        /// The same with a replica for each.
        case clusterWithReplicas
    }

    /// A master, and the replica that takes over from it.
    struct Pair: Sendable {
        let master: RedisServer
        let replica: RedisServer
    }

    /// The only one, or the first master.
    let redis: RedisServer
    private(set) var cluster: RedisCluster?
    private(set) var sentinels: RedisSentinels?

    static func start(_ kind: Kind, _ arguments: [String]) async throws -> StoreServers {
        let server = RedisServer.Options(arguments: ["--maxmemory-policy", "noeviction"] + arguments)
        switch kind {
        case .single: return StoreServers(redis: try await RedisServer.start(server))
        case .sentinels:
            // A server that is silent for a moment on a busy machine is not down yet.
            let options = RedisSentinels.Options(downAfterMilliseconds: 2000, server: server)
            let sentinels = try await RedisSentinels.start(options)
            return StoreServers(redis: sentinels.master, sentinels: sentinels)
        case .cluster: return try await start(RedisCluster.Options(server: server))
        case .clusterWithReplicas:
            // Short: these rows wait until the others have given a master up.
            return try await start(RedisCluster.Options(replicas: 3, nodeTimeoutMilliseconds: 2000, server: server))
        }
    }

    private static func start(_ options: RedisCluster.Options) async throws -> StoreServers {
        let cluster = try await RedisCluster.start(options)
        return StoreServers(redis: cluster.masters[0], cluster: cluster)
    }

    /// Where nodes go without a proxy; nil: through theirs.
    var url: String? { cluster?.url() ?? sentinels?.url() }

    var pairs: [Pair] {
        if let sentinels { return [Pair(master: sentinels.master, replica: sentinels.replicas[0])] }
        return zip(cluster?.masters ?? [], cluster?.replicas ?? []).map { Pair(master: $0, replica: $1) }
    }

    func stop() {
        redis.stop()
        cluster?.stop()
        sentinels?.stop()
    }
}

extension StoreServers.Pair {
    /// Returns when the replica has all that the master has now.
    func waitForReplica() async throws {
        let head = try await offset("master_repl_offset", of: master)
        try await eventually("the replica has what its master had") {
            try await offset("slave_repl_offset", of: replica) >= head
        }
    }

    private func offset(_ name: String, of server: RedisServer) async throws -> Int {
        let lines = try await server.command("INFO", "replication").split(whereSeparator: \.isNewline)
        let line = lines.first { $0.hasPrefix("\(name):") } ?? ""
        guard let offset = Int(line.dropFirst(name.count + 1)) else {
            throw TestFailure("the Redis on port \(server.port) does not tell its \(name)")
        }
        return offset
    }

    /// From now on the replica hears nothing of its master: it is promoted without what comes next. Whoever asks it or the
    /// master sees a replica that lost its connection a moment ago.
    func cutOff() async throws {
        // The master asks for no password, so it refuses whoever names one.
        try await replica.command("CONFIG", "SET", "masterauth", "nonsense")
        try await replica.command("CLIENT", "KILL", "TYPE", "master")
    }

    /// `kill -9` of the master, or `SIGSTOP`; returns when the replica has taken over.
    func failOver(by signal: Int32 = SIGKILL) async throws {
        if signal == SIGKILL { master.killNow() } else { master.signal(signal) }
        try await eventually("the replica is promoted", within: 60) {
            try await replica.command("INFO", "replication").contains("role:master")
        }
    }

    /// The old master comes back, and follows the new one; or the other way round, when the new one was silent for a moment
    /// and was given up as well.
    func comeBack(from signal: Int32 = SIGKILL) async throws {
        if signal == SIGKILL { try await master.start() } else { master.signal(SIGCONT) }
        try await eventually("one follows the other", within: 60) {
            for server in [master, replica] {
                // One that just changes its role answers nothing.
                let said = (try? await server.command("INFO", "replication")) ?? ""
                if said.contains("role:slave"), said.contains("master_link_status:up") { return true }
            }
            return false
        }
    }
}
