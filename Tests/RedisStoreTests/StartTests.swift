import ApusTesting
import Core
import NIOCore
import NIOPosix
import Testing

@testable import RedisStore

/// What a node is told at the start when this Redis will not do.
@Suite("At the start", .timeLimit(.minutes(2)))
struct StartTests {
    /// Connects and checks a server; gives the warnings.
    @discardableResult
    static func start(
        _ configuration: RedisConfiguration, withinSeconds seconds: Int = 20
    ) async throws -> [String] {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let result: Result<[String], any Error>
        do {
            let store = try RedisStore(configuration: configuration, eventLoopGroup: group, logger: quiet)
            do {
                try await store.connect(withinSeconds: seconds)
                result = .success(try await store.checkServer())
            } catch {
                result = .failure(error)
            }
            await store.close()
        } catch {
            result = .failure(error)
        }
        try await group.shutdownGracefully()
        return try result.get()
    }

    static func failure(
        _ configuration: RedisConfiguration, withinSeconds seconds: Int = 20
    ) async -> RedisStartError? {
        await #expect(throws: RedisStartError.self) { try await start(configuration, withinSeconds: seconds) }
    }

    private static func with(
        _ options: RedisServer.Options, _ body: (RedisServer) async throws -> Void
    ) async throws {
        let server = try await RedisServer.start(options)
        defer { server.stop() }
        try await body(server)
    }

    @Test("A good server is accepted; without an append-only file with a warning")
    func good() async throws {
        try await Self.with(.init()) { server in
            let configuration = try RedisConfiguration(url: server.url())
            #expect(try await Self.start(configuration).isEmpty)
            try await server.command("CONFIG", "SET", "appendonly", "no")
            let warnings = try await Self.start(configuration)
            #expect(warnings.count == 1 && warnings.first?.contains("appendonly yes") == true)
        }
    }

    @Test("A wrong or missing password is said at once and never shown")
    func password() async throws {
        try await Self.with(.init(password: "correct horse")) { server in
            for url in [
                server.url(password: "hunter2"), server.url(password: ""),
                "redis://who:hunter2@localhost:\(server.port)",
            ] {
                let configuration = try RedisConfiguration(url: url)
                let began = ContinuousClock.now
                let error = await Self.failure(configuration)
                #expect(error?.kind == .refused)
                #expect(error?.description.contains("redis://user:password@host") == true)
                #expect(error?.description.contains("hunter2") == false)
                #expect(ContinuousClock.now - began < .seconds(5))
            }
            let right = "redis://:correct%20horse@localhost:\(server.port)/2"
            #expect(try await Self.start(RedisConfiguration(url: right)).isEmpty)
        }
    }

    @Test("A user with few permissions is enough; one with fewer is told what is missing")
    func permissions() async throws {
        try await Self.with(.init()) { server in
            // docs/redis-keys.md names these.
            try await server.command(
                "ACL", "SETUSER", "apus", "on", ">secret", "~apus:*", "+@read", "+@write", "+@connection", "+evalsha",
                "+script|load", "+role", "+info", "+time")
            let configuration = try RedisConfiguration(url: "redis://apus:secret@127.0.0.1:\(server.port)")
            #expect(try await Self.start(configuration).isEmpty)
            try await server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            #expect(await Self.failure(configuration)?.problem.contains("allkeys-lru") == true, "INFO tells it too")
            try await server.command("ACL", "SETUSER", "apus", "-script|load")
            let error = await Self.failure(configuration)
            #expect(error?.kind == .refused && error?.fix.contains("+script|load") == true)
        }
    }

    @Test("A server that evicts is refused, with the fix")
    func eviction() async throws {
        try await Self.with(.init(arguments: ["--maxmemory-policy", "allkeys-lru"])) { server in
            let error = await Self.failure(try RedisConfiguration(url: server.url()))
            #expect(error?.kind == .unsuitable)
            #expect(error?.description.contains("allkeys-lru") == true)
            #expect(error?.description.contains("set maxmemory-policy noeviction") == true)
            #expect(error?.description.contains("redis://localhost:\(server.port)/0") == true)
        }
    }

    @Test("A replica is not connected to, and the error says so when the time is over")
    func replica() async throws {
        try await Self.with(.init(arguments: ["--replicaof", "127.0.0.1 \(FreePort.next())"])) { server in
            let error = await Self.failure(try RedisConfiguration(url: server.url()), withinSeconds: 1)
            #expect(error?.kind == .unsuitable && error?.description.contains("replica") == true)
        }
    }

    @Test("Nobody there, and a name that nobody has")
    func unreachable() async throws {
        let error = await Self.failure(
            RedisConfiguration(host: "127.0.0.1", port: try FreePort.next()), withinSeconds: 1)
        #expect(
            error?.kind == .unreachable && error?.description.contains("refused") == true, "\(error?.description ?? "")"
        )
        let unknown = await Self.failure(RedisConfiguration(host: "no-such-host.invalid"), withinSeconds: 1)
        #expect(unknown?.kind == .unreachable)
    }

    @Test("A server that comes up while the node waits is found")
    func late() async throws {
        try await Self.with(.init()) { server in
            server.killNow()
            async let warnings = Self.start(RedisConfiguration(url: server.url()))
            try await server.start()
            #expect(try await warnings.isEmpty)
        }
    }

    @Test("TLS: the certificate is verified, by name and by address")
    func tls() async throws {
        try await Self.with(.init(password: "secret", tls: true)) { server in
            for host in ["localhost", "127.0.0.1"] {
                var configuration = try RedisConfiguration(url: server.url(host: host))
                configuration.authorityFile = server.authorityFile
                #expect(try await Self.start(configuration).isEmpty)
                configuration.authorityFile = nil
                let error = await Self.failure(configuration)
                #expect(error?.kind == .tls && error?.description.contains("certificate") == true)
            }
            var plain = try RedisConfiguration(url: server.url())
            plain.tls = false
            #expect(await Self.failure(plain, withinSeconds: 1)?.kind == .unreachable)
            plain.tls = true
            plain.authorityFile = server.authorityFile + ".missing"
            #expect(await Self.failure(plain)?.kind == .configuration)
        }
    }

    @Test("rediss:// for a server that does not speak TLS")
    func tlsToPlain() async throws {
        try await Self.with(.init()) { server in
            var configuration = try RedisConfiguration(url: server.url())
            configuration.tls = true
            let error = await Self.failure(configuration, withinSeconds: 1)
            #expect(error?.kind == .tls || error?.kind == .unreachable)
        }
    }

    @Test("What INFO says of the server decides")
    func info() throws {
        var good = ServerInfo()
        good.add("# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrole:master\r\n")
        good.add("maxmemory_policy:noeviction\r\naof_enabled:1\r\n")
        #expect(try good.judge().isEmpty)
        for version in ["6.2.0", "7.2.4", "8.0-rc1", "10.0.0"] {
            var info = good
            info.set("redis_version", version)
            #expect(try info.judge().isEmpty)
        }
        let bad = [
            ("redis_version", "6.0.16"), ("redis_version", "5.0"), ("redis_version", ""), ("redis_mode", "cluster"),
            ("role", "slave"), ("maxmemory_policy", "volatile-ttl"), ("maxmemory_policy", ""),
        ]
        for (name, value) in bad {
            var info = good
            info.set(name[...], value)
            #expect(throws: RedisStartError.self) { try info.judge() }
        }
    }
}
