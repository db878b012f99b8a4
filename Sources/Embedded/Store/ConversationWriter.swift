import Chat
import Core
import GRDB

/// Judges one change of a conversation and applies it, inside a transaction of `GroupCommit`.
///
/// Nothing is written before the change is judged: a refusal does not undo the transaction, which is shared with others.
struct ConversationWriter {
    let db: Database
    let limits: StoreLimits
    /// Becomes the id of the entry.
    let id: EventID
    let now: Int64

    var conversations: ConversationTable { ConversationTable(db: db) }
    var log: LogTable { LogTable(db: db) }
    var messages: MessageTable { MessageTable(db: db) }
    var bodies: BodyTable { BodyTable(db: db) }

    /// The author of a change where it happens.
    struct Standing {
        var row: ConversationRow
        var me: MemberRow
        let author: UserID
    }

    func apply(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID
    ) throws -> CommitOutcome {
        if case .create(let title, let members) = change {
            return try create(conversation, title: title, members: members, by: author)
        }
        guard var at = try standing(of: author, in: conversation, change) else { return .refused(.noConversation) }
        switch change {
        case .create: return .refused(.noConversation)
        case .send(let cid, let body): return try send(cid, body, &at)
        case .edit(let n, let body): return try edit(n, body, &at)
        case .recall(let n): return try recall(n, &at)
        case .react(let n, let key, let on): return try react(n, key, on: on, &at)
        case .read(let n, let force): return try read(n, force: force, &at)
        case .delivered(let n): return try delivered(n, &at)
        case .typing: return try noted(at, changed: false)
        case .block(let on): return try block(on: on, &at)
        case .update(let title): return try update(title: title, &at)
        case .add(let users): return try add(users, &at)
        case .remove(let users): return try remove(users, &at)
        case .leave: return try leave(&at)
        }
    }

    /// nil for strangers, as if there were no conversation. What begins a direct conversation makes it here.
    private func standing(
        of author: UserID, in conversation: ConversationID, _ change: ConversationChange
    ) throws -> Standing? {
        guard !conversation.excludes(author) else { return nil }
        let found = try conversations.find(conversation)
        let member = try found.flatMap { try conversations.member(author, of: $0.key) }
        let (begins, isSend) =
            switch change {
            case .send: (true, true)
            case .block(let on): (on, false)
            default: (false, false)
            }
        if let found, let member {
            // Whoever went since may repeat what was sent before: `send` looks at that first.
            guard member.removed == nil || isSend, found.exists || begins || change == .block(on: false) else {
                return nil
            }
            return Standing(row: found, me: member, author: author)
        }
        guard case .direct(let lower, let higher) = conversation.kind else { return nil }
        if change == .block(on: false) { return unwritten(found, conversation, author) }
        guard begins else { return nil }
        var row = try conversations.findOrBegin(conversation)
        try conversations.join([try key(of: lower), try key(of: higher)], &row)
        try conversations.save(row)
        return try conversations.member(author, of: row.key).map { Standing(row: row, me: $0, author: author) }
    }

    /// Where nobody has blocked or sent yet, taking a block away has nothing to write.
    private func unwritten(_ row: ConversationRow?, _ id: ConversationID, _ author: UserID) -> Standing {
        let row =
            row ?? ConversationRow(key: 0, id: id, head: .start, at: 0, messages: 0, members: 0, owner: nil, title: nil)
        let me = MemberRow(
            user: 0, joined: 0, hidden: 0, own: 0, readN: 0, readOwn: 0, deliveredN: 0, blocks: false, removed: nil)
        return Standing(row: row, me: me, author: author)
    }

    /// The small number of a user, whose timeline begins when it is not there.
    func key(of user: UserID) throws -> Int64 { try TimelineTable(db: db, limits: limits).findOrBegin(user).user }

    // MARK: Answering

    /// Appends an entry after the head, and marks the conversation when members are to be advanced.
    ///
    /// - Parameters:
    ///   - body: The row of `bodies` that an edit put there.
    ///   - gone: Those whom this entry takes out.
    func append(
        _ content: LogEntry.Content, _ at: inout Standing, body: Int64? = nil, gone: [UserID] = []
    ) throws -> Commit {
        let previous = at.row.head
        at.row.head = EntryPosition(number: previous.number + 1, id: id.text)
        at.row.at = max(now, at.row.at)
        if case .message = content { at.row.messages += 1 }
        let entry = LogEntry(
            position: at.row.head, timestampMilliseconds: at.row.at, author: at.author, messages: at.row.messages,
            content: content)
        try log.append(entry, author: at.me.user, body: body, at.row.key)
        try conversations.save(at.row)
        let commit = try self.commit(entry, previous, at, gone: gone)
        if commit.isFannedOut {
            try UnfinishedTable(db: db).put(
                entry.position.number, isNarrow: commit.isLarge || !gone.isEmpty, at.row.key, now: now)
        }
        return commit
    }

    /// Whom an entry is to be brought to.
    func commit(
        _ entry: LogEntry, _ previous: EntryPosition, _ at: Standing, gone: [UserID] = []
    ) throws -> Commit {
        let isLarge = at.row.members > limits.groupFanOut
        var concerned: [UserID]?
        if isLarge, case .group(let change) = entry.content, change.kind != .updated {
            concerned = change.users + (change.users.contains(entry.author) ? [] : [entry.author])
        }
        return Commit(
            entry: entry, previous: previous,
            members: try concerned ?? (conversations.members(of: at.row.key) + gone),
            isFannedOut: !isLarge || concerned != nil, isLarge: isLarge,
            ticket: UnfinishedTable.ticket(entry.position.number, at.row.id))
    }

    /// The entry that a repeated request made the first time.
    func duplicate(ofEntry number: Int64, _ at: Standing) throws -> CommitOutcome {
        let entry = try log.entries(after: number - 1, upTo: number, limit: 1, at.row.key).first
        guard let entry, let previous = try log.position(number - 1, at.row.key) else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a log has a hole")
        }
        // Whom the entry named and who went since may not have it yet: who repeats the request brings it to them too.
        var gone: [UserID] = []
        if case .group(let change) = entry.content { gone = try change.users.filter { try !isMember($0, at) } }
        return .duplicate(try commit(entry, previous, at, gone: gone))
    }

    func noted(_ at: Standing, changed: Bool, deliveredN: Int64? = nil) throws -> CommitOutcome {
        let isAlone = try conversations.isBlocked(at.row)
        let members = try isAlone ? [at.author] : everybody(at)
        return .noted(CommitOutcome.Audience(members: members, changed: changed, deliveredN: deliveredN))
    }

    private func everybody(_ at: Standing) throws -> [UserID] {
        if case .direct(let lower, let higher) = at.row.id.kind { return [lower, higher] }
        return try conversations.members(of: at.row.key)
    }
}

extension ApusError {
    static let noConversation = ApusError(.notFound, "conv: there is no such conversation")
    static let noMessage = ApusError(.notFound, "n: there is no such message")
    static let blocked = ApusError(.forbidden, "conv: one of the two has blocked the other")
}
