import Chat
import Core

extension ScriptCall where Answer == EntryPage? {
    /// `entries.lua`
    static func entries(
        of conversation: ConversationID, for member: UserID?, after position: EntryPosition?, limit: Int,
        _ limits: StoreLimits
    ) -> Self {
        var arguments = RedisArguments(member?.text ?? "", conversation.isGroup ? "0" : "1")
        arguments.add(position.map { String($0.number.bounded) } ?? "")
        arguments.add(position?.id ?? "")
        arguments.add(limit)
        arguments.add(limits.groupFanOut)
        arguments.add(Limits.departureEntries)
        return ScriptCall(.entries, keys: .of(conversation), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            guard !fields.isAtEnd else { return nil }
            let from = try fields.position()
            let isForked = try fields.text() == "1"
            let head = try fields.position()
            var entries: [LogEntry] = []
            for step in 0..<Int64(max(0, try fields.count())) {
                let record = try EntryRecord(try fields.bytes()[...])
                entries.append(try record.entry(in: conversation, number: from.number + 1 + step))
            }
            return EntryPage(
                from: from, isForked: isForked, entries: entries, head: head,
                members: try fields.members(of: conversation))
        }
    }
}

extension ScriptCall where Answer == HistoryPage? {
    /// `history.lua`
    static func history(
        of conversation: ConversationID, for member: UserID, _ range: HistoryRange, limit: Int
    ) -> Self {
        var arguments = RedisArguments(member.text, conversation.isGroup ? "0" : "1")
        switch range {
        case .before(let n):
            arguments.add("before")
            arguments.add(n.map { String($0.bounded) } ?? "")
        case .after(let n):
            arguments.add("after")
            arguments.add(n.bounded)
        }
        arguments.add(limit)
        return ScriptCall(.history, keys: .of(conversation), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            guard !fields.isAtEnd else { return nil }
            let more = try fields.text() == "1"
            var messages: [StoredMessage] = []
            while !fields.isAtEnd { messages.append(try fields.message(of: conversation)) }
            return HistoryPage(messages: messages, more: more)
        }
    }
}

extension ScriptCall where Answer == ConversationSummary? {
    /// `summary.lua`
    static func summary(of conversation: ConversationID, for member: UserID) -> Self {
        let partner = conversation.partner(of: member)
        var arguments = RedisArguments(member.text, partner?.text ?? "")
        arguments.add(Limits.membersShownMax)
        arguments.add(Limits.receiptMembersMax)
        return ScriptCall(.summary, keys: .of(conversation), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            guard !fields.isAtEnd else { return nil }
            return try fields.summary(of: conversation)
        }
    }
}

extension ReplyFields {
    /// A number and an id.
    mutating func position() throws(Malformed) -> EntryPosition {
        EntryPosition(number: try integer(), id: try text())
    }

    /// A record of a message, and its reactions.
    fileprivate mutating func message(of conversation: ConversationID) throws(Malformed) -> StoredMessage {
        let record = try EntryRecord(try bytes()[...])
        return try record.message(in: conversation, reactions: try bytes())
    }

    fileprivate mutating func summary(of conversation: ConversationID) throws(Malformed) -> ConversationSummary {
        let (head, messages) = (try position(), try integer())
        let (owner, title) = (UserID(try text()), EntryRecord.title(from: try text()))
        let count = try self.count()
        let (readN, readOwn, own, isBlocked) = (try integer(), try integer(), try integer(), try text() == "1")
        let (record, reactions) = (try bytes(), try bytes())
        let last =
            record.isEmpty ? nil : try EntryRecord(record[...]).message(in: conversation, reactions: reactions)
        var shown: [UserID] = []
        for _ in 0..<max(0, try self.count()) { shown.append(try user()) }
        if case .direct(let lower, let higher) = conversation.kind { shown = [lower, higher] }
        var others: [ConversationSummary.MemberProgress] = []
        while !isAtEnd {
            others.append(.init(user: try user(), readN: try integer(), deliveredN: try integer()))
        }
        return ConversationSummary(
            conversation: conversation, members: shown, memberCount: count, owner: owner, title: title, head: head,
            messages: messages, last: last, readN: readN, readOwn: readOwn, own: own, others: others,
            isBlocked: isBlocked)
    }
}
