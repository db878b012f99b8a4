import Chat
import Core
import GRDB
import Notifications
import Presence
import Timelines

extension EmbeddedStore: MembershipStore {
    public func advance(
        _ user: UserID, in conversation: ConversationID, by step: AdvanceStep, nowMilliseconds: Int64,
        _ done: @escaping Completion<AdvanceOutcome>
    ) {
        let (limits, directory) = (limits, directory)
        group.submit(done) { db in
            let row = try Self.find(user, conversation, db, limits)
            let fit = MembershipFit(step, to: row?.cursor)
            if case .answer(let outcome) = fit { return outcome }
            var advance = try TimelineAdvance(
                db: db, limits: limits, now: nowMilliseconds, user: user, conversation: conversation, row: row)
            try advance.run(fit)
            return .advanced(
                AdvanceOutcome.Advance(
                    entries: advance.entries, routes: directory.routes(of: user), state: advance.state))
        }
    }

    public func conversations(
        of user: UserID, before cursor: String?, limit: Int, _ done: @escaping Completion<MembershipPage>
    ) {
        let limits = limits
        group.submit(done) { db in
            guard let row = try TimelineTable(db: db, limits: limits).find(user) else {
                return MembershipPage(memberships: [], cursor: nil)
            }
            return try MembershipTable(db: db).page(row.user, before: cursor, limit: limit)
        }
    }

    public func state(
        of user: UserID, in conversation: ConversationID, nowMilliseconds: Int64,
        _ done: @escaping Completion<MembershipState?>
    ) {
        let limits = limits
        group.submit(done) { db in
            guard let row = try Self.find(user, conversation, db, limits), row.isListed else { return nil }
            let inbox = InboxTable(db: db, limits: limits, now: nowMilliseconds)
            return MembershipState(
                readN: row.counts.readN, conversationUnread: row.unread, unread: try inbox.unread(row.user))
        }
    }

    /// A block past `Limits.blocksMax` is answered with nil too.
    public func apply(
        _ change: PersonalChange, of user: UserID, id: EventID, nowMilliseconds: Int64,
        _ done: @escaping Completion<PersonalOutcome?>
    ) {
        let (limits, directory) = (limits, directory)
        group.submit(done) { db in
            let timelines = TimelineTable(db: db, limits: limits)
            var timeline = try timelines.findOrBegin(user)
            let frame: [UInt8]?
            switch change {
            case .mute(let conversation, let on):
                guard var row = try Self.find(user, conversation, db, limits), row.isListed else { return nil }
                frame = try Self.mute(&row, on: on, db) {
                    let inbox = InboxTable(db: db, limits: limits, now: nowMilliseconds)
                    return ChatFrames.mute(
                        seq: timeline.seq + 1, id: id.text, timestamp: nowMilliseconds, conversation: conversation,
                        on: on, unread: try inbox.unread(timeline.user))
                }
            case .block(let other, let on):
                let memberships = MembershipTable(db: db)
                if on, try memberships.hasMostBlocks(besides: other, timeline.user) { return nil }
                let changed = try memberships.block(other, on: on, timeline.user, place: timeline.seq + 1)
                frame =
                    changed
                    ? ChatFrames.block(
                        seq: timeline.seq + 1, id: id.text, timestamp: nowMilliseconds, user: other, on: on) : nil
            }
            guard let frame else { return PersonalOutcome(entry: nil, routes: directory.routes(of: user)) }
            let entry = AppendedEntry(seq: timeline.seq + 1, id: id.text, previous: timeline.last, frame: frame)
            try timelines.append(id: id.text, frame: frame, to: &timeline, now: nowMilliseconds)
            return PersonalOutcome(entry: entry, routes: directory.routes(of: user))
        }
    }

    public func blocks(of user: UserID, _ done: @escaping Completion<[UserID]>) {
        let limits = limits
        group.submit(done) { db in
            guard let row = try TimelineTable(db: db, limits: limits).find(user) else { return [] }
            return try MembershipTable(db: db).blocks(row.user)
        }
    }

    public func messageDrift(of user: UserID, _ done: @escaping Completion<Int>) {
        let limits = limits
        group.submit(done) { db in
            guard let row = try TimelineTable(db: db, limits: limits).find(user) else { return 0 }
            let memberships = MembershipTable(db: db)
            return try memberships.unread(row.user) - memberships.unreadByCursors(row.user)
        }
    }

    /// - Returns: The frame, which tells the totals after it; nil when nothing changed.
    private static func mute(
        _ row: inout MembershipRow, on: Bool, _ db: Database, frame: () throws -> [UInt8]
    ) throws -> [UInt8]? {
        guard row.isMuted != on else { return nil }
        row.isMuted = on
        try MembershipTable(db: db).save(row)
        return try frame()
    }

    private static func find(
        _ user: UserID, _ conversation: ConversationID, _ db: Database, _ limits: StoreLimits
    ) throws -> MembershipRow? {
        guard let user = try TimelineTable(db: db, limits: limits).find(user)?.user,
            let conversation = try ConversationTable(db: db).find(conversation)?.key
        else { return nil }
        return try MembershipTable(db: db).find(user, conversation)
    }
}
