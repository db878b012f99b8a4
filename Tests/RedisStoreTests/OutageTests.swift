import ApusTesting
import Core
import Foundation
import Notifications
import Synchronization
import Testing
import Timelines

@testable import RedisStore

/// GUARANTEES G11 on a real server: it is killed, stopped, filled and made a replica.
@Suite("When Redis is in trouble", .timeLimit(.minutes(2)))
struct OutageTests {
    @Test("kill -9 under load: every append is answered in time, every ok is there afterwards, and nobody intervenes")
    func killed() async throws {
        try await RedisFixture.with(.init(arguments: ["--appendfsync", "always"])) { fixture in
            let (load, results) = (AtomicFlag(), Shared<[LoadResult]>([]))
            try await withThrowingTaskGroup(of: Void.self) { group in
                // Also when something fails: the group waits for its tasks.
                defer { load.lower() }
                for _ in 0..<8 { group.addTask { await Self.load(fixture, while: load, results) } }
                try await eventually("load before the fault") { results.lock { $0.count } > 300 }
                fixture.server.killNow()
                try await eventually("refusals") { results.lock { all in all.contains { $0.result == "notStored" } } }
                try await fixture.server.start()
                try await fixture.recovers()
                let before = results.lock { $0.count }
                try await eventually("load after the fault") { results.lock { $0.count } > before + 300 }
                load.lower()
                try await group.waitForAll()
            }
            let all = results.lock { $0 }
            #expect((all.map(\.seconds).max() ?? 0) < 2)
            #expect(all.suffix(100).allSatisfy { $0.result == "ok" })
            for (user, results) in Dictionary(grouping: all, by: \.user) {
                let stored = Set(try await fixture.ids(of: user))
                for result in results where result.result != "unknown" {
                    #expect(stored.contains(result.id.text) == (result.result == "ok"), "\(result)")
                }
                #expect(
                    try await answer { fixture.store.unreadDrift(of: user, nowMilliseconds: RedisFixture.now, $0) } == 0
                )
            }
        }
    }

    struct LoadResult: Sendable {
        var user: UserID
        var id: EventID
        var result: String
        var seconds: Double
    }

    /// Appends one after another; a refusal is followed by a short pause, as a client would.
    private static func load(_ fixture: RedisFixture, while flag: AtomicFlag, _ results: Shared<[LoadResult]>) async {
        while flag.isUp, !Task.isCancelled {
            // So few that the caps of the test's limits drop nothing.
            let user = RedisFixture.user()
            for _ in 0..<25 where flag.isUp {
                let id = EventID.new(atMilliseconds: RedisFixture.now)
                let (result, seconds) = await fixture.tryAppend(id, to: user)
                results.lock { $0.append(LoadResult(user: user, id: id, result: result, seconds: seconds)) }
                if result == "notStored" { try? await Task.sleep(for: .milliseconds(5)) }
            }
        }
    }

    @Test("A server that hangs: unknown within 2 s, then refusals at once, and all is well when it goes on")
    func hanging() async throws {
        try await RedisFixture.with { fixture in
            let (user, other) = (RedisFixture.user(), RedisFixture.user())
            try await fixture.append(to: user)
            let id = EventID.new(atMilliseconds: RedisFixture.now)
            try await fixture.whileHanging {
                let first = await fixture.tryAppend(id, to: user)
                #expect(first.result == "unknown" && first.seconds < 2)
                let second = await fixture.tryAppend(.new(atMilliseconds: 0), to: user)
                #expect(second.result == "notStored" && second.seconds < 0.2, "\(second)")
                #expect(!fixture.store.isConnected)
                // The other loop's connection finds out by itself.
                _ = await fixture.tryAppend(.new(atMilliseconds: 0), to: other)
            }
            try await fixture.recovers()
            #expect(await fixture.tryAppend(id, to: user).result == "ok")
            #expect(
                try await fixture.ids(of: user).filter { $0 == id.text }.count == 1, "once, whatever came of the first")
        }
    }

    @Test("A pause shorter than the deadline is not noticed")
    func shortPause() async throws {
        try await RedisFixture.with { fixture in
            async let pause = fixture.server.command("DEBUG", "SLEEP", "0.7")
            let user = RedisFixture.user()
            for _ in 0..<20 { try await fixture.append(to: user) }
            #expect(try await pause == "OK")
            #expect(fixture.store.isConnected)
            #expect(try await fixture.ids(of: user).count == 20)
        }
    }

    @Test("A sleep longer than the deadline ends in unknown, and passes")
    func longPause() async throws {
        try await RedisFixture.with(loops: 1) { fixture in
            async let pause = fixture.server.command("DEBUG", "SLEEP", "4")
            let user = RedisFixture.user()
            var results: [String] = []
            try await eventually("an append meets the pause") {
                let (result, seconds) = await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: user)
                results.append(result)
                #expect(seconds < 2)
                return result == "unknown"
            }
            #expect(try await pause == "OK")
            try await fixture.recovers()
            try await fixture.append(to: user)
        }
    }

    @Test("A server that answers late is kept: who waits is told in time, and what was late is done")
    func slow() async throws {
        try await RedisFixture.with(loops: 1) { fixture in
            let proxy = try await NetworkProxy.start(to: fixture.server.port)
            defer { proxy.stop() }
            let metrics = CountingMetrics()
            let store = try RedisStore(
                configuration: RedisConfiguration(url: "redis://127.0.0.1:\(proxy.port)"),
                eventLoopGroup: fixture.group, limits: .forTests, logger: quiet, metrics: metrics, clock: SampleTime())
            try await store.connect()
            let slow = RedisFixture(server: fixture.server, store: store, group: fixture.group)
            // 5 KB/s each way: something is heard all the time, and the last of these would be answered after 20 s.
            proxy.set(.trickle(bytes: 100))
            let users = (0..<200).map { _ in RedisFixture.user() }
            let results = await withTaskGroup(of: (result: String, seconds: Double).self) { appends in
                for user in users {
                    appends.addTask { await slow.tryAppend(.new(atMilliseconds: RedisFixture.now), to: user) }
                }
                return await appends.reduce(into: []) { $0.append($1) }
            }
            #expect(results.contains { $0.result == "ok" } && results.contains { $0.result == "unknown" })
            #expect(results.allSatisfy { ["ok", "unknown"].contains($0.result) && $0.seconds < 3 })
            proxy.set(.pass)
            for user in users {
                try await eventually("what was late is done") { try await fixture.ids(of: user).count == 1 }
            }
            #expect(await slow.tryAppend(.new(atMilliseconds: RedisFixture.now), to: users[0]).result == "ok")
            #expect(metrics.value("apus_redis_timeouts_total") > 0)
            #expect(metrics.value("apus_redis_outages_total") == 0, "no connection was given up")
            await store.close()
        }
    }

    @Test("A killed server is refused at once while it is away: nothing waits in a queue")
    func away() async throws {
        try await RedisFixture.with { fixture in
            fixture.server.killNow()
            try await eventually("the loss is noticed") { !fixture.store.isConnected }
            let results = await withTaskGroup(of: (String, Double).self) { group in
                for _ in 0..<200 {
                    group.addTask { await fixture.tryAppend(.new(atMilliseconds: 0), to: RedisFixture.user()) }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(results.allSatisfy { $0.0 == "notStored" && $0.1 < 1 })
        }
    }

    @Test("A full server refuses writes whole, answers reads, and goes on when there is room")
    func full() async throws {
        try await RedisFixture.with { fixture in
            let user = RedisFixture.user()
            for _ in 0..<3 { try await fixture.append(RedisFixture.notification(ttl: 1000), to: user) }
            let before = try await fixture.snapshot(of: user)
            try await fixture.server.command("CONFIG", "SET", "maxmemory", "1mb")
            for notification in [RedisFixture.notification(), RedisFixture.notification(collapse: "k", ttl: 9)] {
                let error = await #expect(throws: StoreError.self) { try await fixture.append(notification, to: user) }
                #expect(error?.outcome == .notStored && error?.message.contains("OOM") == true)
            }
            let marking = await #expect(throws: StoreError.self) {
                try await answer {
                    fixture.store.markRead(
                        .all, category: nil, of: user, id: .new(atMilliseconds: 0), nowMilliseconds: RedisFixture.now,
                        $0)
                }
            }
            #expect(marking?.outcome == .notStored)
            #expect(try await fixture.snapshot(of: user) == before, "nothing of it was written, and reads go on")
            #expect(fixture.store.isConnected)
            try await fixture.server.command("CONFIG", "SET", "maxmemory", "0")
            #expect(try await fixture.append(to: user).seq == 4)
        }
    }

    @Test("A server without the replicas that it wants refuses, and says so")
    func withoutReplicas() async throws {
        try await RedisFixture.with { fixture in
            try await fixture.server.command("CONFIG", "SET", "min-replicas-to-write", "1")
            let error = await #expect(throws: StoreError.self) { try await fixture.append(to: RedisFixture.user()) }
            #expect(error?.outcome == .notStored && error?.message.contains("NOREPLICAS") == true)
            try await fixture.server.command("CONFIG", "SET", "min-replicas-to-write", "0")
            try await fixture.append(to: RedisFixture.user())
        }
    }

    @Test("A master that becomes a replica is left, and used again when it is master again")
    func demoted() async throws {
        try await RedisFixture.with(loops: 1) { fixture in
            let user = RedisFixture.user()
            try await fixture.append(to: user)
            try await fixture.server.command("REPLICAOF", "127.0.0.1", "\(FreePort.next())")
            let error = await #expect(throws: StoreError.self) { try await fixture.append(to: user) }
            #expect(error?.outcome == .notStored)
            try await eventually("the replica is left") { !fixture.store.isConnected }
            #expect(await fixture.tryAppend(.new(atMilliseconds: 0), to: user).result == "notStored")
            try await fixture.server.command("REPLICAOF", "NO", "ONE")
            try await fixture.recovers()
            #expect(try await fixture.append(to: user).seq == 2)
        }
    }

    @Test("Scripts that the server forgot are loaded again, and the order of calls stays")
    func forgottenScripts() async throws {
        try await RedisFixture.with { fixture in
            let user = RedisFixture.user()
            let flushing = AtomicFlag()
            let flusher = Task {
                var count = 0
                while flushing.isUp {
                    try await fixture.server.command("SCRIPT", "FLUSH")
                    count += 1
                }
                return count
            }
            defer { flushing.lower() }
            var sent: [String] = []
            for _ in 0..<15 {
                let batch = (0..<6).map { _ in RedisFixture.notification() }
                sent += batch.map(\.id.text)
                let missing = Atomic(batch.count)
                let failures = Shared<[StoreError]>([])
                for notification in batch {
                    fixture.store.append(notification, to: user, nowMilliseconds: RedisFixture.now) { result in
                        if case .failure(let error) = result { failures.lock { $0.append(error) } }
                        missing.subtract(1, ordering: .sequentiallyConsistent)
                    }
                }
                try await eventually("the batch is answered") { missing.load(ordering: .sequentiallyConsistent) == 0 }
                #expect(failures.lock { $0 }.isEmpty)
            }
            flushing.lower()
            #expect(try await flusher.value > 0)
            try await fixture.server.command("SCRIPT", "FLUSH")
            #expect(try await fixture.ids(of: user) == sent)
        }
    }
}

/// Up until it is lowered.
final class AtomicFlag: Sendable {
    private let value = Atomic(true)
    var isUp: Bool { value.load(ordering: .relaxed) }
    func lower() { value.store(false, ordering: .relaxed) }
}

/// Everything that is stored for a user, as its ports show it.
struct Snapshot: Equatable {
    var ids: [String]
    var page: InboxPage
    var unread: Unread
}

extension RedisFixture {
    func snapshot(of user: UserID) async throws -> Snapshot {
        let page = try await answer {
            store.page(InboxQuery(limit: 200), of: user, nowMilliseconds: Self.now, $0)
        }
        let opening = try await answer { store.open(user, at: nil, limit: 0, $0) }
        return Snapshot(ids: try await ids(of: user), page: page, unread: opening.unread)
    }
}
