import ApusTesting
import Core
import Foundation
import NIOCore
import Notifications
import Presence
import Testing

@testable import RedisStore

/// GUARANTEES G1 and G3 while slots move between masters: ASK, TRYAGAIN and MOVED come from real servers.
@Suite("While a slot moves", .timeLimit(.minutes(3)))
struct ClusterMoveTests {
    @Test("Nothing is lost, nothing is there twice, and each user's order stays; ASK, TRYAGAIN and MOVED are followed")
    func underLoad() async throws {
        try await ClusterFixture.with { fixture in
            let cluster = fixture.cluster
            let (source, target) = (cluster.masters[0], cluster.masters[2])
            let user = fixture.user(on: 0)
            let slot = ClusterFixture.slot(of: user)
            let loads = [Load(fixture, user), Load(fixture, ClusterFixture.neighbour(of: user))]
            let running = loads.map { load in Task { try await load.run() } }
            for _ in 0..<2 {
                try await eventually("load before") { loads.allSatisfy { $0.answered > 100 } }
                try await cluster.beginMove(of: slot, from: source, to: target)
                // Long enough that commands find the slot between the two, short enough for their deadline.
                let (asked, again) = (fixture.redirections(.ask), fixture.redirections(.tryAgain))
                try await cluster.moveKeys(of: slot, from: source, to: target)
                try await eventually("commands were sent to and fro") {
                    fixture.redirections(.ask) > asked && fixture.redirections(.tryAgain) > again
                }
                let moved = fixture.redirections(.moved)
                try await cluster.endMove(of: slot, to: target, telling: [source, cluster.masters[1]])
                try await eventually("the source says where the slot is") { fixture.redirections(.moved) > moved }
                let before = loads.map(\.answered)
                try await eventually("load after") { zip(loads, before).allSatisfy { $0.answered > $1 + 100 } }
                // And back again, with what has been learned on the way.
                try await cluster.beginMove(of: slot, from: target, to: source)
                try await cluster.moveKeys(of: slot, from: target, to: source)
                try await cluster.endMove(of: slot, to: source, telling: [target, cluster.masters[1]])
            }
            for load in loads { load.end() }
            for task in running { try await task.value }
            for load in loads { try await load.check() }
            #expect(fixture.store.isConnected, "a moved slot is no outage")
        }
    }

    /// Scripts of several keys cannot run in a slot that is moving unless all their keys are at one of the two servers.
    /// Those of one key can.
    @Test("A command of one key is done where its key is, or where it will be")
    func oneKey() async throws {
        try await ClusterFixture.with(loops: 1) { fixture in
            let cluster = fixture.cluster
            let (source, target) = (cluster.masters[0], cluster.masters[1])
            let user = fixture.user(on: 0)
            let (slot, other) = (ClusterFixture.slot(of: user), ClusterFixture.neighbour(of: user))
            let holder = try #require(Incarnation(newOf: "gw"))
            let record = { SessionRecord(session: .new(), holder: holder, device: nil, sinceMilliseconds: 1) }
            let (before, during) = (record(), record())
            _ = try await answer { fixture.store.register(before, of: user, limit: 0, $0) }
            try await cluster.beginMove(of: slot, from: source, to: target)
            _ = try await answer { fixture.store.register(during, of: user, limit: 0, $0) }
            #expect(fixture.redirections(.ask) == 0, "its key is still there")
            _ = try await answer { fixture.store.register(during, of: other, limit: 0, $0) }
            #expect(fixture.redirections(.ask) == 1, "a new key is made at the target")
            let found = try await answer { fixture.store.lookup([user, other], $0) }
            #expect(found.map { Set($0.sessions) } == [[before, during], [during]])
            try await cluster.moveKeys(of: slot, from: source, to: target)
            try await cluster.endMove(of: slot, to: target, telling: [source, cluster.masters[2]])
            let after = try await answer { fixture.store.lookup([user, other], $0) }
            #expect(after.map { Set($0.sessions) } == [[before, during], [during]])
            #expect(fixture.redirections(.moved) > 0)
            try await fixture.append(to: other)
        }
    }

    @Test("A move that takes longer than a command may: it is refused in time and was not stored")
    func tooLong() async throws {
        try await ClusterFixture.with { fixture in
            let cluster = fixture.cluster
            let (source, target) = (cluster.masters[0], cluster.masters[1])
            let user = fixture.user(on: 0)
            let slot = ClusterFixture.slot(of: user)
            try await fixture.append(to: user)
            try await cluster.beginMove(of: slot, from: source, to: target)
            let began = ContinuousClock.now
            let error = await #expect(throws: StoreError.self) { try await fixture.append(to: user) }
            #expect(error?.outcome == .notStored && error?.message.contains("TRYAGAIN") == true, "\(error as Any)")
            #expect(ContinuousClock.now - began < .seconds(4))
            #expect(fixture.redirections(.tryAgain) > 5, "it was tried again")
            try await fixture.append(to: fixture.user(on: 0))
            #expect(fixture.store.isConnected)
            try await cluster.moveKeys(of: slot, from: source, to: target)
            try await cluster.endMove(of: slot, to: target, telling: [source, cluster.masters[2]])
            #expect(try await fixture.append(to: user).seq == 2)
        }
    }

    @Test("A new master is connected to when its first slot comes, and left when its last one has gone")
    func newMaster() async throws {
        try await ClusterFixture.with { fixture in
            let cluster = fixture.cluster
            let source = cluster.masters[0]
            let new = try await cluster.startEmptyMaster()
            defer { new.stop() }
            let (user, back) = (fixture.user(on: 0), Shared(0))
            fixture.store.onReconnect { back.lock { $0 += 1 } }
            let slot = ClusterFixture.slot(of: user)
            try await fixture.append(to: user)
            try await cluster.beginMove(of: slot, from: source, to: new)
            try await cluster.moveKeys(of: slot, from: source, to: new)
            try await cluster.endMove(of: slot, to: new, telling: cluster.masters)
            #expect(try await fixture.append(to: user).seq == 2)
            try await eventually("every loop is connected to it") { try await Self.clients(of: new) == 2 }
            try await eventually("the map has it") {
                fixture.store.pool.servers.count == 4 && fixture.store.isConnected
            }
            try await cluster.beginMove(of: slot, from: new, to: source)
            try await cluster.moveKeys(of: slot, from: new, to: source)
            // A master without slots makes itself a replica of whoever took the last one, and then takes no orders.
            try await cluster.endMove(of: slot, to: source, telling: Array(cluster.masters.dropFirst()))
            #expect(try await fixture.append(to: user).seq == 3)
            try await eventually("nobody is connected to it any more") { try await Self.clients(of: new) == 0 }
            try await eventually("three are left") {
                fixture.store.pool.servers.count == 3 && fixture.store.isConnected
            }
            #expect(back.lock { $0 } == 0, "none of this was an outage")
        }
    }

    /// Connections of ours, without those that only ask for the map.
    private static func clients(of server: RedisServer) async throws -> Int {
        try await server.command("CLIENT", "LIST").split(separator: "\n")
            .filter { $0.contains(" name=apus ") && !$0.contains("cmd=cluster") }.count
    }
}
