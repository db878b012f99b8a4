import ApusTesting
import Core
import Foundation
import Testing

@testable import RedisStore

/// `APUS_DURABILITY=strict` on real servers: what was answered ok is at a replica, and nothing is written that could not be.
@Suite("Strict durability", .timeLimit(.minutes(3)))
struct StrictTests {
    /// A master whose replica follows it, and a strict store on it.
    private static func with(
        loops: Int = 2, _ body: (RedisFixture, RedisServer) async throws -> Void
    ) async throws {
        let options = RedisServer.Options(arguments: ["--appendfsync", "always", "--repl-diskless-sync-delay", "0"])
        try await RedisFixture.with(options, loops: loops) { plain in
            var following = options
            following.arguments += ["--replicaof", "127.0.0.1 \(plain.server.port)"]
            let replica = try await RedisServer.start(following)
            defer { replica.stop() }
            try await isFollowed(plain.server)
            var configuration = plain.store.configuration
            configuration.durability = .strict
            let store = try RedisStore(
                configuration: configuration, eventLoopGroup: plain.group, limits: .forTests, logger: quiet)
            try await store.connect()
            do { try await body(RedisFixture(server: plain.server, store: store, group: plain.group), replica) } catch {
                await store.close()
                throw error
            }
            await store.close()
        }
    }

    /// The replica says `up` a moment before its master counts it as one that confirms writes.
    private static func isFollowed(_ master: RedisServer) async throws {
        try await eventually("the replica follows", within: 30) {
            try await master.command("INFO", "replication").contains("state=online")
        }
    }

    @Test("kill -9 of the master under load, and the replica takes over: every ok is there")
    func killed() async throws {
        try await Self.with { fixture, replica in
            let (load, results) = (AtomicFlag(), Shared<[(user: UserID, id: EventID, result: String)]>([]))
            try await withThrowingTaskGroup(of: Void.self) { group in
                defer { load.lower() }
                for _ in 0..<6 {
                    group.addTask {
                        while load.isUp, !Task.isCancelled {
                            let user = RedisFixture.user()
                            for _ in 0..<25 where load.isUp {
                                let id = EventID.new(atMilliseconds: RedisFixture.now)
                                let result = await fixture.tryAppend(id, to: user).result
                                results.lock { $0.append((user, id, result)) }
                            }
                        }
                    }
                }
                try await eventually("load before the fault") { results.lock { $0.count } > 500 }
                fixture.server.killNow()
                load.lower()
                try await group.waitForAll()
            }
            try await replica.command("REPLICAOF", "NO", "ONE")
            let store = try RedisStore(
                configuration: RedisConfiguration(url: replica.url()), eventLoopGroup: fixture.group, limits: .forTests,
                logger: quiet)
            try await store.connect()
            let after = RedisFixture(server: replica, store: store, group: fixture.group)
            for (user, results) in Dictionary(grouping: results.lock { $0 }, by: \.user) {
                let stored = Set(try await after.ids(of: user))
                for (_, id, result) in results where result != "unknown" {
                    #expect(stored.contains(id.text) == (result == "ok"), "\(result)")
                }
            }
            await store.close()
        }
    }

