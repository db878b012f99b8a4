import Foundation

/// A Redis Cluster of a test's own: masters with equal shares of the slots on 127.0.0.1, and replicas if wanted.
public final class RedisCluster: Sendable {
    /// What makes a Cluster different from the usual one.
    public struct Options: Sendable {
        public var masters = 3
        /// The first masters have one each.
        public var replicas = 0
        /// How long a server is silent before it counts as failed. Short only where a test waits for that: on a busy
        /// machine a server is silent easily.
        public var nodeTimeoutMilliseconds = 5000
        public var server = RedisServer.Options()

        public init(
            masters: Int = 3, replicas: Int = 0, nodeTimeoutMilliseconds: Int = 5000,
            server: RedisServer.Options = .init()
        ) {
            self.masters = masters
            self.replicas = replicas
            self.nodeTimeoutMilliseconds = nodeTimeoutMilliseconds
            self.server = server
        }
    }

    public let masters: [RedisServer]
    /// `replicas[n]` follows `masters[n]`.
    public let replicas: [RedisServer]
    /// The PEM file that vouches for the servers' certificate.
    public var authorityFile: String { folder.appendingPathComponent("cert.pem").path }
    private let options: RedisServer.Options
    private let folder: URL

    private init(masters: [RedisServer], replicas: [RedisServer], options: RedisServer.Options, folder: URL) {
        self.masters = masters
        self.replicas = replicas
        self.options = options
        self.folder = folder
    }

    /// Starts the servers and waits until each of them knows that all slots are served. End it with `stop`.
    public static func start(_ options: Options = Options()) async throws -> RedisCluster {
        let folder = try TestFolder.make("redis-cluster")
        var servers: [RedisServer] = []
        do {
            if options.server.tls { try await RedisServer.makeCertificate(in: folder) }
            let member = memberOptions(options, folder)
            for _ in 0..<(options.masters + options.replicas) {
                servers.append(try await RedisServer.start(member))
            }
            let cluster = RedisCluster(
                masters: Array(servers.prefix(options.masters)), replicas: Array(servers.dropFirst(options.masters)),
                options: member, folder: folder)
            try await cluster.form()
            return cluster
        } catch {
            for server in servers { server.stop() }
            try? FileManager.default.removeItem(at: folder)
            throw error
        }
    }

    private static func memberOptions(_ options: Options, _ folder: URL) -> RedisServer.Options {
        var member = options.server
        (member.cluster, member.isMember) = (true, true)
        if member.tls { member.certificates = folder }
        member.arguments += [
            "--cluster-node-timeout", "\(options.nodeTimeoutMilliseconds)", "--cluster-require-full-coverage", "no",
            "--repl-diskless-sync-delay", "0",
        ]
        return member
    }

    /// Two of the servers, whatever was done to them since.
    public func url(password: String? = nil) -> String {
        let login = (password ?? options.password).map { ":\($0)@" } ?? ""
        let hosts = masters.prefix(2).map { "127.0.0.1:\($0.port)" }.joined(separator: ",")
        return "\(options.tls ? "rediss" : "redis")+cluster://\(login)\(hosts)"
    }

    /// Ends it and removes its folders.
    public func stop() {
        for server in masters + replicas { server.stop() }
        try? FileManager.default.removeItem(at: folder)
    }
}

// MARK: Making it

extension RedisCluster {
    private static let slots = 16_384

    private func form() async throws {
        for (number, master) in masters.enumerated() {
            let first = number * Self.slots / masters.count
            let last = (number + 1) * Self.slots / masters.count - 1
            try await ok(master, "CLUSTER", "ADDSLOTSRANGE", "\(first)", "\(last)")
            try await ok(master, "CLUSTER", "SET-CONFIG-EPOCH", "\(number + 1)")
        }
        for server in masters.dropFirst() + replicas { try await meet(server) }
        let count = masters.count + replicas.count
        try await eventually("every server knows the whole Cluster", within: 60) {
            for server in masters + replicas where try await !knowsAll(server, count) { return false }
            return true
        }
        for (replica, master) in zip(replicas, masters) {
            try await ok(replica, "CLUSTER", "REPLICATE", try await id(of: master))
            try await eventually("the replica follows", within: 60) {
                let replication = try await replica.command("INFO", "replication")
                let slots = try await masters[0].command("CLUSTER", "SLOTS")
                return replication.contains("master_link_status:up") && slots.contains("\(replica.port)")
            }
        }
    }

    /// Another server without slots, that knows and is known. The caller stops it.
    public func startEmptyMaster() async throws -> RedisServer {
        let server = try await RedisServer.start(options)
        do {
            try await meet(server)
            let count = masters.count + replicas.count + 1
            try await eventually("the Cluster has one server more", within: 60) {
                for server in masters + [server] where try await !knowsAll(server, count) { return false }
                return true
            }
        } catch {
            server.stop()
            throw error
        }
        return server
    }

    private func meet(_ server: RedisServer) async throws {
        try await ok(masters[0], "CLUSTER", "MEET", "127.0.0.1", "\(server.port)", "\(server.busPort)")
    }

    private func knowsAll(_ server: RedisServer, _ count: Int) async throws -> Bool {
        let info = try await server.command("CLUSTER", "INFO")
        return info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:\(Self.slots)")
            && info.contains("cluster_known_nodes:\(count)")
    }

    public func id(of server: RedisServer) async throws -> String { try await server.command("CLUSTER", "MYID") }

    private func ok(_ server: RedisServer, _ words: String...) async throws {
        let answer = try await server.command(words)
        guard answer == "OK" else { throw TestFailure("\(words.prefix(3)) was answered \(answer)") }
    }
}

// MARK: Moving a slot

extension RedisCluster {
    /// From now on the slot is between the two: what one has not, the other may have.
    public func beginMove(of slot: Int, from source: RedisServer, to target: RedisServer) async throws {
        try await ok(target, "CLUSTER", "SETSLOT", "\(slot)", "IMPORTING", try await id(of: source))
        try await ok(source, "CLUSTER", "SETSLOT", "\(slot)", "MIGRATING", try await id(of: target))
    }

    /// Moves the keys, one request each, as fast as it goes.
    public func moveKeys(of slot: Int, from source: RedisServer, to target: RedisServer) async throws {
        while true {
            let keys = try await source.command("CLUSTER", "GETKEYSINSLOT", "\(slot)", "100")
                .split(whereSeparator: \.isNewline).map(String.init)
            guard !keys.isEmpty else { return }
            var words = ["MIGRATE", "127.0.0.1", "\(target.port)", "", "0", "5000"]
            if let password = options.password { words += ["AUTH", password] }
            let answer = try await source.command(words + ["KEYS"] + keys)
            guard ["OK", "NOKEY"].contains(answer) else { throw TestFailure("MIGRATE was answered \(answer)") }
        }
    }

    /// The slot is the target's; every server of `others` is told at once.
    public func endMove(of slot: Int, to target: RedisServer, telling others: [RedisServer]) async throws {
        let id = try await id(of: target)
        for server in [target] + others { try await ok(server, "CLUSTER", "SETSLOT", "\(slot)", "NODE", id) }
    }
}
