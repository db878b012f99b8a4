import Core
import GRDB
import Notifications
import Timelines

extension EmbeddedStore: InboxStore {
    /// Retractions that one run of `expire` appends for one user; the next run goes on.
    private static let retractionsMax = 200

    public func append(
        _ notification: Notification, to user: UserID, nowMilliseconds: Int64,
        _ done: @escaping Completion<AppendOutcome>
    ) {
        let (limits, directory) = (limits, directory)
        group.submit(done) { db in
            let timeline = TimelineTable(db: db, limits: limits)
            let inbox = InboxTable(db: db, limits: limits, now: nowMilliseconds)
            var row = try timeline.findOrBegin(user)
            if let known = try inbox.known(notification.id, row.user) {
                return AppendOutcome(entry: nil, seq: known.seq, item: known.item, routes: directory.routes(of: user))
            }
            let seq = row.seq + 1
            let target = try inbox.collapse(notification, row.user)
            if target == nil { try inbox.insert(notification, place: seq, row.user) }
            let item = target ?? notification.id.text
            let frame = EventFrames.notification(
                seq: seq, notification, item: item, updated: target != nil, unread: try inbox.unread(row.user))
            let entry = AppendedEntry(seq: seq, id: notification.id.text, previous: row.last, frame: frame)
            try inbox.remember(notification.id, seq: seq, item: item, row.user)
            try timeline.append(id: entry.id, frame: frame, to: &row, now: nowMilliseconds)
            return AppendOutcome(entry: entry, seq: seq, item: item, routes: directory.routes(of: user))
        }
    }

    public func page(
        _ query: InboxQuery, of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<InboxPage>
    ) {
        let limits = limits
        group.submit(done) { db in
            guard let row = try TimelineTable(db: db, limits: limits).find(user) else {
                return InboxPage(items: [], cursor: nil, counts: .none)
            }
            return try InboxTable(db: db, limits: limits, now: nowMilliseconds).page(query, row.user)
        }
    }

    public func markRead(
        _ selection: ReadSelection, category: String?, of user: UserID, id: EventID, nowMilliseconds: Int64,
        _ done: @escaping Completion<ReadOutcome>
    ) {
        let (limits, directory) = (limits, directory)
        group.submit(done) { db in
            let timeline = TimelineTable(db: db, limits: limits)
            let inbox = InboxTable(db: db, limits: limits, now: nowMilliseconds)
            let routes = directory.routes(of: user)
            guard var row = try timeline.find(user) else {
                return ReadOutcome(entry: nil, counts: .none, routes: routes)
            }
            let marked = try inbox.mark(selection, category: category, row.user)
            let counts = try inbox.counts(row.user)
            guard let marked else { return ReadOutcome(entry: nil, counts: counts, routes: routes) }
            let frame = EventFrames.inboxRead(
                seq: row.seq + 1, id: id, timestamp: nowMilliseconds, selection: marked, category: category,
                unread: counts.unread)
            let entry = AppendedEntry(seq: row.seq + 1, id: id.text, previous: row.last, frame: frame)
            try timeline.append(id: id.text, frame: frame, to: &row, now: nowMilliseconds)
            return ReadOutcome(entry: entry, counts: counts, routes: routes)
        }
    }

    public func counts(of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<InboxCounts>) {
        let limits = limits
        group.submit(done) { db in
            guard let row = try TimelineTable(db: db, limits: limits).find(user) else { return .none }
            return try InboxTable(db: db, limits: limits, now: nowMilliseconds).counts(row.user)
        }
    }

    public func expire(limit: Int, nowMilliseconds: Int64, _ done: @escaping Completion<[ExpiryOutcome]>) {
        let (limits, directory) = (limits, directory)
        group.submit(done) { db in
            let timeline = TimelineTable(db: db, limits: limits)
            let inbox = InboxTable(db: db, limits: limits, now: nowMilliseconds)
            return try inbox.usersWithExpired(limit: limit).compactMap { name -> ExpiryOutcome? in
                guard let user = UserID(name), var row = try timeline.find(user) else { return nil }
                let items = try inbox.removeExpired(row.user, limit: Self.retractionsMax)
                let unread = try inbox.unread(row.user)
                let entries = try items.map { item in
                    let id = EventID.new(atMilliseconds: nowMilliseconds).text
                    let frame = EventFrames.retracted(
                        seq: row.seq + 1, id: id, timestamp: nowMilliseconds, item: item, reason: "expired",
                        unread: unread)
                    let entry = AppendedEntry(seq: row.seq + 1, id: id, previous: row.last, frame: frame)
                    try timeline.append(id: id, frame: frame, to: &row, now: nowMilliseconds)
                    return entry
                }
                return ExpiryOutcome(user: user, entries: entries, routes: directory.routes(of: user))
            }
        }
    }

    public func unreadDrift(of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<Int>) {
        let limits = limits
        group.submit(done) { db in
            guard let row = try TimelineTable(db: db, limits: limits).find(user) else { return 0 }
            let inbox = InboxTable(db: db, limits: limits, now: nowMilliseconds)
            return try inbox.counts(row.user).unread.notifications - inbox.unreadByItems(row.user)
        }
    }
}

extension InboxCounts {
    /// Of a user that is not there.
    static let none = InboxCounts(unread: Unread(messages: 0, notifications: 0), byCategory: [:])
}
