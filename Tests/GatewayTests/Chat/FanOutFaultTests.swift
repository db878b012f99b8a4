import ApusTesting
import Chat
import Core
import Testing
import Wire

@testable import Gateway

@Suite("What a node did not bring to all members")
struct FanOutFaultTests {
    private func commit(
        _ change: ConversationChange, _ conversation: ConversationID, by user: String, in world: TestWorld
    ) async throws -> CommitOutcome {
        let author = try #require(UserID(user))
        return try await answer {
            world.store.commit(
                change, to: conversation, by: author, id: .short(), nowMilliseconds: SystemTime().wallMilliseconds(), $0
            )
        }
    }

    /// The totals that the messages of one sender brought. A function: among the macros' closures above, the compiler
    /// (6.3.1, debug) takes one closure for another.
    private func unreadMessages(in events: [JSONObject], from sender: String) -> [Int64] {
        var totals: [Int64] = []
        for event in events where event.string("from") == sender {
            totals.append(event.at("unread").number("messages") ?? -1)
        }
        return totals
    }

    private func message(_ text: String) throws -> ConversationChange {
        .send(
            cid: try #require(ClientMessageID(RandomToken.make(length: 12))), body: Array("{\"text\":\"\(text)\"}".utf8)
        )
    }

    /// A node commits and dies before it has told anybody: the mark in the store is all that is left of its work.
    @Test("The sweeper of another node finishes what a dead node left, once and in order")
    func sweeper() async throws {
        let world = try TestWorld()
        try await TestNode.run("gw-sweep", in: world) { node in
            let pair = try await Talk.start(on: node)
            defer { pair.drop() }
            let conversation = try #require(ConversationID(pair.conversation))
            for text in ["one", "two"] {
                _ = try await commit(try message(text), conversation, by: pair.aliceID, in: world)
            }
            for device in [pair.alice[0], pair.bob[0]] {
                #expect(try await device.durable(2).map { $0.at("body").string("text") } == ["one", "two"])
            }
            #expect(try await pair.alice[0].say("three", to: pair.bobID).ok.number("n") == 3)
            #expect(try await pair.bob[0].durable(1).map { $0.number("n") } == [3])
        }
    }

    /// The next message finds a hole in the member's cursor and fills it from the log, without waiting for the sweeper.
    @Test("A message that comes after one that was not brought on brings both, in order")
    func gap() async throws {
        let world = try TestWorld()
        try await TestNode.run("gw-gap", in: world) { node in
            let pair = try await Talk.start(on: node)
            defer { pair.drop() }
            let conversation = try #require(ConversationID(pair.conversation))
            _ = try await commit(try message("lost"), conversation, by: pair.aliceID, in: world)
            #expect(try await pair.alice[0].say("next", to: pair.bobID).ok.number("n") == 2)
            #expect(try await pair.bob[0].durable(2).map { $0.at("body").string("text") } == ["lost", "next"])
        }
    }

    @Test("When the answers of the store are lost, a message that is sent again is there once")
    func lostAnswers() async throws {
        let world = try TestWorld()
        try await TestNode.run("gw-lost", in: world) { node in
            let pair = try await Talk.start(on: node)
            defer { pair.drop() }
            node.fault.mode = .answersLost
            let reply = try await pair.alice[0].say("hello", to: pair.bobID, cid: "again")
            #expect(reply.errorCode == "unavailable" && reply.retryMilliseconds != nil)
            node.fault.mode = .up
            let again = try await pair.alice[0].say("hello", to: pair.bobID, cid: "again")
            #expect(again.ok.number("n") == 1 && again.ok.bool("dup") == true)
            #expect(try await pair.bob[0].event("message").number("n") == 1)
            #expect(try await pair.bob[0].ask("conversations").ok.list("conversations").first?.number("unread") == 1)
        }
    }

    @Test("While the store is away a send is unavailable in time, and the socket stays up")
    func outage() async throws {
        let world = try TestWorld()
        try await TestNode.run("gw-away", in: world) { node in
            let pair = try await Talk.start(on: node)
            defer { pair.drop() }
            node.fault.mode = .hanging
            #expect(try await pair.alice[0].say("hello", to: pair.bobID).errorCode == "unavailable")
            node.fault.mode = .up
            #expect(try await pair.alice[0].say("hello", to: pair.bobID).ok.number("n") == 1)
        }
    }

    @Test(
        "Two nodes: a message committed on one reaches the other's sessions, and talk in both directions has one order")
    func twoNodes() async throws {
        let world = try TestWorld()
        try await TestNode.run("gw-a", in: world) { a in
            try await TestNode.run("gw-b", in: world) { b in
                let (aliceID, bobID) = (someUser("alice"), someUser("bob"))
                let (alice, _) = try await a.session(aliceID)
                let (bob, _) = try await b.session(bobID)
                defer { [alice, bob].forEach { $0.drop() } }
                async let first: Void = { for i in 0..<40 { try await alice.post("a\(i)", to: bobID) } }()
                async let second: Void = { for i in 0..<40 { try await bob.post("b\(i)", to: aliceID) } }()
                _ = try await (first, second)
                let seen = [try await alice.durable(80), try await bob.durable(80)]
                #expect(seen[0].map { $0.string("id") } == seen[1].map { $0.string("id") })
                #expect(seen[0].map { $0.number("n") } == (1...80).map { $0 })
                #expect(seen[0].map { $0.number("seq") } == (1...80).map { $0 })
                #expect(unreadMessages(in: seen[1], from: aliceID) == Array(1...40))
            }
        }
    }
}
