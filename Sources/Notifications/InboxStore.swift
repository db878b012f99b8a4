import Core

/// What appending one notification to one user's timeline and inbox came to.
public struct AppendOutcome: Hashable, Sendable {
    /// The event that was appended; nil when the same id was there before.
    public var entry: AppendedEntry?
    /// The `seq` that the event has, also when it was a duplicate; 0 when that is no longer known.
    public var seq: Int64
    /// The id of the inbox item: the notification's own, or that of the one it was collapsed into.
    public var item: String
    /// The sessions in the user's directory at that moment, as `session → holder`; some may belong to dead nodes.
    public var routes: [SessionRoute]

    public init(entry: AppendedEntry?, seq: Int64, item: String, routes: [SessionRoute]) {
        self.entry = entry
        self.seq = seq
        self.item = item
        self.routes = routes
    }

    public var duplicate: Bool { entry == nil }
}

/// Which items a page of the inbox holds.
public struct InboxQuery: Hashable, Sendable {
    /// Items older than this cursor (as an earlier page gave it; any other finds nothing); nil: from the newest.
    public var before: String?
    /// 1…`Limits.inboxPageMax`.
    public var limit: Int
    public var category: String?
    public var unreadOnly: Bool

    public init(before: String? = nil, limit: Int, category: String? = nil, unreadOnly: Bool = false) {
        self.before = before
        self.limit = limit
        self.category = category
        self.unreadOnly = unreadOnly
    }
}

/// The totals of an inbox.
public struct InboxCounts: Hashable, Sendable {
    public var unread: Unread
    /// Unread notifications by category; categories without any are absent.
    public var byCategory: [String: Int]

    public init(unread: Unread, byCategory: [String: Int]) {
        self.unread = unread
        self.byCategory = byCategory
    }
}

/// A page of the inbox, newest first.
public struct InboxPage: Hashable, Sendable {
    /// Each a whole notification object with its `read` flag, ready for the wire.
    public var items: [[UInt8]]
    /// Where the next page begins; nil when this was the last.
    public var cursor: String?
    public var counts: InboxCounts

    public init(items: [[UInt8]], cursor: String?, counts: InboxCounts) {
        self.items = items
        self.cursor = cursor
        self.counts = counts
    }
}

/// What `inbox.read` marks.
public enum ReadSelection: Hashable, Sendable {
    case ids([String])
    /// The item with this id and all older ones. An id that is not in the inbox marks nothing.
    case upTo(String)
    case all
}

/// What marking came to.
public struct ReadOutcome: Hashable, Sendable {
    /// The `inbox.read` event; nil when nothing was unread among the selected.
    public var entry: AppendedEntry?
    public var counts: InboxCounts
    public var routes: [SessionRoute]

    public init(entry: AppendedEntry?, counts: InboxCounts, routes: [SessionRoute]) {
        self.entry = entry
        self.counts = counts
        self.routes = routes
    }
}

/// An event that a store appended by itself, when a notification's time was over.
public struct ExpiryOutcome: Hashable, Sendable {
    public var user: UserID
    /// `notification.retracted` events, one for each expired item, in order.
    public var entries: [AppendedEntry]
    public var routes: [SessionRoute]
    /// Items may have been taken out, or not: the store did not say in time. They are looked at again later.
    public var isUncertain: Bool

    public init(user: UserID, entries: [AppendedEntry], routes: [SessionRoute], isUncertain: Bool = false) {
        self.user = user
        self.entries = entries
        self.routes = routes
        self.isUncertain = isUncertain
    }
}

/// Port: notifications in timelines and inboxes.
///
/// Contract, which `InboxStoreContract` in ApusTesting checks of every adapter:
/// - Every change is one atomic step in one user's data: timeline, inbox, counts and deduplication together.
///   It is validated before the first write, so it happens whole or not at all.
/// - An id that was appended for this user within `Limits.dedupHours` appends nothing again, collapsed ones included.
/// - A notification with a `collapse` key takes the place of the user's *unread* item with the same key: the item keeps
///   its id and its place in the inbox, its content is the new one, the count stays, the event is `notification.updated`.
/// - Unread counts are derived from the items, never kept beside them.
/// - The inbox keeps `Limits.inboxItemsMax` items; the oldest leave first, read or not, and silently.
/// - An item whose time is over counts and shows nowhere, whether or not `expire` has run; `expire` (or the next write
///   for that user) appends `notification.retracted` for it, with the reason `expired` and totals that leave out
///   everything that is over.
/// - Frames are exactly those of `EventFrames`.
public protocol InboxStore: Sendable {
    /// Appends one notification for one user.
    func append(
        _ notification: Notification, to user: UserID, nowMilliseconds: Int64,
        _ done: @escaping Completion<AppendOutcome>)

    /// Reads a page.
    func page(_ query: InboxQuery, of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<InboxPage>)

    /// Marks items as read; `id` becomes the id of the event. When `category` is given, only items of it.
    func markRead(
        _ selection: ReadSelection, category: String?, of user: UserID, id: EventID, nowMilliseconds: Int64,
        _ done: @escaping Completion<ReadOutcome>)

    /// The counts alone.
    func counts(of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<InboxCounts>)

    /// Retracts what is over, for at most `limit` users; answers with what was appended. Any node may run it at any time.
    func expire(limit: Int, nowMilliseconds: Int64, _ done: @escaping Completion<[ExpiryOutcome]>)

    /// Recomputes the unread count of a user from the items one by one and compares it with what `counts` says;
    /// answers the difference, which must be 0.
    func unreadDrift(of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<Int>)
}
