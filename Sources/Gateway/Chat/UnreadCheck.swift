import Chat
import Core

/// Recomputes what is unread of one user and compares it with what is shown (DESIGN §3): the totals from the cursors, and
/// one conversation's count from the messages themselves. A difference is a defect of Apus.
struct UnreadCheck: Sendable {
    /// Conversations with more unread than this are passed over: counting them would cost the store too much.
    private static let messagesMax = 1000
    private static let conversationsMax = 50

    let node: NodeContext
    let user: UserID

    /// - Returns: How many are too many or too few, in all.
    func differences() async throws -> Int {
        let totals = try await answer { node.memberships.messageDrift(of: user, $0) }
        let page = try await answer {
            node.memberships.conversations(of: user, before: nil, limit: Self.conversationsMax, $0)
        }
        guard let membership = page.memberships.randomElement() else { return abs(totals) }
        return abs(totals) + abs(try await difference(membership) ?? 0)
    }

    /// - Returns: nil when that cannot be said now: the member is not at the log's head, or something came in between.
    private func difference(_ membership: Membership) async throws -> Int? {
        guard membership.counts.unread <= Self.messagesMax, try await isAtHead(membership),
            let counted = try await countOneByOne(membership), try await isAtHead(membership)
        else { return nil }
        return membership.counts.unread - counted
    }

    private func isAtHead(_ membership: Membership) async throws -> Bool {
        let found = try await answer {
            node.conversations.summaries(of: [membership.conversation], for: user, $0)
        }
        guard let summary = found.first ?? nil else { return false }
        return summary.head == membership.cursor && summary.readN == membership.counts.readN
    }

    private func countOneByOne(_ membership: Membership) async throws -> Int? {
        var (after, counted) = (membership.counts.readN, 0)
        while true {
            let found = try await answer {
                node.conversations.history(
                    of: membership.conversation, for: user, .after(after), limit: Limits.historyPageMax, $0)
            }
            guard let page = found else { return nil }
            counted += page.messages.count { $0.sender != user }
            guard page.more, let last = page.messages.last else { return counted }
            after = last.n
        }
    }
}
