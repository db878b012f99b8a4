import Core
import Wire

/// The durable events of conversations as JSON, written in one place for every store (PROTOCOL §2.4, docs/protocol.md).
public enum ChatFrames {
    /// An entry as it stands in the timeline of `user`.
    ///
    /// - Parameters:
    ///   - unread: The totals after the event, when it changed them.
    ///   - conversationUnread: Only for the reader's own `read`.
    public static func event(
        seq: Int64, _ entry: LogEntry, in conversation: ConversationID, for user: UserID, unread: Unread?,
        conversationUnread: Int? = nil
    ) -> [UInt8] {
        JSONWriter.object {
            $0.member("ev", name(entry.content))
            $0.head(seq, entry.position.id, entry.timestampMilliseconds, conversation)
            write(entry, for: user, to: &$0)
            if let conversationUnread { $0.member("conv_unread", conversationUnread) }
            if let unread { $0.member(unread: unread) }
        }
    }

    /// An entry of a group that is too large for timelines: without `seq`, the same for everybody.
    public static func live(_ entry: LogEntry, in conversation: ConversationID) -> [UInt8] {
        JSONWriter.object {
            $0.member("ev", name(entry.content))
            $0.member("id", entry.position.id)
            $0.member("ts", entry.timestampMilliseconds)
            $0.member("conv", conversation.text)
            write(entry, for: nil, to: &$0)
        }
    }

    /// `{"ev":"typing","conv","user","on"}`
    public static func typing(_ user: UserID, in conversation: ConversationID, on: Bool) -> [UInt8] {
        JSONWriter.object {
            $0.member("ev", "typing")
            $0.member("conv", conversation.text)
            $0.member("user", user.text)
            $0.member("on", on)
        }
    }

    /// `{"ev":"delivered","conv","user","n"}`
    public static func delivered(_ user: UserID, in conversation: ConversationID, n: Int64) -> [UInt8] {
        JSONWriter.object {
            $0.member("ev", "delivered")
            $0.member("conv", conversation.text)
            $0.member("user", user.text)
            $0.member("n", n)
        }
    }

    /// `conversation.reset`: what the client has of this conversation may be wrong; it reads it afresh.
    public static func reset(
        seq: Int64, id: String, timestamp: Int64, conversation: ConversationID, unread: Unread
    ) -> [UInt8] {
        JSONWriter.object {
            $0.member("ev", "conversation.reset")
            $0.head(seq, id, timestamp, conversation)
            $0.member(unread: unread)
        }
    }

    /// `mute`: for the user's other devices.
    public static func mute(
        seq: Int64, id: String, timestamp: Int64, conversation: ConversationID, on: Bool, unread: Unread
    ) -> [UInt8] {
        JSONWriter.object {
            $0.member("ev", "mute")
            $0.head(seq, id, timestamp, conversation)
            $0.member("on", on)
            $0.member(unread: unread)
        }
    }

    /// `block`: for the user's other devices.
    public static func block(seq: Int64, id: String, timestamp: Int64, user: UserID, on: Bool) -> [UInt8] {
        JSONWriter.object {
            $0.member("ev", "block")
            $0.head(seq, id, timestamp, nil)
            $0.member("user", user.text)
            $0.member("on", on)
        }
    }

    private static func name(_ content: LogEntry.Content) -> String {
        switch content {
        case .message: "message"
        case .edited: "message.edited"
        case .recalled: "message.recalled"
        case .reaction: "reaction"
        case .read: "read"
        case .group: "group"
        }
    }

    private static func write(_ entry: LogEntry, for user: UserID?, to writer: inout JSONWriter) {
        switch entry.content {
        case .message(let cid, let body):
            writer.member("n", entry.messages)
            writer.member("from", entry.author.text)
            if entry.author == user { writer.member("cid", cid) }
            writer.member(body: body)
        case .edited(let n, let body):
            writer.member("n", n)
            writer.member("from", entry.author.text)
            writer.member(body: body)
        case .recalled(let n):
            writer.member("n", n)
            writer.member("from", entry.author.text)
        case .reaction(let n, let key, let on):
            writer.member("n", n)
            writer.member("user", entry.author.text)
            writer.member("key", key)
            writer.member("on", on)
        case .read(let n, _):
            writer.member("user", entry.author.text)
            writer.member("n", n)
        case .group(let change):
            writer.member("change", change.kind.rawValue)
            writer.member("by", entry.author.text)
            if let title = change.title { writer.member("title", title) }
            writer.member("users", array: { list in change.users.forEach { list.element(text: $0.text) } })
        }
    }

