import Chat
import Core

/// The ports that an import writes to, as `async` calls.
struct ImportTarget: Sendable {
    let conversations: any ConversationStore
    let memberships: any MembershipStore
    let time: any TimeSource

    func summary(of conversation: ConversationID, for member: UserID) async throws -> ConversationSummary? {
        try await answer { conversations.summaries(of: [conversation], for: member, $0) }.first ?? nil
    }

    func history(
        of conversation: ConversationID, for member: UserID, before n: Int64, limit: Int
    ) async throws -> [StoredMessage] {
        try await answer { conversations.history(of: conversation, for: member, .before(n), limit: limit, $0) }?
            .messages ?? []
    }

    func commit(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, id: EventID,
        milliseconds: Int64
    ) async throws -> CommitOutcome {
        try await answer {
            conversations.commit(change, to: conversation, by: author, id: id, nowMilliseconds: milliseconds, $0)
        }
    }

    func advance(
        _ user: UserID, in conversation: ConversationID, by step: AdvanceStep
    ) async throws -> AdvanceOutcome {
        let now = time.wallMilliseconds()
        return try await answer { memberships.advance(user, in: conversation, by: step, nowMilliseconds: now, $0) }
    }

    /// nil when there is no such conversation.
    func head(of conversation: ConversationID) async throws -> EntryPosition? {
        try await answer { conversations.entries(of: conversation, for: nil, after: nil, limit: 0, $0) }?.head
    }

    func finish(_ ticket: FanOutTicket) async throws {
        try await answer { (done: @escaping Completion<Void>) in conversations.finish(ticket, done) }
    }
}
