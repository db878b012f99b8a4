import ApusTesting
import Chat
import Core
import Testing
import Wire

/// The rows of `docs/vectors/server-frames.json` that are about conversations. Whoever writes a client builds on them, so
/// the gateway has to write exactly these bytes.
@Suite("The frames of conversations in the vectors")
struct ServerFrameVectorTests {
    struct Vector: Decodable {
        var name: String
        var frame: String
        var ev: String?
    }

    private struct Made {
        var name: String
        var frame: [UInt8]
    }

    private static let id = "6t1k9x0b2m4q8z3a"
    private static let now: Int64 = 1_795_417_200_000

    private let reader: UserID
    private let other: UserID
    private let direct: ConversationID
    private let group: ConversationID
    private let hello = Array("{\"text\":\"Hello 👋\"}".utf8)

    init() throws {
        reader = try Self.user("100059")
        other = try Self.user("100058")
        direct = try #require(ConversationID("d:100058:100059"))
        group = try #require(ConversationID("g:k3x9ab12q0w9zz31"))
    }

    @Test("are what ChatFrames makes, each of them")
    func frames() throws {
        let vectors = try Vectors.load("server-frames", as: Vector.self)
        let made = try messages() + changes() + groups() + personal() + live() + replies()
        for made in made {
            let vector = vectors.first { $0.name == made.name }
            #expect(String(decoding: made.frame, as: UTF8.self) == vector?.frame, "\(made.name)")
        }
        let events: Set = [
            "message", "message.edited", "message.recalled", "reaction", "read", "group", "conversation.reset", "mute",
            "block", "typing", "delivered",
        ]
        let known = Set(made.map(\.name))
        for vector in vectors where vector.ev.map(events.contains) ?? false {
            #expect(known.contains(vector.name), "nothing here makes the vector \"\(vector.name)\"")
        }
        #expect(Set(vectors.compactMap(\.ev)).isSuperset(of: events), "each event has a vector")
    }

    // MARK: Events

    private func messages() throws -> [Made] {
        let colon = try Self.user("a:b")
        let third = try #require(ConversationID(between: reader, and: colon))
        return [
            event("a message of another user counts", .message(cid: "x", body: hello), messages: 7, unread: 1),
            event(
                "an own message, from whatever device, has its cid and counts nothing",
                .message(cid: "m-1", body: hello), by: reader, messages: 7),
            event(
                "a message that was recalled since has no body", .message(cid: "x", body: nil), messages: 7, unread: 1),
            event(
                "a message in a muted conversation does not change the totals",
                .message(cid: "x", body: Array("{}".utf8)), messages: 8),
            event(
                "a colon of a user id is written %3A in the conversation's", .message(cid: "x", body: hello), by: colon,
                messages: 1, in: third, unread: 1),
        ]
    }

    private func changes() -> [Made] {
        [
            event("a message was edited", .edited(n: 7, body: Array("{\"text\":\"Hello!\"}".utf8))),
            event("an edit of a message that was recalled since", .edited(n: 7, body: nil)),
            event("a message was recalled: it still counts", .recalled(n: 7)),
            event("a reaction was set", .reaction(n: 7, key: "👍", on: true)),
            event("a reaction was taken back", .reaction(n: 7, key: "👍", on: false)),
            event(
                "the user has read, on this or another device", .read(n: 7, own: 3), by: reader, unread: 0,
                conversationUnread: 0),
            event("the other one has read", .read(n: 7, own: 3)),
        ]
    }

    private func groups() throws -> [Made] {
        func change(
            _ name: String, _ kind: GroupChange.Kind, by author: UserID, title: String? = nil, _ users: [String],
            unread: Int? = nil
        ) throws -> Made {
            event(
                name, .group(GroupChange(kind: kind, title: title, users: try users.map(Self.user))), by: author,
                in: group, unread: unread)
        }
        return [
            try change("a group was made", .created, by: other, title: "Swifts", ["100058", "100059"]),
            try change("a group without a title was made", .created, by: other, ["100058", "100059"]),
            try change("a group has another title", .updated, by: reader, title: "Common swifts", []),
            try change("users were added to a group", .added, by: reader, ["100060", "100061"]),
            try change(
                "the user was removed from a group, and nothing of it counts any more", .removed, by: other, ["100059"],
                unread: 0),
            try change("a user left a group", .left, by: try Self.user("100060"), ["100060"]),
        ]
    }

