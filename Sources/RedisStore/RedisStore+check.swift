import Core
import NIOCore

extension RedisStore {
    /// Looks whether Apus may run on this server, or on every master of this Cluster: it would lose timelines silently
    /// on one that evicts.
    ///
    /// - Returns: Warnings for the log.
    /// - Throws: What is wrong with the server, and the fix.
    public func checkServer() async throws(RedisStartError) -> [String] {
        var warnings: [String] = []
        for server in pool.servers {
            let found = try await check(server)
            warnings += configuration.isCluster ? found.map { "\(server.address): \($0)" } : found
        }
        return warnings
    }

    private func check(_ server: RedisConfiguration) async throws(RedisStartError) -> [String] {
        var info = ServerInfo()
        for section in ["server", "memory", "replication", "persistence"] {
            info.add(try await ask(RedisArguments("INFO", section), server).string ?? "")
        }
        // Not every user may read the configuration, and not every service has the command: INFO tells the same.
        if let policy = await setting("maxmemory-policy", server) { info.set("maxmemory_policy", policy) }
        if configuration.isCluster, let coverage = await setting("cluster-require-full-coverage", server) {
            info.set("cluster_require_full_coverage", coverage)
        }
        if configuration.durability == .strict, let sync = await setting("appendfsync", server) {
            info.set("appendfsync", sync)
        }
        do {
            return try info.judge(isCluster: configuration.isCluster)
                + (configuration.durability == .strict ? info.judgeStrict() : [])
        } catch {
            throw error.at(server)
        }
    }

    private func setting(_ name: String, _ server: RedisConfiguration) async -> String? {
        try? await ask(RedisArguments("CONFIG", "GET", name), server).list?.last?.string
    }

    private func ask(
        _ command: RedisArguments, _ server: RedisConfiguration
    ) async throws(RedisStartError) -> RedisReply {
        do {
            return try await answer { pool.send(command, to: server, $0) }
        } catch {
            throw RedisStartError(
                .unsuitable, "the server cannot be examined (\(error))",
                fix: "allow the user +info, and keep the server running", server: server.description)
        }
    }
}

/// What INFO says, and what that means for Apus.
struct ServerInfo {
    private var fields: [Substring: String] = [:]

    /// Takes lines of the form `name:value`.
    mutating func add(_ text: String) {
        for line in text.split(whereSeparator: \.isNewline) {
            guard line.first != "#", let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon]] = String(line[line.index(after: colon)...])
        }
    }

    mutating func set(_ name: Substring, _ value: String) { fields[name] = value }

    /// - Parameter isCluster: It is one of a Cluster, and was asked for as such.
    /// - Returns: Warnings.
    func judge(isCluster: Bool = false) throws(RedisStartError) -> [String] {
        let version = fields["redis_version"] ?? "unknown"
        let numbers = version.split(separator: ".").compactMap { Int($0.prefix(while: \.isWholeNumber)) }
        guard numbers.count >= 2, (numbers[0], numbers[1]) >= (6, 2) else {
            throw Self.unsuitable("Redis \(version) is too old", "use Redis 6.2 or newer")
        }
        if fields["redis_mode"] == "cluster", !isCluster {
            throw Self.unsuitable(
                "the server is part of a Cluster", "write redis+cluster://host:port,host:port with some of its servers")
        }
        if let role = fields["role"], role != "master" {
            throw Self.unsuitable("the server is a replica", "name the master")
        }
        let policy = fields["maxmemory_policy"] ?? "unknown"
        guard policy == "noeviction" else {
            throw Self.unsuitable(
                "maxmemory-policy is \(policy): Redis would delete timelines silently",
                "set maxmemory-policy noeviction in redis.conf")
        }
        var warnings: [String] = []
        if fields["aof_enabled"] != "1" {
            warnings.append(
                "Redis keeps no append-only file: a restart loses what came after its last snapshot; set appendonly yes"
            )
        }
        if fields["cluster_require_full_coverage"] == "yes" {
            warnings.append(
                "one shard that is down stops the whole Cluster; set cluster-require-full-coverage no, so that it stops only the users on it"
            )
        }
        return warnings
    }

    /// What strict durability asks for on top of it.
    /// - Returns: Warnings.
    func judgeStrict() throws(RedisStartError) -> [String] {
        guard fields["aof_enabled"] == "1" else {
            throw Self.unsuitable(
                "durability is strict, and Redis keeps no append-only file",
                "set appendonly yes and appendfsync always in redis.conf, on the replicas too")
        }
        guard let sync = fields["appendfsync"] else {
            throw Self.unsuitable(
                "durability is strict, and appendfsync cannot be read", "allow the user +config|get")
        }
        guard sync == "always" else {
            throw Self.unsuitable(
                "durability is strict, and appendfsync is \(sync)",
                "set appendfsync always in redis.conf, on the replicas too")
        }
        guard fields.contains(where: { Self.isReplica($0) && $1.contains("state=online") }) else {
            throw Self.unsuitable(
                "durability is strict, and the server has no replica that follows",
                "start one with replicaof, or set APUS_DURABILITY=standard")
        }
        guard fields["min_slaves_good_slaves"] == nil else { return [] }
        return [
            "a master that was cut off from its replicas takes writes until it notices; set min-replicas-to-write 1, so that Redis refuses them itself"
        ]
    }

    private static func isReplica(_ name: Substring) -> Bool {
        name.hasPrefix("slave") && name.dropFirst(5).allSatisfy(\.isWholeNumber) && name.count > 5
    }

    private static func unsuitable(_ problem: String, _ fix: String) -> RedisStartError {
        RedisStartError(.unsuitable, problem, fix: fix)
    }
}
