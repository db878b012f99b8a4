import Core
import NIOCore

extension RedisStore {
    /// Looks whether Apus may run on this server: it would lose timelines silently on one that evicts.
    ///
    /// - Returns: Warnings for the log.
    /// - Throws: What is wrong with the server, and the fix.
    public func checkServer() async throws(RedisStartError) -> [String] {
        var info = ServerInfo()
        for section in ["server", "memory", "replication", "persistence"] {
            info.add(try await ask(RedisArguments("INFO", section)).string ?? "")
        }
        // Not every user may read the configuration, and not every service has the command: INFO tells the same.
        if let policy = try? await ask(RedisArguments("CONFIG", "GET", "maxmemory-policy")).list?.last?.string {
            info.set("maxmemory_policy", policy)
        }
        do {
            return try info.judge()
        } catch {
            throw error.at(configuration)
        }
    }

    private func ask(_ command: RedisArguments) async throws(RedisStartError) -> RedisReply {
        do {
            return try await answer { pool.send(RedisCommand(command, key: ""), $0) }
        } catch {
            throw RedisStartError(
                .unsuitable, "the server cannot be examined (\(error))",
                fix: "allow the user +info, and keep the server running", server: configuration.description)
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

    /// - Returns: Warnings.
    func judge() throws(RedisStartError) -> [String] {
        let version = fields["redis_version"] ?? "unknown"
        let numbers = version.split(separator: ".").compactMap { Int($0.prefix(while: \.isWholeNumber)) }
        guard numbers.count >= 2, (numbers[0], numbers[1]) >= (6, 2) else {
            throw Self.unsuitable("Redis \(version) is too old", "use Redis 6.2 or newer")
        }
        if fields["redis_mode"] == "cluster" {
            throw Self.unsuitable(
                "the server is part of a Cluster", "use redis+cluster://, which comes with the fleet release")
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
        return fields["aof_enabled"] == "1"
            ? []
            : ["Redis keeps no append-only file: a restart loses what came after its last snapshot; set appendonly yes"]
    }

    private static func unsuitable(_ problem: String, _ fix: String) -> RedisStartError {
        RedisStartError(.unsuitable, problem, fix: fix)
    }
}
