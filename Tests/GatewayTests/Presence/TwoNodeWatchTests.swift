import ApusTesting
import Bus
import Core
import Testing
import Wire

@testable import Gateway

@Suite("Presence over two nodes")
struct TwoNodeWatchTests {
    private func pair(_ body: (TestNode, TestNode) async throws -> Void) async throws {
        let world = try TestWorld()
        try await TestNode.run("gw-a", in: world) { a in
            try await TestNode.run("gw-b", in: world) { b in try await body(a, b) }
        }
    }

    @Test("A session of the other node is seen to come and to go")
    func comesAndGoes() async throws {
        try await pair { a, b in
            let ben = someUser("ben")
            let (watcher, _) = try await a.session(someUser("ann"))
            defer { watcher.drop() }
            #expect(try await watcher.watch(ben).at(ben).string("state") == "offline")
            let (there, _) = try await b.session(ben)
            try await watcher.presence(ben, "online")
            there.drop()
            #expect(try await watcher.presence(ben, "offline").number("last_seen") != nil)
        }
    }

    @Test("Moving to the other node is no event, and leaving one of two nodes is none either")
    func moves() async throws {
        try await pair { a, b in
            let ben = someUser("ben")
            let (watcher, _) = try await a.session(someUser("ann"))
            let (onB, _) = try await b.session(ben)
            defer { watcher.drop() }
            #expect(try await watcher.watch(ben).at(ben).string("state") == "online")
            onB.drop()
            let (onA, _) = try await a.session(ben)
            let (onBAgain, _) = try await b.session(ben)
            onA.drop()
            #expect(try await watcher.hearsNothing(forMilliseconds: 7000))
            onBAgain.drop()
            try await watcher.presence(ben, "offline")
        }
    }

    @Test("A lost change is noticed by the sender's heartbeat and found in the directory")
    func lostChange() async throws {
        try await pair { a, b in
            let ben = someUser("ben")
            let (watcher, _) = try await a.session(someUser("ann"))
            defer { watcher.drop() }
            _ = try await watcher.watch(ben)
            b.loss.setLosing(true)
            let (there, _) = try await b.session(ben)
            try await eventually("the change was lost") { b.loss.lostCount > 0 }
            b.loss.setLosing(false)
            try await watcher.presence(ben, "online", within: 10)
            b.loss.setLosing(true)
            let lost = b.loss.lostCount
            there.drop()
            try await eventually("the change was lost") { b.loss.lostCount > lost }
            b.loss.setLosing(false)
            try await watcher.presence(ben, "offline", within: 15)
        }
    }

    @Test("A block on the other node is heard, and invisible sessions there are not")
    func hiding() async throws {
        try await pair { a, b in
            let (ann, ben, cleo) = (someUser("ann"), someUser("ben"), someUser("cleo"))
            let (watcher, _) = try await a.session(ann)
            let (there, _) = try await b.session(ben)
            let hidden = try await b.invisibleSession(cleo)
            defer { [watcher, there, hidden].forEach { $0.drop() } }
            let states = try await watcher.watch(ben, cleo)
            #expect(states.at(ben).string("state") == "online")
            #expect(states.at(cleo).string("state") == "offline")
            _ = try await there.ask("block", "\"user\":\"\(ann)\"")
            #expect(try await watcher.presence(ben, "offline")["last_seen"] == nil)
        }
    }

    @Test("The sessions of a node that drains are in no grace for ever: they come back elsewhere, or are offline")
    func drains() async throws {
        let world = try TestWorld()
        try await TestNode.run("gw-a", in: world) { a in
            let b = try await TestNode.start("gw-b", in: world)
            let (ben, cleo) = (someUser("ben"), someUser("cleo"))
            let (watcher, _) = try await a.session(someUser("ann"))
            let (onB, _) = try await b.session(ben)
            let (goes, _) = try await b.session(cleo)
            defer { [watcher, onB, goes].forEach { $0.drop() } }
            _ = try await watcher.watch(ben, cleo)
            async let drained: Void = b.stop()
            #expect(try await onB.closeCode() == 4512)
            let (onA, _) = try await a.session(ben)
            defer { onA.drop() }
            try await watcher.presence(cleo, "offline", within: 15)
            await drained
            #expect(try await watcher.hearsNothing(forMilliseconds: 4000))
            #expect(try await watcher.watch(ben).at(ben).string("state") == "online")
        }
    }
}
