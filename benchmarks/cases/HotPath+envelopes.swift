import Chat
import Core
import Notifications
import Wire

/// From what happened to the bytes that every session shares.
extension HotPath {
    static let envelopes = [
        HotPath("envelope.notification", "a notification's event as JSON") {
            let notification = Samples.notification
            let unread = Unread(messages: 3, notifications: 12)
            return {
                keep(
                    EventFrames.notification(
                        seq: 1042, notification, item: notification.id.text, updated: false, unread: unread))
            }
        },
        HotPath("envelope.message", "a direct message's event as JSON") {
            let (entry, conversation) = (Samples.entry, try Samples.conversation())
            let unread = Unread(messages: 3, notifications: 12)
            let user = try Samples.user("100002")
            return { keep(ChatFrames.event(seq: 1042, entry, in: conversation, for: user, unread: unread)) }
        },
        HotPath("envelope.topic", "a live event of a topic becomes the frame that all its sessions share") {
            let (topic, data) = (try Samples.topic(), Samples.payload[...])
            return { keep(ServerFrames.topic(topic, data: data)) }
        },
        HotPath("encode.once", "an event as JSON becomes the frame that all its sessions share") {
            let (user, entry, conversation) = (try Samples.user("100002"), Samples.entry, try Samples.conversation())
            let event = ChatFrames.event(seq: 1042, entry, in: conversation, for: user, unread: nil)
            return { keep(FrameEncoder.text(event)) }
        },
    ]
}

/// What the cases work on: sizes as they are in use.
enum Samples {
    /// JSON of 100 bytes.
    static let payload = Array(("\"" + String(repeating: "x", count: 98) + "\"").utf8)

    static func user(_ name: String) throws -> UserID { try need(UserID(name), name) }
    static func topic() throws -> Topic { try need(Topic("prices"), "prices") }
    static func conversation() throws -> ConversationID {
        try need(ConversationID(between: try user("100001"), and: try user("100002")), "a conversation")
    }

    private static func need<Value>(_ value: Value?, _ what: String) throws -> Value {
        guard let value else { throw BenchmarkError("\(what) cannot be made") }
        return value
    }

    static let milliseconds: Int64 = 1_700_000_000_000

    static var notification: Notification {
        let id = EventID.new(atMilliseconds: milliseconds)
        let rest =
            #""type":"post.liked","category":"social","ts":1700000000000,"actor":{"id":"100007","name":"Ada"},"#
            + #""object":{"id":"p-4711","type":"post"},"data":{"count":3}"#
        return Notification(
            id: id, category: "social", collapse: nil, expiresAtMilliseconds: nil,
            timestampMilliseconds: milliseconds, rest: Array(rest.utf8))
    }

    /// A message of 60 bytes of text.
    static var body: [UInt8] {
        Array((#"{"type":"text","text":""# + String(repeating: "x", count: 60) + #""}"#).utf8)
    }

    static var entry: LogEntry {
        guard let author = UserID("100001") else { preconditionFailure("100001 is a user id") }
        return LogEntry(
            position: EntryPosition(number: 18, id: EventID.new(atMilliseconds: milliseconds).text),
            timestampMilliseconds: milliseconds, author: author, messages: 17,
            content: .message(cid: "m-17", body: body))
    }
}
