import ApusTesting
import Core
import Foundation
import Testing

@testable import RedisStore

/// GUARANTEES G11 and the table under it: real sentinels, and masters that die.
@Suite("Redis behind Sentinel", .timeLimit(.minutes(4)), .serialized)
struct SentinelTests {
    enum Fault: String, CaseIterable { case killed, frozen }

    @Test(
        "A master dies under load: everyone is answered in time, the promoted replica is found within seconds, and what was replicated is there",
        arguments: Fault.allCases)
    func failOver(_ fault: Fault) async throws {
        try await SentinelFixture.with { fixture in
            let (load, results, back) = (AtomicFlag(), Shared<[LoadResult]>([]), Shared(0))
            fixture.store.onReconnect { back.lock { $0 += 1 } }
            let old = fixture.servers.master
            try await withThrowingTaskGroup(of: Void.self) { group in
                // Also when something fails: the group waits for its tasks.
                defer { load.lower() }
                for _ in 0..<4 { group.addTask { await Self.load(fixture, while: load, results) } }
                try await eventually("load before the fault") { results.lock { $0.count } > 200 }
                switch fault {
                case .killed: old.killNow()
                case .frozen: old.signal(SIGSTOP)
                }
                let faultAt = ContinuousClock.now
                _ = try await fixture.promoted()
                let promotedAt = ContinuousClock.now
                try await eventually("every connection is to the new master", within: 5) { fixture.store.isConnected }
                let before = results.lock { $0.count }
                try await eventually("load after the fault") { results.lock { $0.count } > before + 200 }
                load.lower()
                try await group.waitForAll()
                #expect(ContinuousClock.now - promotedAt < .seconds(15), "after \(promotedAt - faultAt)")
            }
            let all = results.lock { $0 }
            #expect((all.map(\.seconds).max() ?? 0) < 2)
            #expect(all.suffix(50).allSatisfy { $0.result == "ok" })
            #expect(back.lock { $0 } == 1)
            try await Self.audit(all, fixture)
            if fault == .frozen { try await Self.oldMasterIsNotWrittenTo(fixture, old) }
        }
    }

    /// Stores what was refused nowhere, and what was answered ok everywhere but for the last moment before the fault:
    /// replication does not wait.
    private static func audit(_ all: [LoadResult], _ fixture: SentinelFixture) async throws {
        var lost = 0
        for (user, results) in Dictionary(grouping: all, by: \.user) {
            let stored = try await fixture.ids(of: user)
            #expect(Set(stored).count == stored.count, "none twice")
            for result in results {
                let isThere = stored.contains(result.id.text)
                if result.result == "notStored" { #expect(!isThere, "\(result)") }
                if result.result == "ok", !isThere { lost += 1 }
            }
        }
        #expect(lost <= 20, "of \(all.count)")
    }

    private static func oldMasterIsNotWrittenTo(_ fixture: SentinelFixture, _ old: RedisServer) async throws {
        old.signal(SIGCONT)
        for _ in 0..<50 { try await fixture.append(to: RedisFixture.user()) }
        try await eventually("the old master follows", within: 40) {
            try await old.command("ROLE").hasPrefix("slave")
        }
        #expect(fixture.store.isConnected)
        try await fixture.append(to: RedisFixture.user())
    }

    struct LoadResult: Sendable {
        var user: UserID
        var id: EventID
        var result: String
        var seconds: Double
    }

    private static func load(
        _ fixture: SentinelFixture, while flag: AtomicFlag, _ results: Shared<[LoadResult]>
    ) async {
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

    @Test("An operator's fail-over is followed although no connection breaks, and nothing that was stored is lost")
    func byHand() async throws {
        try await SentinelFixture.with(.init(password: "sentinels-only")) { fixture in
            let user = RedisFixture.user()
            for _ in 0..<10 { try await fixture.append(to: user) }
            try await eventually("the replica has them") {
                try await fixture.servers.replicas[0].command("LLEN", RedisKeys.timeline(user)) == "10"
            }
            #expect(try await fixture.servers.ask(0, "SENTINEL", "FAILOVER", RedisSentinels.name) == "OK")
            let master = try await fixture.promoted()
            try await eventually("writes go to the new master", within: 10) {
                await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: user).result == "ok"
                    && fixture.store.pool.servers.first?.port == master.port && fixture.store.isConnected
            }
            let ids = try await fixture.ids(of: user)
            #expect(ids.count >= 11 && Set(ids).count == ids.count)
        }
    }

    @Test("Sentinels that die one after another are not missed as long as one is left")
    func sentinelsDie() async throws {
        try await SentinelFixture.with { fixture in
            for sentinel in fixture.servers.sentinels.prefix(2) { sentinel.killNow() }
            try await fixture.append(to: RedisFixture.user())
            #expect(fixture.store.isConnected)
            // A node that starts now finds the master too.
            let configuration = fixture.store.configuration
            #expect(try await StartTests.start(configuration).isEmpty)
            fixture.servers.sentinels[2].killNow()
            try await fixture.append(to: RedisFixture.user())
            let error = await StartTests.failure(configuration, withinSeconds: 1)
            #expect(error?.kind == .unreachable && error?.description.contains("sentinel") == true)
        }
    }

    @Test("What is wrong at the start is said: a name that nobody watches, a password, a server that is no sentinel")
    func start() async throws {
        try await SentinelFixture.with(.init(server: .init(password: "secret"), password: "hush")) { fixture in
            let url = fixture.servers.url()
            #expect(try await StartTests.start(RedisConfiguration(url: url)).isEmpty)
            let cases = [
                (url.replacing("/apus-test", with: "/other"), "called other", "sentinel monitor"),
                (url.replacing("=hush", with: "=hunter2"), "sentinel 127.0.0.1", "sentinel_password"),
                (url.replacing("?sentinel_password=hush", with: ""), "sentinel 127.0.0.1", "sentinel_password"),
                (fixture.servers.url(password: "hunter2"), "WRONGPASS", "redis://user:password@host"),
                (
                    "redis+sentinel://:secret@127.0.0.1:\(fixture.servers.master.port)/m?sentinel_password=secret",
                    "unknown command", "26379"
                ),
            ]
            for (url, problem, fix) in cases {
                let error = await StartTests.failure(try RedisConfiguration(url: url), withinSeconds: 2)
                let text = error?.description ?? ""
                #expect(text.contains(problem) && text.contains(fix) && !text.contains("hunter2"), "\(text)")
            }
        }
    }
}
