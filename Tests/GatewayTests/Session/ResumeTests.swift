import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("resume: every missed event, or the reason why not (G6)")
struct ResumeTests {
    @Test("A position at the head resumes with nothing to replay, and what follows is live")
    func atTheHead() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        try await node.notify(user)
        let (first, before) = try await node.session(user)
        first.drop()
        let (client, welcome) = try await node.session(user, resume: before.position)
        defer { client.drop() }
        #expect(welcome.bool("resumed") == true)
        try await node.notify(user)
        #expect(try await client.durable(1)[0].number("seq") == 2)
    }

    @Test(
        "Every missed event is replayed once, in order, and then live ones follow", arguments: [1, 199, 200, 201, 999])
    func replay(_ count: Int) async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        try await node.notify(user)
        let (first, before) = try await node.session(user)
        first.drop()
        try await node.appendSilently(user, count: count)
        let (client, welcome) = try await node.session(user, resume: before.position)
        defer { client.drop() }
        #expect(welcome.bool("resumed") == true)
        #expect(welcome.number("seq") == Int64(count) + 1)
        try await node.notify(user)
        let events = try await client.durable(count + 1)
        #expect(events.map { $0.number("seq") } == (2...Int64(count) + 2).map { $0 })
        #expect(Set(events.compactMap { $0.string("id") }).count == count + 1)
    }

    /// A storm of resumes is as fast as the store answers: one round trip each.
    @Test("A resume asks the store for its two answers at once, and for nothing else")
    func oneRoundTrip() async throws {
        try await TestNode.run { node in
            let user = someUser()
            try await node.notify(user)
            let (first, before) = try await node.session(user)
            first.drop()
            try await node.appendSilently(user, count: 20)
            let position = before.position
            let client = try await node.socket()
            defer { client.drop() }
            let (opened, registered) = (node.fault.calls(.open), node.fault.calls(.register))
            let read = node.fault.calls(.read)
            node.fault.mode = .held
            try await client.send(
                "{\"id\":1,\"op\":\"hello\",\"token\":\"\(try await TestNode.token(user))\",\"resume\":\(position)}")
            try await eventually("both are asked, and none is answered") {
                node.fault.calls(.open) == opened + 1 && node.fault.calls(.register) == registered + 1
            }
            node.fault.mode = .up
            let welcome = try await client.frame()
            #expect(welcome.bool("resumed") == true)
            #expect(try await client.durable(20).count == 20)
            #expect(node.fault.calls(.open) == opened + 1)
            #expect(node.fault.calls(.register) == registered + 1)
            #expect(node.fault.calls(.read) == read, "what was missed came with the answer")
        }
    }

    @Test("A replay larger than a session's output comes in parts, whole and in order")
    func largeReplay() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let (first, before) = try await node.session(user)
        first.drop()
        try await node.appendSilently(user, count: 120, bytes: 20_000)
        let (client, welcome) = try await node.session(user, resume: before.position)
        defer { client.drop() }
        #expect(welcome.bool("resumed") == true)
        #expect(try await client.durable(120).map { $0.number("seq") } == (1...120).map { $0 })
    }

    @Test("Replay goes on while new events are published, without a hole or a double")
    func replayUnderLoad() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let (first, before) = try await node.session(user)
        first.drop()
        try await node.appendSilently(user, count: 500)
        async let publishing: Void = {
            for _ in 0..<40 { try await node.notify(user) }
        }()
        let (client, welcome) = try await node.session(user, resume: before.position)
        defer { client.drop() }
        #expect(welcome.bool("resumed") == true)
        let events = try await client.durable(540)
        try await publishing
        #expect(events.map { $0.number("seq") } == (1...540).map { $0 })
    }

    @Test("Each impossible position is told its reason and replays nothing")
    func resync() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        for _ in 0..<3 { try await node.notify(user) }
        let (first, head) = try await node.session(user)
        first.drop()
        let epoch = head.string("epoch") ?? ""
        let positions = [
            ("{\"epoch\":\"another\",\"seq\":3}", "epoch_changed"),
            ("{\"epoch\":\"\(epoch)\",\"seq\":4}", "ahead"),
            ("{\"epoch\":\"\(epoch)\",\"seq\":9000000000000000000}", "ahead"),
            ("{\"epoch\":\"\(epoch)\",\"seq\":2,\"last\":\"not-the-one\"}", "id_mismatch"),
        ]
        for (position, reason) in positions {
            let (client, welcome) = try await node.session(user, resume: position)
            defer { client.drop() }
            #expect(welcome.bool("resumed") == false)
            #expect(welcome.string("resync") == reason, "\(position)")
            #expect(welcome.number("seq") == 3)
            // The next thing that it hears is new.
            #expect(try await client.ask("ping").ok.number("seq") == 3)
        }
    }

    @Test("A position that is no longer kept is told trimmed; the oldest that is kept resumes")
    func trimmed() async throws {
        let world = try TestWorld(
            limits: StoreLimits(
                timelineEvents: 5, inboxItems: 5, timelineMilliseconds: 1 << 40, dedupMilliseconds: 1 << 40))
        try await TestNode.run(in: world) { node in
            let user = someUser()
            let (first, start) = try await node.session(user)
            first.drop()
            try await node.appendSilently(user, count: 400)
            let (client, welcome) = try await node.session(user, resume: start.position)
            defer { client.drop() }
            #expect(welcome.string("resync") == "trimmed")
            let position = "{\"epoch\":\"\(start.string("epoch") ?? "")\",\"seq\":396}"
            let (other, resumed) = try await node.session(user, resume: position)
            defer { other.drop() }
            #expect(resumed.bool("resumed") == true)
            #expect(try await other.durable(4).map { $0.number("seq") } == [397, 398, 399, 400])
        }
    }
}
