import Chat
import Core
import GRDB
import Notifications
import Timelines

/// Brings one member's timeline forward in one conversation, inside a transaction of `GroupCommit`.
struct TimelineAdvance {
    private let db: Database
    private let user: UserID
    private let conversation: ConversationID
    private let now: Int64
    private let timelines: TimelineTable
    private let memberships: MembershipTable
    private var timeline: UserRow
    private var row: MembershipRow
    private let isNew: Bool
    /// Whether it was in the list before.
    private let wasListed: Bool
    private var unread: Unread
    private(set) var entries: [AppendedEntry] = []

    /// - Parameter row: The user's side; nil when this step begins it.
    init(
        db: Database, limits: StoreLimits, now: Int64, user: UserID, conversation: ConversationID, row: MembershipRow?
    ) throws {
        self.db = db
        self.now = now
        self.user = user
        self.conversation = conversation
        timelines = TimelineTable(db: db, limits: limits)
        memberships = MembershipTable(db: db)
        timeline = try timelines.findOrBegin(user)
        let key = try row?.conversation ?? ConversationTable(db: db).findOrBegin(conversation).key
        self.row = row ?? MembershipRow(user: timeline.user, conversation: key, cursor: .start)
        isNew = row == nil
        wasListed = row?.isListed ?? false
        unread = try InboxTable(db: db, limits: limits, now: now).unread(timeline.user)
    }

    var state: MembershipState {
        MembershipState(readN: row.counts.readN, conversationUnread: row.unread, unread: unread)
    }

    mutating func run(_ fit: MembershipFit) throws {
        switch fit {
        case .answer: return
        case .next(let entries): try follow(entries)
        case .jump(let position, let entries): try jump(to: position, entries)
        case .aside(let entry, let force): try aside(entry, force: force)
        case .reset(let position, let counts, let id): try reset(to: position, counts, id: id)
        }
        // Who only asked is no member by that.
        if !(isNew && entries.isEmpty) { try memberships.save(row) }
    }

    // MARK: Steps

    private mutating func follow(_ entries: ArraySlice<LogEntry>) throws {
        for entry in entries {
            try apply(entry)
            row.cursor = entry.position
        }
    }

    private mutating func jump(to position: EntryPosition, _ entries: ArraySlice<LogEntry>) throws {
        row.cursor = position
        if let first = entries.first {
            var before = first.messages
            if case .message = first.content { before -= 1 }
            if wasListed {
                // In a large group: what is passed over counts nowhere (ADR 12), so it is taken for the user's own until
                // the user has read it.
                let passed = max(0, before - row.counts.messages)
                row.counts.messages += passed
                row.counts.own += passed
            } else {
                row.counts = Self.joining(at: before)
            }
        }
        try follow(entries)
    }

    private mutating func aside(_ entry: LogEntry, force: Bool) throws {
        guard row.isListed, case .read(let n, let own) = entry.content,
            force ? n != row.counts.readN : n > row.counts.readN
        else { return }
        let before = row.counted
        read(n, own: own)
        try tell(entry, countedBefore: before)
    }

    private mutating func reset(to position: EntryPosition, _ counts: ConversationCounts, id: EventID) throws {
        // Whoever comes second has nothing to reset.
        if wasListed, row.cursor == position, row.counts == counts { return }
        // A row that is new counts nothing yet.
        let before = row.counted
        (row.cursor, row.counts, row.isListed) = (position, counts, true)
        unread.messages += row.counted - before
        if !wasListed { row.activity = timeline.seq + 1 }
        let frame = ChatFrames.reset(
            seq: timeline.seq + 1, id: id.text, timestamp: now, conversation: conversation, unread: unread)
        try append(id: id.text, frame: frame)
    }

    // MARK: One entry

    private mutating func apply(_ entry: LogEntry) throws {
        let before = row.counted
        // An entry after the removal is not for this user, though it comes with the step.
        guard take(entry) else { return }
        if case .recalled(let n) = entry.content { try BodyTable(db: db).wipe(n, row.conversation) }
        try tell(entry, countedBefore: before)
    }

    /// Takes the entry into the counts. - Returns: Whether it is for this user.
    private mutating func take(_ entry: LogEntry) -> Bool {
        let isOwn = entry.author == user
        if case .group(let change) = entry.content, change.users.contains(user) {
            switch change.kind {
            case .created, .added:
                row.counts = Self.joining(at: entry.messages)
                (row.isListed, row.activity) = (true, timeline.seq + 1)
            case .removed, .left:
                row.isListed = false
                return true
            case .updated: break
            }
        }
        guard row.isListed else { return false }
        row.counts.messages = max(row.counts.messages, entry.messages)
        switch entry.content {
        case .message:
            if isOwn { row.counts.own += 1 }
            row.activity = timeline.seq + 1
        case .read(let n, let own) where isOwn:
            read(n, own: own)
        default: break
        }
        if row.activity == 0 { row.activity = timeline.seq + 1 }
        return true
    }

    private mutating func read(_ n: Int64, own: Int64) {
        row.counts.readN = n
        row.counts.readOwn = own
        // Mends what `jump` took for own.
        if n == row.counts.messages { row.counts.own = own }
    }

    /// Nothing is unread for one who joins, and nothing of it is one's own.
    private static func joining(at messages: Int64) -> ConversationCounts {
        ConversationCounts(messages: messages, own: 0, readN: messages, readOwn: 0)
    }

    // MARK: Writing

    /// Appends the entry's frame, with the totals when the entry changed them. A body stands in the file once, so the
    /// frame is stored as a recall would leave it.
    private mutating func tell(_ entry: LogEntry, countedBefore before: Int) throws {
        unread.messages += row.counted - before
        let totals = row.counted == before ? nil : unread
        var entry = entry
        var bare = entry
        var kept: Int64?
        switch entry.content {
        case .message(let cid, let body?):
            kept = try BodyTable(db: db).keep(body, of: entry.messages, row.conversation)
            bare.content = .message(cid: cid, body: nil)
        case .edited(let n, let body?):
            kept = try BodyTable(db: db).keep(body, of: n, row.conversation)
            bare.content = .edited(n: n, body: nil)
        default: break
        }
        if kept == nil { entry = bare }
        try append(
            id: entry.position.id, frame: frame(entry, totals), stored: frame(bare, totals), body: kept)
    }

    private func frame(_ entry: LogEntry, _ unread: Unread?) -> [UInt8] {
        var own: Int?
        if case .read = entry.content, entry.author == user { own = row.unread }
        return ChatFrames.event(
            seq: timeline.seq + 1, entry, in: conversation, for: user, unread: unread, conversationUnread: own)
    }

    private mutating func append(id: String, frame: [UInt8], stored: [UInt8]? = nil, body: Int64? = nil) throws {
        entries.append(AppendedEntry(seq: timeline.seq + 1, id: id, previous: timeline.last, frame: frame))
        try timelines.append(id: id, frame: stored ?? frame, body: body, to: &timeline, now: now)
    }
}
