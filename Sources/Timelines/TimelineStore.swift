import Core

/// One durable event as it stands in a timeline.
///
/// `frame` is the whole JSON object that clients get, written once by the store when it gave the number:
/// `{"ev":"…","seq":42,"id":"…","ts":…,…}`. Replay, `sync` and delivery copy these bytes and never parse them.
public struct TimelineEntry: Hashable, Sendable {
    public var seq: Int64
    public var id: String
    public var frame: [UInt8]

    public init(seq: Int64, id: String, frame: [UInt8]) {
        self.seq = seq
        self.id = id
        self.frame = frame
    }
}

/// The head of a timeline: the position of its newest event.
public struct TimelineHead: Hashable, Sendable {
    public var epoch: String
    /// 0 when nothing was ever appended.
    public var seq: Int64
    /// The id of the event at `seq`; empty when `seq` is 0.
    public var last: String

    public init(epoch: String, seq: Int64, last: String) {
        self.epoch = epoch
        self.seq = seq
        self.last = last
    }
}

/// What a store found at a position that a client wants to go on from.
public enum ResumeVerdict: Hashable, Sendable {
    /// No position was given.
    case fresh
    /// Every event after the position is there.
    case resumed
    case resync(ResyncReason)
}

/// The answer to `open`.
public struct TimelineOpening: Hashable, Sendable {
    public var head: TimelineHead
    public var unread: Unread
    public var verdict: ResumeVerdict
    /// The first events after the position, in order, without holes; empty unless `verdict` is `resumed`.
    /// When the last one is not the head, the rest is to be had by `read`.
    public var entries: [TimelineEntry]

    public init(head: TimelineHead, unread: Unread, verdict: ResumeVerdict, entries: [TimelineEntry]) {
        self.head = head
        self.unread = unread
        self.verdict = verdict
        self.entries = entries
    }
}

/// The answer to `read`.
public struct TimelinePage: Hashable, Sendable {
    public var head: TimelineHead
    /// Set when the events after the position are not all there or not what they were; `entries` is empty then.
    public var resync: ResyncReason?
    /// Consecutive, beginning right after the position.
    public var entries: [TimelineEntry]

    public init(head: TimelineHead, resync: ResyncReason?, entries: [TimelineEntry]) {
        self.head = head
        self.resync = resync
        self.entries = entries
    }

    /// Whether more events follow the last one of this page.
    public var more: Bool { resync == nil && (entries.last?.seq ?? head.seq) < head.seq }
}

/// Port: the per-user logs of durable events.
///
/// Contract, which `TimelineStoreContract` in ApusTesting checks of every adapter:
/// - A timeline comes into being when it is first opened or appended to, with a new random epoch and `seq` 0.
/// - `seq` is 1, 2, 3 … without holes inside an epoch; entries are never changed after they were appended.
/// - At least the newest `Limits.timelineEventsMax` entries are kept, unless they are older than
///   `Limits.timelineDaysMax`; the newest entry is always kept. Those trimmed are the oldest.
/// - A position is judged by `ResumeVerdict.judge`, atomically with the reading of the entries.
/// - Calls for one user from one thread are applied in order. Answers follow `Completion`.
public protocol TimelineStore: Sendable {
    /// Judges a position and reads what follows it, at most `limit` entries. A nil cursor asks only for the head.
    func open(_ user: UserID, at cursor: Cursor?, limit: Int, _ done: @escaping Completion<TimelineOpening>)

    /// Reads at most `limit` entries after `seq`. When `last` is given, it is compared with the id that stands at `seq`;
    /// when `epoch` is given, with the timeline's.
    func read(
        _ user: UserID, after seq: Int64, last: String?, epoch: String?, limit: Int,
        _ done: @escaping Completion<TimelinePage>)

    /// The heads of many timelines, in the order of `users`, without creating any
    /// (an absent one has an empty epoch and `seq` 0).
    func heads(_ users: [UserID], _ done: @escaping Completion<[TimelineHead]>)

    /// The same, with nil for those whose part of the store is away; fails when all of them are. A store that is one
    /// whole need not have it.
    func reachableHeads(_ users: [UserID], _ done: @escaping Completion<[TimelineHead?]>)

    /// Something that was told `unknown` may still be waiting to be done: what the heads say now is not the last word.
    var mayBeLate: Bool { get }
}

extension TimelineStore {
    public var mayBeLate: Bool { false }

    public func reachableHeads(_ users: [UserID], _ done: @escaping Completion<[TimelineHead?]>) {
        heads(users) { done($0.map { $0.map(Optional.some) }) }
    }
}

extension ResumeVerdict {
    /// The rule for positions (PROTOCOL §2.1, G6), for stores that decide in Swift; Redis decides by the same rule in Lua.
    ///
    /// - Parameters:
    ///   - oldest: The `seq` of the oldest entry still kept; `head.seq + 1` when none is.
    ///   - idAt: The id of a kept entry.
    public static func judge(
        _ cursor: Cursor?, head: TimelineHead, oldest: Int64, idAt: (Int64) -> String?
    ) -> ResumeVerdict {
        guard let cursor else { return .fresh }
        if cursor.epoch != head.epoch { return .resync(.epochChanged) }
        if cursor.seq > head.seq { return .resync(.ahead) }
        if cursor.seq < oldest - 1 { return .resync(.trimmed) }
        guard cursor.seq > 0, let last = cursor.last else { return .resumed }
        // The entry at the position is the one before the oldest kept: its id can no longer be compared.
        guard let id = idAt(cursor.seq) else { return .resync(.trimmed) }
        return id == last ? .resumed : .resync(.idMismatch)
    }
}
