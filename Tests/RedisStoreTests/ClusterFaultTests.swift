import ApusTesting
import Chat
import Core
import Foundation
import NIOCore
import Notifications
import Presence
import Testing

@testable import RedisStore

/// GUARANTEES G11 and G1 on a real Redis Cluster: its masters are killed, and one fails over.
@Suite("When a Redis Cluster is in trouble", .timeLimit(.minutes(3)))
struct ClusterFaultTests {
    @Test("A shard that is down: its users are refused in time, the others are served, and all is well when it is back")
    func shardDown() async throws {
        try await ClusterFixture.with { fixture in
            let (dead, back) = (fixture.cluster.masters[1], Shared(0))
            fixture.store.onReconnect { back.lock { $0 += 1 } }
            let users = (0..<3).map { fixture.user(on: $0) }
            for user in users { try await fixture.append(to: user) }
            dead.killNow()
            try await eventually("the loss is noticed") { !fixture.store.isConnected }
            for _ in 0..<20 {
                let refused = await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: users[1])
                #expect(refused.result == "notStored" && refused.seconds < 0.5, "\(refused)")
                for user in [users[0], users[2]] {
                    let served = await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: user)
                    #expect(served.result == "ok" && served.seconds < 1, "\(served)")
                }
            }
            await #expect(throws: StoreError.self) { try await answer { fixture.store.heads(users, $0) } }
            let heads = try await answer { fixture.store.heads([users[0], users[2]], $0) }
            #expect(heads.map(\.seq) == [21, 21])
            let reachable = try await answer { fixture.store.reachableHeads(users, $0) }
            #expect(reachable.map { $0?.seq } == [21, nil, 21], "those whose masters are there")
            try await dead.start()
            try await fixture.recovers()
            try await eventually("the Cluster lets it serve again") {
                await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: users[1]).result == "ok"
            }
            #expect(try await fixture.ids(of: users[1]).count == 2)
            #expect(back.lock { $0 } == 1)
        }
    }

    @Test("A shard that is down keeps nothing back elsewhere: its marks and notes go to others, and are found there")
    func marksElsewhere() async throws {
        try await ClusterFixture.with { fixture in
            let (conversation, author) = fixture.conversation(on: 0, markedOn: 1)
            let user = fixture.user(on: 2, notedOn: 1)
            fixture.cluster.masters[1].killNow()
            try await eventually("the loss is noticed") { !fixture.store.isConnected }
            let cid = try #require(ClientMessageID("c-1"))
            let outcome = try await answer {
                fixture.store.commit(
                    .send(cid: cid, body: Array("{}".utf8)), to: conversation, by: author, id: .short(),
                    nowMilliseconds: RedisFixture.now, $0)
            }
            guard case .appended(let commit) = outcome else { throw TestFailure("\(outcome)") }
            #expect(commit.isFannedOut && commit.entry.messages == 1)
            let later = RedisFixture.now + 3_600_000
            try await eventually("a sweeper finds it") {
                let claimed = try await answer {
                    fixture.store.claimUnfinished(
                        limit: 10, beforeMilliseconds: later, nowMilliseconds: later, $0)
                }
                return claimed.map(\.conversation) == [conversation]
            }
            try await fixture.append(RedisFixture.notification(ttl: 1000), to: user)
            try await eventually("its end is found") {
                let outcomes = try await answer {
                    fixture.store.expire(limit: 10, nowMilliseconds: later, $0)
                }
                return outcomes.map(\.user) == [user] && outcomes.first?.entries.count == 1
            }
        }
    }

    @Test("A hanging master: unknown within 2 s, then refusals at once, and the other masters' users notice nothing")
    func hanging() async throws {
        try await ClusterFixture.with(.init(nodeTimeoutMilliseconds: 15_000)) { fixture in
            let (user, other) = (fixture.user(on: 0), fixture.user(on: 2))
            let server = fixture.cluster.masters[0]
            server.signal(SIGSTOP)
            defer { server.signal(SIGCONT) }
            let first = await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: user)
            #expect(first.result == "unknown" && first.seconds < 2, "\(first)")
            let second = await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: user)
            #expect(second.result == "notStored" && second.seconds < 0.2, "\(second)")
            let served = await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: other)
            #expect(served.result == "ok" && served.seconds < 1, "\(served)")
            server.signal(SIGCONT)
            try await fixture.recovers()
            try await fixture.append(to: user)
        }
    }

    @Test(
        "A master dies and its replica takes over: found within seconds of it, and nothing that was replicated is lost")
    func failOver() async throws {
        try await ClusterFixture.with(.init(replicas: 1, nodeTimeoutMilliseconds: 1500)) { fixture in
            let (cluster, back) = (fixture.cluster, Shared(0))
            let (user, other) = (fixture.user(on: 0), fixture.user(on: 1))
            fixture.store.onReconnect { back.lock { $0 += 1 } }
            var stored: [String] = []
            for _ in 0..<20 {
                let id = EventID.new(atMilliseconds: RedisFixture.now)
                #expect(await fixture.tryAppend(id, to: user).result == "ok")
                stored.append(id.text)
            }
            #expect(try await cluster.masters[0].command("WAIT", "1", "5000") == "1")
            cluster.masters[0].killNow()
            // Until the replica has been promoted, everybody is answered in time.
            var promotedAt: ContinuousClock.Instant?
            try await eventually("the user is served by the new master", within: 30) {
                let id = EventID.new(atMilliseconds: RedisFixture.now)
                let (result, seconds) = await fixture.tryAppend(id, to: user)
                #expect(seconds < 2)
                if result == "ok" { stored.append(id.text) }
                #expect(await fixture.tryAppend(.new(atMilliseconds: RedisFixture.now), to: other).result == "ok")
                if promotedAt == nil, try await cluster.replicas[0].command("ROLE").hasPrefix("master") {
                    promotedAt = .now
                }
                return result == "ok"
            }
            if let promotedAt { #expect(ContinuousClock.now - promotedAt < .seconds(5)) }
            try await fixture.recovers()
            #expect(back.lock { $0 } == 1)
            #expect(try await fixture.ids(of: user) == stored)
            // The old master comes back as a replica of the new one, and nobody minds.
            try await cluster.masters[0].start()
            try await eventually("it follows") { try await cluster.masters[0].command("ROLE").hasPrefix("slave") }
            try await fixture.append(to: user)
            #expect(fixture.store.isConnected)
        }
    }

    @Test("Closing waits for what is in flight; before connecting and after closing everything is refused")
    func closing() async throws {
        try await ClusterFixture.with { fixture in
            let store = try RedisStore(
                configuration: fixture.store.configuration, eventLoopGroup: fixture.group, limits: .forTests,
                logger: quiet)
            let users = (0..<3).map { fixture.user(on: $0) }
            let early = await #expect(throws: StoreError.self) { try await answer { store.heads(users, $0) } }
            #expect(early?.outcome == .notStored && early?.message.contains("not connected yet") == true)
            try await store.connect()
            let answered = Shared(0)
            for index in 0..<60 {
                store.append(
                    RedisFixture.notification(), to: users[index % 3], nowMilliseconds: RedisFixture.now
                ) { result in
                    if case .success = result { answered.lock { $0 += 1 } }
                }
            }
            await store.close()
            #expect(answered.lock { $0 } == 60 && !store.isConnected)
            let late = await #expect(throws: StoreError.self) { try await answer { store.heads(users, $0) } }
            #expect(late?.outcome == .notStored)
            await store.close()
        }
    }

    @Test("A fail-over by hand: the commands meet MOVED and are done, none is lost, and the order stays")
    func failOverByHand() async throws {
        try await ClusterFixture.with(.init(replicas: 1)) { fixture in
            let user = fixture.user(on: 0)
            let load = Load(fixture, user)
            let running = Task { try await load.run() }
            try await eventually("load before") { load.answered > 200 }
            #expect(try await fixture.cluster.replicas[0].command("CLUSTER", "FAILOVER") == "OK")
            try await eventually("the old master says where the slot is", within: 60) {
                fixture.redirections(.moved) > 0
            }
            let before = load.answered
            try await eventually("load after", within: 60) { load.answered > before + 200 }
            load.end()
            try await running.value
            try await load.check()
            try await eventually("connected to the new master") { fixture.store.isConnected }
        }
    }
}
