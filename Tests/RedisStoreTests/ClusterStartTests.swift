import ApusTesting
import Core
import NIOCore
import NIOPosix
import Testing

@testable import RedisStore

/// What a node is told at the start about a Redis Cluster.
@Suite("At the start on a Redis Cluster", .timeLimit(.minutes(3)))
struct ClusterStartTests {
    private static func with(
        _ options: RedisCluster.Options, _ body: (RedisCluster) async throws -> Void
    ) async throws {
        let cluster = try await RedisCluster.start(options)
        defer { cluster.stop() }
        try await body(cluster)
    }

    private static func alone(
        _ options: RedisServer.Options = .init(), _ body: (RedisServer) async throws -> Void
    ) async throws {
        let server = try await RedisServer.start(options)
        defer { server.stop() }
        try await body(server)
    }

    @Test("A good Cluster is accepted; the settings of every master are looked at")
    func good() async throws {
        try await Self.with(.init()) { cluster in
            let configuration = try RedisConfiguration(url: cluster.url())
            #expect(try await StartTests.start(configuration).isEmpty)
            let last = cluster.masters[2]
            try await last.command("CONFIG", "SET", "cluster-require-full-coverage", "yes")
            try await last.command("CONFIG", "SET", "appendonly", "no")
            let warnings = try await StartTests.start(configuration)
            #expect(warnings.count == 2 && warnings.allSatisfy { $0.hasPrefix("127.0.0.1:\(last.port): ") })
            #expect(warnings.contains { $0.contains("set cluster-require-full-coverage no") })
            try await last.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            let error = await StartTests.failure(configuration)
            #expect(error?.kind == .unsuitable && error?.description.contains(":\(last.port)/0): maxmemory") == true)
        }
    }

    @Test("One address that answers is enough, also of a server that is a replica")
    func seeds() async throws {
        try await Self.with(.init(replicas: 1)) { cluster in
            let dead = try FreePort.next()
            for port in [cluster.masters[2].port, cluster.replicas[0].port] {
                let url = "redis+cluster://127.0.0.1:\(dead),127.0.0.1:\(port)"
                #expect(try await StartTests.start(RedisConfiguration(url: url)).isEmpty)
            }
        }
    }

    @Test("A plain URL to a Cluster, and a Cluster's URL to a plain server, are told of each other")
    func mixedUp() async throws {
        try await Self.alone(.init(cluster: true)) { server in
            let error = await StartTests.failure(try RedisConfiguration(url: server.url()))
            #expect(error?.kind == .unsuitable && error?.fix.contains("redis+cluster://host:port") == true)
            let url = "redis+cluster://127.0.0.1:\(server.port)"
            #expect(try await StartTests.start(RedisConfiguration(url: url)).allSatisfy { $0.contains("coverage") })
        }
        try await Self.alone { server in
            let url = "redis+cluster://127.0.0.1:\(server.port)"
            let began = ContinuousClock.now
            let error = await StartTests.failure(try RedisConfiguration(url: url))
            #expect(error?.kind == .configuration && error?.description.contains("no part of a Cluster") == true)
            #expect(error?.fix.contains("redis://") == true && error?.description.contains(url) == true)
            #expect(ContinuousClock.now - began < .seconds(5), "at once")
        }
    }

    @Test("Slots without a master are named, and so is a server that is not yet in a Cluster")
    func incomplete() async throws {
        try await Self.alone(.init(cluster: true)) { server in
            let configuration = try RedisConfiguration(url: "redis+cluster://127.0.0.1:\(server.port)")
            try await server.command("CLUSTER", "DELSLOTSRANGE", "100", "200")
            let some = await StartTests.failure(configuration, withinSeconds: 1)
            #expect(some?.kind == .unsuitable && some?.description.contains("100 to 200") == true)
            try await server.command("CLUSTER", "DELSLOTSRANGE", "0", "99", "201", "16383")
            let all = await StartTests.failure(configuration, withinSeconds: 1)
            #expect(all?.kind == .unsuitable && all?.fix.contains("--cluster create") == true)
        }
    }

    @Test("Nobody there")
    func unreachable() async throws {
        let configuration = try RedisConfiguration(
            url: "redis+cluster://127.0.0.1:\(FreePort.next()),127.0.0.1:\(FreePort.next())")
        let error = await StartTests.failure(configuration, withinSeconds: 1)
        #expect(error?.kind == .unreachable && error?.description.contains("refused") == true)
    }

    @Test("A wrong password is said at once; a user with few permissions is enough")
    func permissions() async throws {
        try await Self.with(.init(server: .init(password: "correct horse"))) { cluster in
            let began = ContinuousClock.now
            let wrong = await StartTests.failure(try RedisConfiguration(url: cluster.url(password: "hunter2")))
            #expect(wrong?.kind == .refused && wrong?.description.contains("hunter2") == false)
            #expect(ContinuousClock.now - began < .seconds(5))
            for server in cluster.masters {
                // docs/redis-keys.md names these.
                try await server.command(
                    "ACL", "SETUSER", "apus", "on", ">secret", "~apus:*", "+@read", "+@write", "+@connection",
                    "+evalsha", "+script|load", "+role", "+info", "+time", "+cluster|slots", "+asking")
            }
            let hosts = cluster.masters.map { "127.0.0.1:\($0.port)" }.joined(separator: ",")
            let configuration = try RedisConfiguration(url: "redis+cluster://apus:secret@\(hosts)")
            #expect(try await StartTests.start(configuration).isEmpty)
            for server in cluster.masters { try await server.command("ACL", "SETUSER", "apus", "-cluster|slots") }
            let error = await StartTests.failure(configuration)
            #expect(error?.kind == .refused && error?.fix.contains("+cluster|slots") == true)
        }
    }

    @Test("TLS to every master, and its certificate is verified")
    func tls() async throws {
        try await Self.with(.init(server: .init(password: "secret", tls: true))) { cluster in
            var configuration = try RedisConfiguration(url: cluster.url())
            #expect(await StartTests.failure(configuration)?.kind == .tls)
            configuration.authorityFile = cluster.authorityFile
            #expect(try await StartTests.start(configuration).isEmpty)
        }
    }
}
