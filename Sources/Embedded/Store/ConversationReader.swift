import Chat
import Core
import GRDB

/// What members may see of conversations, inside a transaction of `GroupCommit`.
struct ConversationReader {
    let db: Database
    let limits: StoreLimits

    private var conversations: ConversationTable { ConversationTable(db: db) }
    private var log: LogTable { LogTable(db: db) }
    private var messages: MessageTable { MessageTable(db: db) }

    func entries(
        of conversation: ConversationID, for user: UserID?, after position: EntryPosition?, limit: Int
    ) throws -> EntryPage? {
        guard let row = try conversations.find(conversation), row.exists else { return nil }
        let members = try toAdvance(row)
        guard let user else {
            return EntryPage(
                from: position ?? .start, isForked: false, entries: [], head: row.head, members: members)
        }
        guard let member = try conversations.member(user, of: row.key) else { return nil }
        // What was removed long ago is a stranger.
        let last = member.removed ?? row.head.number
        guard member.removed == nil || last > row.head.number - Int64(Limits.departureEntries) else { return nil }
        guard let joining = try log.position(member.joined - 1, row.key) else { return nil }
        var page = EntryPage(
            from: position ?? joining, isForked: false, entries: [], head: row.head, members: members)
        if page.from.number < joining.number { page.from = joining }
        guard try log.position(page.from.number, row.key) == page.from else {
            page.isForked = true
            return page
        }
        page.entries = try log.entries(after: page.from.number, upTo: last, limit: limit, row.key)
        return page
    }

    /// Everybody whose timeline follows the log, and those who have to hear that they are out of it. In a large group
    /// timelines do not follow: only who has come or gone just now has something to hear.
    private func toAdvance(_ row: ConversationRow) throws -> [UserID] {
        let bound = row.head.number - Int64(Limits.departureEntries)
        let removed = try row.id.isGroup ? conversations.removed(after: bound, of: row.key) : []
        guard row.members > limits.groupFanOut else { return try conversations.members(of: row.key) + removed }
        return try conversations.joined(after: bound, of: row.key) + removed
    }

    func history(
        of conversation: ConversationID, for user: UserID, _ range: HistoryRange, limit: Int
    ) throws -> HistoryPage? {
        guard !conversation.excludes(user) else { return nil }
        guard let (row, member) = try standing(of: user, in: conversation) else {
            return conversation.isGroup ? nil : HistoryPage(messages: [], more: false)
        }
        return try messages.page(range, hidden: member.hidden, limit: limit, row.key)
    }

    func summary(of conversation: ConversationID, for user: UserID) throws -> ConversationSummary? {
        guard let (row, member) = try standing(of: user, in: conversation) else { return nil }
        let owner = try row.owner.flatMap { try db.first("SELECT name FROM users WHERE user = ?", [$0]) }
        let hasReceipts = row.members <= Limits.receiptMembersMax
        return ConversationSummary(
            conversation: conversation,
            members: try conversations.members(of: row.key, limit: Limits.membersShownMax), memberCount: row.members,
            owner: try owner.map { try ConversationTable.user($0[0]) }, title: row.title, head: row.head,
            messages: row.messages,
            last: try messages.page(.before(nil), hidden: member.hidden, limit: 1, row.key).messages.first,
            readN: member.readN, readOwn: member.readOwn, own: member.own,
            others: hasReceipts ? try conversations.progress(besides: member.user, of: row.key) : [],
            isBlocked: member.blocks)
    }

    /// nil for who is not a member now.
    private func standing(
        of user: UserID, in conversation: ConversationID
    ) throws -> (row: ConversationRow, member: MemberRow)? {
        guard let row = try conversations.find(conversation), row.exists,
            let member = try conversations.member(user, of: row.key), member.removed == nil
        else { return nil }
        return (row, member)
    }
}
