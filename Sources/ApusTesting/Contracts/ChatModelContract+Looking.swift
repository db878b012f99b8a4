import Chat
import Core
import Testing

// What the walk looks at: every timeline, list, total, history and summary.

extension ChatWalk {
    mutating func observe(_ user: UserID) async throws {
        guard var auditor = auditors[user] else { return }
        try await ChatModelContract.audit(&auditor, record, stores)
        auditors[user] = auditor
    }

    mutating func sweep() async throws {
        faults.set(percent: 20)
        defer { faults.set(percent: 0) }
        let conversations = Set(models.keys)
        _ = try await driver.sweep(
            beforeMilliseconds: now - 3000, nowMilliseconds: now, wanted: conversations)
    }

    /// Every timeline is brought to the head of every log: nothing may be missing then.
    mutating func settle() async throws {
        trail.append("settling")
        now += 130_000
        let conversations = Set(models.keys)
        let runs = try await driver.sweep(
            beforeMilliseconds: now - 3000, nowMilliseconds: now, wanted: conversations)
        try #require(!runs.contains { !$0.isFinished })
        try await compareAll()
        for (conversation, model) in models where !model.entries.isEmpty {
            for user in users {
                guard let seat = auditors[user]?.seat(conversation) else { continue }
                guard let stay = model.stay(of: user) else {
                    try #require(!seat.isListed, "\(user) was removed from \(conversation) and not told")
                    continue
                }
                try #require(
                    seat.number == model.head.number,
                    "\(user) is at \(seat.number) of \(model.head.number) in \(conversation)")
                try #require(seat.readN == stay.readN)
                let unread = model.messages.filter {
                    $0.n > stay.readN && $0.n > stay.joinedMessages && $0.sender != user
                }
                try #require(seat.unread == unread.count)
                let summary = try #require(await stores.summary(of: conversation, for: user))
                let counts = ConversationCounts(
                    messages: summary.messages, own: summary.own, readN: summary.readN, readOwn: summary.readOwn)
                try #require(counts.unread == unread.count)
            }
        }
    }

    mutating func compareAll() async throws {
        for user in users {
            try await observe(user)
            let auditor = try #require(auditors[user])
            try #require(try await stores.messages(of: user) == auditor.messages, "\(user)")
            try #require(try await stores.blocks(of: user) == auditor.blocks)
            let list = try await stores.list(of: user)
            try #require(list.map(\.conversation) == auditor.list)
            for membership in list {
                let seat = auditor.seat(membership.conversation)
                try #require(membership.counts.readN == seat.readN && membership.counts.unread == seat.unread)
                try #require(membership.isMuted == seat.isMuted && membership.cursor.number == seat.number)
                let state = try #require(await stores.state(of: user, in: membership.conversation))
                try #require(state.conversationUnread == seat.unread && state.readN == seat.readN)
            }
            for (conversation, model) in models { try await compare(model, conversation, user) }
        }
    }

    private func compare(
        _ model: ReferenceConversation, _ conversation: ConversationID, _ user: UserID
    ) async throws {
        let expected = model.history(for: user, .before(nil), limit: 200)
        let history = try await stores.history(of: conversation, for: user)
        let (shown, wantedShown) = (history?.messages.map { Shown($0) }, expected?.messages.map { Shown($0) })
        try #require(shown == wantedShown)
        let summary = try await stores.summary(of: conversation, for: user)
        let wanted = model.summary(for: user)
        try #require(summary?.head == wanted?.head && summary?.messages == wanted?.messages)
        let (last, wantedLast) = (summary?.last.map { Shown($0) }, wanted?.last.map { Shown($0) })
        try #require(last == wantedLast)
        try #require(summary?.readN == wanted?.readN && summary?.isBlocked == wanted?.isBlocked)
        try #require(summary?.owner == wanted?.owner && summary?.title == wanted?.title)
        if conversation.isGroup { try #require(summary?.members == wanted?.members) }
        let progress = summary?.others.map { "\($0.user) \($0.readN)" }.sorted()
        let wantedProgress = wanted?.others.map { "\($0.user) \($0.readN)" }.sorted()
        try #require(progress == wantedProgress)
    }
}

/// What is promised of a message in `history`.
private struct Shown: Hashable {
    let message: StoredMessage
    let reactions: [String: [UserID]]

    init(_ stored: StoredMessage) {
        var message = stored
        // What becomes of the rest of a recalled message is left open; the order of keys is another case's.
        reactions =
            stored.body == nil
            ? [:] : Dictionary(uniqueKeysWithValues: stored.reactions.map { ($0.key, $0.users) })
        message.reactions = []
        if stored.body == nil { message.editedMilliseconds = nil }
        self.message = message
    }
}
