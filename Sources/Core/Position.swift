/// A place in a timeline that can be checked: the number and the id of the event that stood there (DESIGN §2, rule 2).
///
/// Numbers alone cannot tell "the same event" from "another event that got the same number after a fail-over".
public struct Cursor: Hashable, Sendable {
    /// Changes when the store can no longer prove that old positions still mean what they meant.
    public var epoch: String
    /// The last event seen; 0 before the first.
    public var seq: Int64
    /// The id of the event at `seq`; nil when `seq` is 0, or when the client never saw that event.
    public var last: String?

    public init(epoch: String, seq: Int64, last: String?) {
        self.epoch = epoch
        self.seq = seq
        self.last = last
    }
}

/// Why a position cannot be resumed (PROTOCOL §2.1). The raw value stands on the wire.
public enum ResyncReason: String, Sendable, CaseIterable {
    /// The timeline was begun anew: its store was emptied, or the user's data expired.
    case epochChanged = "epoch_changed"
    /// Events after the position are no longer kept.
    case trimmed
    /// The position lies beyond the head: the store lost its tail.
    case ahead
    /// Another event stands at that number: the store lost its tail and went on.
    case idMismatch = "id_mismatch"
}

/// The totals behind a user's badge.
public struct Unread: Hashable, Sendable {
    public var messages: Int
    public var notifications: Int

    public init(messages: Int, notifications: Int) {
        self.messages = messages
        self.notifications = notifications
    }
}
