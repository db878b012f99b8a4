import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

/// An operation and a close frame in one packet: the session has ended when the store answers. What followed from the
/// answer was done only for sessions that were still there: the change was stored, and nobody was told of it.
@Suite("What a session asked for is done to its end, whether the session is there or not")
struct EndedSessionTests {
    @Test("Other devices hear of an inbox.read whose session has closed at once")
    func inboxRead() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        try await node.notify(user, "\"id\":\"n0\",\"type\":\"a.b\"")
        let (reader, _) = try await node.session(user)
        let (other, _) = try await node.session(user)
        defer { [reader, other].forEach { $0.drop() } }
        try await reader.lastWord("inbox.read", "\"ids\":[\"n0\"]")
        let event = try await other.event("inbox.read")
        #expect(event.number("seq") == 2 && event.unreadNotifications == 0)
    }

    @Test("The same when its answer is lost: the store is asked what became of it")
    func lostAnswer() async throws {
        try await TestNode.run { node in
            let user = someUser()
            try await node.notify(user, "\"id\":\"n0\",\"type\":\"a.b\"")
            let (reader, _) = try await node.session(user)
            let (other, _) = try await node.session(user)
            defer { [reader, other].forEach { $0.drop() } }
            node.fault.mode = .answersLost
            try await reader.lastWord("inbox.read", "\"ids\":[\"n0\"]")
            #expect(try await reader.closeCode() == 1000)
            node.fault.mode = .up
            #expect(try await other.event("inbox.read").number("seq") == 2)
        }
    }

    @Test("Other devices hear of a mute whose session has closed at once")
    func mute() async throws {
        let pair = try await Talk.start(devices: 2)
        defer { pair.drop() }
        _ = try await pair.alice[0].say("hi", to: pair.bobID)
        _ = try await pair.bob[0].event("message")
        try await pair.bob[0].lastWord("mute", "\"conv\":\"\(pair.conversation)\"")
        #expect(try await pair.bob[1].event("mute").bool("on") == true)
    }

    @Test("A block whose session has closed at once is in force, other devices hear of it, and so does who watches")
    func block() async throws {
        let pair = try await Talk.start(devices: 2)
        defer { pair.drop() }
        #expect(try await pair.alice[0].watch(pair.bobID).at(pair.bobID).string("state") == "online")
        try await pair.bob[0].lastWord("block", "\"user\":\"\(pair.aliceID)\"")
        #expect(try await pair.bob[1].event("block").bool("on") == true)
        try await pair.alice[0].presence(pair.bobID, "offline")
        try await eventually("messages are refused") {
            try await pair.alice[1].say("hm", to: pair.bobID).errorCode == "forbidden"
        }
    }

    @Test("An unblock whose session has closed at once is done in the list too")
    func unblock() async throws {
        let pair = try await Talk.start(devices: 2)
        defer { pair.drop() }
        #expect(try await pair.bob[0].ask("block", "\"user\":\"\(pair.aliceID)\"")["ok"] != nil)
        #expect(try await pair.bob[1].event("block").bool("on") == true)
        try await pair.bob[0].lastWord("unblock", "\"user\":\"\(pair.aliceID)\"")
        #expect(try await pair.bob[1].event("block").bool("on") == false)
        #expect(try await pair.bob[1].ask("blocks").ok["users"]?.array?.isEmpty == true)
        #expect(try await pair.alice[0].say("again", to: pair.bobID)["ok"] != nil)
    }

    @Test("The author hears of a delivered whose session has closed at once")
    func delivered() async throws {
        let pair = try await Talk.start()
        defer { pair.drop() }
        _ = try await pair.alice[0].say("hi", to: pair.bobID)
        _ = try await pair.bob[0].event("message")
        try await pair.bob[0].lastWord("delivered", "\"conv\":\"\(pair.conversation)\",\"n\":1")
        #expect(try await pair.alice[0].event("delivered").number("n") == 1)
    }
}

extension ScriptedClient {
    /// Sends an operation with a close frame right behind it: the node reads both before the store can answer.
    fileprivate func lastWord(_ op: String, _ members: String) async throws {
        let operation = FrameEncoder.client(.text, Array("{\"id\":7,\"op\":\"\(op)\",\(members)}".utf8))
        let close = FrameEncoder.client(.close, [0x03, 0xE8])
        try await send(raw: Array(operation.readableBytesView) + Array(close.readableBytesView))
    }
}
