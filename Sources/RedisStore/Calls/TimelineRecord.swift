import Chat
import Core

/// An event of a conversation as it stands in a timeline: `␁totals␟unread␟conversation␟` and the entry's record
/// (docs/redis-keys.md), half as long as its frame, which is made of it when it is read.
struct TimelineRecord {
    private static let mark: UInt8 = 0x01

    private let bytes: ArraySlice<UInt8>

    /// nil: a frame that stands there as it is.
    init?(_ event: [UInt8]) {
        guard event.first == Self.mark else { return nil }
        bytes = event.dropFirst()
    }

    /// The id and the frame.
    ///
    /// - Parameter known: The conversation, when the caller knows it: its name is then not read.
    func expanded(
        seq: Int64, for user: UserID, in known: ConversationID? = nil
    ) throws(ReplyFields.Malformed) -> (id: String, frame: [UInt8]) {
        var parts = RecordParts(bytes)
        let unread = try Self.totals(try parts.text())
        let conversationUnread = Int(try parts.text())
        let name = try parts.text()
        let record = try EntryRecord(try parts.last())
        if record.kind == .block { return (record.id, try Self.block(record, seq)) }
        guard let conversation = known ?? ConversationID(named: name, by: user) else { throw ReplyFields.Malformed() }
        switch record.kind {
        case .reset:
            guard let unread else { throw ReplyFields.Malformed() }
            let frame = ChatFrames.reset(
                seq: seq, id: record.id, timestamp: record.timestampMilliseconds, conversation: conversation,
                unread: unread)
            return (record.id, frame)
        case .mute:
            guard let unread else { throw ReplyFields.Malformed() }
            var rest = record.rest
            let frame = ChatFrames.mute(
                seq: seq, id: record.id, timestamp: record.timestampMilliseconds, conversation: conversation,
                on: try rest.text() == "1", unread: unread)
            return (record.id, frame)
        default:
            let frame = ChatFrames.event(
                seq: seq, try record.entry(in: conversation), in: conversation, for: user, unread: unread,
                conversationUnread: conversationUnread)
            return (record.id, frame)
        }
    }

    private static func block(_ record: EntryRecord, _ seq: Int64) throws(ReplyFields.Malformed) -> [UInt8] {
        var rest = record.rest
        guard let user = UserID(try rest.text()) else { throw ReplyFields.Malformed() }
        return ChatFrames.block(
            seq: seq, id: record.id, timestamp: record.timestampMilliseconds, user: user, on: try rest.text() == "1")
    }

    /// `messages notifications`, without the second when it is 0; empty when the event did not change them.
    private static func totals(_ text: String) throws(ReplyFields.Malformed) -> Unread? {
        guard !text.isEmpty else { return nil }
        let bytes = text.utf8
        let end = bytes.firstIndex(of: UInt8(ascii: " ")) ?? bytes.endIndex
        guard let messages = DecimalText.read(bytes[..<end]) else { throw ReplyFields.Malformed() }
        let notifications = DecimalText.read(bytes[end...].dropFirst()) ?? 0
        return Unread(messages: Int(messages), notifications: Int(notifications))
    }
}

extension ConversationID {
    /// How a conversation is named on the side of one of its members: `@` and the partner, or the group's id.
    func name(for user: UserID) -> String { partner(of: user).map { "@" + $0.text } ?? text }

    /// Reads what `name(for:)` made.
    init?(named name: String, by user: UserID) {
        if name.hasPrefix("@") {
            guard let partner = UserID(name.dropFirst()) else { return nil }
            self.init(between: user, and: partner)
        } else {
            self.init(name)
        }
    }
}
