import Core

/// The durable events of notifications as JSON, written in one place for stores that compose in Swift.
/// Redis composes the same bytes in Lua (`Scripts/lib.lua`); `InboxStoreContract` holds the two together.
public enum EventFrames {
    /// `notification` or, when it was collapsed into an earlier item, `notification.updated`.
    public static func notification(
        seq: Int64, _ notification: Notification, item: String, updated: Bool, unread: Unread
    ) -> [UInt8] {
        var out = head(
            updated ? "notification.updated" : "notification", seq, notification.id.text,
            notification.timestampMilliseconds)
        out += Array(",\"notification\":".utf8)
        out += Self.item(id: item, rest: notification.rest, read: false)
        out += tail(unread)
        return out
    }

    /// An item of the inbox: `{"id":"…",<rest>,"read":false}`.
    public static func item(id: String, rest: [UInt8], read: Bool) -> [UInt8] {
        Array("{\"id\":\"\(id)\",".utf8) + rest + Array(",\"read\":\(read)}".utf8)
    }

    /// `inbox.read` with what was selected; `ids` are those that were unread until now.
    public static func inboxRead(
        seq: Int64, id: EventID, timestamp: Int64, selection: ReadSelection, category: String?, unread: Unread
    ) -> [UInt8] {
        var out = head("inbox.read", seq, id.text, timestamp)
        switch selection {
        case .ids(let ids): out += Array(",\"ids\":[\(ids.map { "\"\($0)\"" }.joined(separator: ","))]".utf8)
        case .upTo(let id): out += Array(",\"up_to\":\"\(id)\"".utf8)
        case .all: out += Array(",\"all\":true".utf8)
        }
        if let category { out += Array(",\"category\":\"\(category)\"".utf8) }
        out += tail(unread)
        return out
    }

    /// `notification.retracted`: the item is gone from the inbox.
    public static func retracted(
        seq: Int64, id: String, timestamp: Int64, item: String, reason: String, unread: Unread
    ) -> [UInt8] {
        head("notification.retracted", seq, id, timestamp)
            + Array(",\"notification\":{\"id\":\"\(item)\"},\"reason\":\"\(reason)\"".utf8) + tail(unread)
    }

    private static func head(_ event: String, _ seq: Int64, _ id: String, _ timestamp: Int64) -> [UInt8] {
        Array("{\"ev\":\"\(event)\",\"seq\":\(seq),\"id\":\"\(id)\",\"ts\":\(timestamp)".utf8)
    }

    private static func tail(_ unread: Unread) -> [UInt8] {
        Array(",\"unread\":{\"messages\":\(unread.messages),\"notifications\":\(unread.notifications)}}".utf8)
    }
}