    private func personal() throws -> [Made] {
        [
            Made(
                name: "the store lost the newest part of a conversation: its history is read afresh",
                frame: ChatFrames.reset(
                    seq: 42, id: Self.id, timestamp: Self.now, conversation: direct, unread: totals(1))),
            Made(
                name: "the user muted a conversation on another device",
                frame: ChatFrames.mute(
                    seq: 42, id: Self.id, timestamp: Self.now, conversation: direct, on: true, unread: totals(0))),
            Made(
                name: "the user blocked another one on another device",
                frame: ChatFrames.block(
                    seq: 42, id: Self.id, timestamp: Self.now, user: try Self.user("100060"), on: true)),
        ]
    }

    private func live() -> [Made] {
        [
            Made(
                name: "a message in a group that is too large for timelines has an id and no seq",
                frame: ChatFrames.live(entry(.message(cid: "x", body: hello), by: other, messages: 7), in: group)),
            Made(name: "somebody is writing", frame: ChatFrames.typing(other, in: direct, on: true)),
            Made(
                name: "a device of the other one has received", frame: ChatFrames.delivered(other, in: direct, n: 7)),
        ]
    }

    private func event(
        _ name: String, _ content: LogEntry.Content, by author: UserID? = nil, messages: Int64 = 7,
        in conversation: ConversationID? = nil, unread: Int? = nil, conversationUnread: Int? = nil
    ) -> Made {
        let entry = entry(content, by: author ?? other, messages: messages)
        return Made(
            name: name,
            frame: ChatFrames.event(
                seq: 42, entry, in: conversation ?? direct, for: reader, unread: unread.map(totals),
                conversationUnread: conversationUnread))
    }

    private func entry(_ content: LogEntry.Content, by author: UserID, messages: Int64) -> LogEntry {
        LogEntry(
            position: EntryPosition(number: 9, id: Self.id), timestampMilliseconds: Self.now, author: author,
            messages: messages, content: content)
    }

    // MARK: Replies

    private func replies() -> [Made] {
        let recalled = StoredMessage(
            n: 6, id: "e-6", timestampMilliseconds: Self.now - 2000, sender: other, cid: "x", body: nil)
        let edited = StoredMessage(
            n: 7, id: Self.id, timestampMilliseconds: Self.now - 1000, sender: reader, cid: "m-1",
            body: Array("{\"text\":\"Hello!\"}".utf8), editedMilliseconds: Self.now,
            reactions: [.init(key: "👍", users: [other, reader]), .init(key: "🎉", users: [other])])
        return [
            reply(
                "a reply to history: recalled, edited, with reactions",
                ChatFrames.history(HistoryPage(messages: [recalled, edited], more: true), for: reader)),
            reply(
                "a reply to conversations, last page",
                JSONWriter.object { writer in
                    writer.member("conversations", array: { conversations(newest: edited, &$0) })
                    writer.raw("cursor", Array("null".utf8))
                }),
        ]
    }

    private func conversations(newest: StoredMessage, _ list: inout JSONWriter) {
        let pair = ConversationSummary(
            conversation: direct, members: [other, reader], memberCount: 2, owner: nil, title: nil,
            head: EntryPosition(number: 9, id: Self.id), messages: 8, last: newest, readN: 5, readOwn: 2, own: 3,
            others: [.init(user: other, readN: 6, deliveredN: 7)], isBlocked: true)
        let swifts = ConversationSummary(
            conversation: group, members: [other, reader], memberCount: 2, owner: other, title: "Swifts",
            head: EntryPosition(number: 1, id: "e-1"), messages: 0, last: nil, readN: 0, readOwn: 0, own: 0,
            others: [.init(user: other, readN: 0, deliveredN: 0)], isBlocked: false)
        list.object { ChatFrames.write(pair, nil, for: reader, to: &$0) }
        let muted = Membership(conversation: group, cursor: swifts.head, counts: ConversationCounts(), isMuted: true)
        list.object { ChatFrames.write(swifts, muted, for: reader, to: &$0) }
    }

    private func reply(_ name: String, _ ok: [UInt8]) -> Made {
        Made(name: name, frame: ServerFrames.ok(Array("7".utf8), ok))
    }

    private func totals(_ messages: Int) -> Unread { Unread(messages: messages, notifications: 2) }

    private static func user(_ text: String) throws -> UserID { try #require(UserID(text)) }
}
