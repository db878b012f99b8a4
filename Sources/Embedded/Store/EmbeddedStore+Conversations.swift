import Chat
import Core
import GRDB

extension EmbeddedStore: ConversationStore {
    public func commit(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, id: EventID,
        nowMilliseconds: Int64, _ done: @escaping Completion<CommitOutcome>
    ) {
        let limits = limits
        group.submit(done) { db in
            try ConversationWriter(db: db, limits: limits, id: id, now: nowMilliseconds)
                .apply(change, to: conversation, by: author)
        }
    }

    public func entries(
        of conversation: ConversationID, for member: UserID?, after position: EntryPosition?, limit: Int,
        _ done: @escaping Completion<EntryPage?>
    ) {
        let limits = limits
        group.submit(done) { db in
            let reader = ConversationReader(db: db, limits: limits)
            return try reader.entries(of: conversation, for: member, after: position, limit: limit)
        }
    }

    public func history(
        of conversation: ConversationID, for member: UserID, _ range: HistoryRange, limit: Int,
        _ done: @escaping Completion<HistoryPage?>
    ) {
        let limits = limits
        group.submit(done) { db in
            try ConversationReader(db: db, limits: limits).history(of: conversation, for: member, range, limit: limit)
        }
    }

    public func summaries(
        of conversations: [ConversationID], for member: UserID, _ done: @escaping Completion<[ConversationSummary?]>
    ) {
        let limits = limits
        group.submit(done) { db in
            let reader = ConversationReader(db: db, limits: limits)
            return try conversations.map { try reader.summary(of: $0, for: member) }
        }
    }

    public func claimUnfinished(
        limit: Int, beforeMilliseconds: Int64, nowMilliseconds: Int64, _ done: @escaping Completion<[FanOutTicket]>
    ) {
        group.submit(done) { db in
            try UnfinishedTable(db: db).claim(limit: limit, before: beforeMilliseconds, now: nowMilliseconds)
        }
    }

    public func finish(_ ticket: FanOutTicket, _ done: @escaping Completion<Void>) {
        group.submit(done) { db in try UnfinishedTable(db: db).finish(ticket) }
    }
}