    @Test("A replica that hangs: one batch is unknown in time, then writes are refused unwritten, and reads go on")
    func hangingReplica() async throws {
        try await Self.with(loops: 1) { fixture, replica in
            let user = RedisFixture.user()
            try await fixture.append(to: user)
            replica.signal(SIGSTOP)
            defer { replica.signal(SIGCONT) }
            let first = EventID.new(atMilliseconds: RedisFixture.now)
            // The second comes while the first waits for the replica: it is refused before it is written.
            async let second = fixture.tryAppendLater(.new(atMilliseconds: RedisFixture.now), to: user)
            let unknown = await fixture.tryAppend(first, to: user)
            #expect(unknown.result == "unknown" && unknown.seconds < 2, "\(unknown)")
            #expect(await second.result == "notStored")
            for _ in 0..<20 {
                let refused = await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: user)
                #expect(refused.result == "notStored" && refused.seconds < 1, "\(refused)")
            }
            #expect(try await fixture.ids(of: user).count == 2, "the one before, and the unknown one; reads go on")
            #expect(fixture.store.isConnected)
            replica.signal(SIGCONT)
            try await eventually("the unknown one is repeated and confirmed, once", within: 10) {
                await fixture.tryAppend(first, to: user).result == "ok"
            }
            #expect(try await fixture.ids(of: user).count == 2)
            try await fixture.append(to: user)
        }
    }

    @Test("A replica that is gone: writes are refused unwritten from then on, also by a node that connects anew")
    func noReplica() async throws {
        try await Self.with(loops: 1) { fixture, replica in
            let user = RedisFixture.user()
            try await fixture.append(to: user)
            replica.killNow()
            try await eventually("writes are refused") {
                await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: user).result == "notStored"
            }
            let stored = try await fixture.ids(of: user).count
            let store = try RedisStore(
                configuration: fixture.store.configuration, eventLoopGroup: fixture.group, limits: .forTests,
                logger: quiet)
            try await store.connect()
            let late = RedisFixture(server: fixture.server, store: store, group: fixture.group)
            #expect(await late.tryAppend(.new(atMilliseconds: 0), to: user).result == "notStored")
            #expect(try await late.ids(of: user).count == stored)
            try await replica.start()
            try await eventually("writes are taken again", within: 30) {
                await late.tryAppend(.new(atMilliseconds: RedisFixture.now), to: user).result == "ok"
            }
            await store.close()
        }
    }

    @Test("At the start it is said what strict durability lacks, and how to mend it")
    func start() async throws {
        try await Self.with { fixture, replica in
            let configuration = fixture.store.configuration
            let warnings = try await StartTests.start(configuration)
            #expect(warnings.count == 1 && warnings.first?.contains("min-replicas-to-write 1") == true)
            try await fixture.server.command("CONFIG", "SET", "min-replicas-to-write", "1")
            #expect(try await StartTests.start(configuration).isEmpty)
            try await fixture.server.command("CONFIG", "SET", "appendfsync", "everysec")
            var error = await StartTests.failure(configuration)
            #expect(error?.problem.contains("appendfsync is everysec") == true && error?.kind == .unsuitable)
            try await fixture.server.command("CONFIG", "SET", "appendfsync", "always")
            replica.killNow()
            try await eventually("the replica is missed") {
                try await fixture.server.command("INFO", "replication").contains("connected_slaves:0")
            }
            error = await StartTests.failure(configuration)
            #expect(error?.fix.contains("APUS_DURABILITY=standard") == true)
        }
    }

    @Test("In a Cluster each shard has its own replica: when one hangs, only the users of its shard are refused")
    func cluster() async throws {
        let options = RedisCluster.Options(
            replicas: 3, nodeTimeoutMilliseconds: 15_000, server: .init(arguments: ["--appendfsync", "always"]))
        try await ClusterFixture.with(options, loops: 1, adjust: { $0.durability = .strict }) { fixture in
            let users = (0..<3).map { fixture.user(on: $0) }
            for user in users { try await fixture.append(to: user) }
            #expect(try await fixture.store.checkServer().count == 3, "min-replicas-to-write, at each master")
            fixture.cluster.replicas[1].signal(SIGSTOP)
            defer { fixture.cluster.replicas[1].signal(SIGCONT) }
            let first = await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: users[1])
            #expect(first.result == "unknown" && first.seconds < 2, "\(first)")
            #expect(await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: users[1]).result == "notStored")
            for user in [users[0], users[2]] { try await fixture.append(to: user) }
            fixture.cluster.replicas[1].signal(SIGCONT)
            try await eventually("its users are served again", within: 10) {
                await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: users[1]).result == "ok"
            }
        }
    }
}

extension StoreFixture {
    /// A little after what the caller does next.
    func tryAppendLater(_ id: EventID, to user: UserID) async -> (result: String, seconds: Double) {
        try? await Task.sleep(for: .milliseconds(150))
        return await tryAppend(id, to: user)
    }
}
