import Core
import Notifications

/// What nobody asks for: notifications whose time is over, and the check that unread counts are right.
struct Housekeeping: Sendable {
    private static let usersPerRun = 200

    let node: NodeContext

    /// Retracts expired notifications and tells the sessions. Several nodes may run it at once: the store does each once.
    func expire() async {
        let now = node.time.wallMilliseconds()
        guard let outcomes = try? await answer({ node.inbox.expire(limit: Self.usersPerRun, nowMilliseconds: now, $0) })
        else { return }
        for outcome in outcomes {
            if outcome.isUncertain { node.router.uncertain(outcome.user) }
            node.router.route(outcome.entries, of: outcome.user, to: outcome.routes)
        }
    }

    /// Recomputes the unread counts of one connected user from items and messages; a difference is a defect of Apus.
    func checkUnread() async {
        guard let user = await someUser() else { return }
        let now = node.time.wallMilliseconds()
        guard let items = try? await answer({ node.inbox.unreadDrift(of: user, nowMilliseconds: now, $0) }),
            let messages = try? await UnreadCheck(node: node, user: user).differences()
        else { return }
        let drift = abs(items) + messages
        guard drift != 0 else { return }
        node.metrics.unreadDrift.increment(by: drift)
        node.logger.error("an unread count is wrong", metadata: ["user": "\(user)", "by": "\(drift)"])
    }

    /// A user with a session here; nil when there is none.
    private func someUser() async -> UserID? {
        for shard in node.hub.shards.shuffled() {
            let user = await withCheckedContinuation { continuation in
                shard.onLoop { continuation.resume(returning: $0.users.randomElement()?.key) }
            }
            if let user { return user }
        }
        return nil
    }
}