    /// What a recall leaves of a frame of `event` that has a body, for stores that keep whole frames: the same with
    /// `"recalled":true` in the body's place. Any other frame comes back as it is.
    public static func withoutBody(_ frame: [UInt8]) -> [UInt8] {
        guard let object = try? JSONObject(frame), object["body"] != nil else { return frame }
        return JSONWriter.object { writer in
            for (key, value) in object.members {
                if key == "body" {
                    writer.member("recalled", true)
                } else {
                    writer.member(dynamic: key) { $0.element(Array(value.bytes)) }
                }
            }
        }
    }

    // MARK: What requests are answered with

    /// A message of `history` and `conversations`.
    public static func write(_ message: StoredMessage, for user: UserID, to writer: inout JSONWriter) {
        writer.member("n", message.n)
        writer.member("id", message.id)
        writer.member("ts", message.timestampMilliseconds)
        writer.member("from", message.sender.text)
        if message.sender == user { writer.member("cid", message.cid) }
        writer.member(body: message.body)
        if let edited = message.editedMilliseconds { writer.member("edited", edited) }
        guard !message.reactions.isEmpty else { return }
        writer.member(
            "reactions",
            object: { reactions in
                for reaction in message.reactions {
                    reactions.member(dynamic: reaction.key) {
                        $0.array { list in reaction.users.forEach { list.element(text: $0.text) } }
                    }
                }
            })
    }

    /// `{"messages":[…],"more":…}`
    public static func history(_ page: HistoryPage, for user: UserID) -> [UInt8] {
        JSONWriter.object {
            $0.member(
                "messages",
                array: { list in
                    for message in page.messages { list.object { write(message, for: user, to: &$0) } }
                })
            $0.member("more", page.more)
        }
    }

    /// A conversation as one of its members sees it; `membership` is the user's side of it.
    public static func write(
        _ summary: ConversationSummary, _ membership: Membership?, for user: UserID, to writer: inout JSONWriter
    ) {
        writer.member("conv", summary.conversation.text)
        writer.member("kind", summary.conversation.isGroup ? "group" : "direct")
        writer.member("members", array: { list in summary.members.forEach { list.element(text: $0.text) } })
        if summary.conversation.isGroup { writer.member("member_count", summary.memberCount) }
        if let owner = summary.owner { writer.member("owner", owner.text) }
        if let title = summary.title { writer.member("title", title) } else { writer.null("title") }
        if let last = summary.last {
            writer.member("last", object: { write(last, for: user, to: &$0) })
        } else {
            writer.null("last")
        }
        let counts = ConversationCounts(
            messages: summary.messages, own: summary.own, readN: membership?.counts.readN ?? summary.readN,
            readOwn: membership?.counts.readOwn ?? summary.readOwn)
        writer.member("unread", counts.unread)
        writer.member("read_n", counts.readN)
        writer.member("muted", membership?.isMuted ?? false)
        if summary.isBlocked { writer.member("blocked", true) }
        writer.member(
            "others",
            array: { list in
                for other in summary.others {
                    list.object {
                        $0.member("user", other.user.text)
                        $0.member("read_n", other.readN)
                        $0.member("delivered_n", other.deliveredN)
                    }
                }
            })
    }
}

extension JSONWriter {
    fileprivate mutating func head(_ seq: Int64, _ id: String, _ timestamp: Int64, _ conversation: ConversationID?) {
        member("seq", seq)
        member("id", id)
        member("ts", timestamp)
        if let conversation { member("conv", conversation.text) }
    }

    /// `"body":…` as it came, or `"recalled":true`.
    fileprivate mutating func member(body: [UInt8]?) {
        if let body { raw("body", body) } else { member("recalled", true) }
    }

    fileprivate mutating func null(_ key: StaticString) { raw(key, Array("null".utf8)) }
}
