/// How far each of the two of a conversation has read, told by whispers in their order: up to the newest one that was
/// received and before which nothing received is unread. One cursor cannot have holes: what was read after an unread
/// whisper counts as unread.
struct ReadFrontier: Hashable {
    /// The newest whisper that is read.
    struct Mark: Hashable {
        var id: Int64
        /// Its number in the conversation; nil when an earlier run wrote it.
        var n: Int64?
        /// How many whispers of the file stand before it.
        var index: Int
    }

    /// What one of the two has received.
    private struct Side: Hashable {
        var mark: Mark?
        var hasUnread = false
        var readAfterUnread = 0
    }

    private var low = Side()
    private var high = Side()
    /// How many whispers were taken.
    private(set) var count = 0

    /// - Parameter sentByLow: Whether the user with the lower number sent it, so that the other one received it.
    mutating func take(id: Int64, sentByLow: Bool, isRead: Bool, n: Int64?) {
        let mark = Mark(id: id, n: n, index: count)
        count += 1
        if sentByLow { Self.take(mark, isRead, &high) } else { Self.take(mark, isRead, &low) }
    }

    func mark(ofLow: Bool) -> Mark? { ofLow ? low.mark : high.mark }

    /// Whispers that were read and will be shown as unread.
    var readAfterUnread: Int { low.readAfterUnread + high.readAfterUnread }

    private static func take(_ mark: Mark, _ isRead: Bool, _ side: inout Side) {
        if !isRead {
            side.hasUnread = true
        } else if side.hasUnread {
            side.readAfterUnread += 1
        } else {
            side.mark = mark
        }
    }
}
