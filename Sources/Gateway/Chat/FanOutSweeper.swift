import Chat
import Core

/// Finishes what others did not: conversations whose members are not all advanced (ADR 12). Runs on every node; the store
/// hands out each conversation to one of them at a time.
struct FanOutSweeper: Sendable {
    private static let conversationsPerRun = 200

    let node: NodeContext

    func sweep() async {
        let now = node.time.wallMilliseconds()
        let before = now - Int64(Limits.fanOutGraceMilliseconds)
        guard
            let tickets = try? await answer({
                node.conversations.claimUnfinished(
                    limit: Self.conversationsPerRun, beforeMilliseconds: before, nowMilliseconds: now, $0)
            })
        else { return }
        // What a node that leaves does not finish, another one claims.
        for ticket in tickets where !Task.isCancelled { await finish(ticket) }
    }

    /// Brings every member to the log's head.
    private func finish(_ ticket: FanOutTicket) async {
        let found: EntryPage?
        do {
            found = try await answer {
                node.conversations.entries(of: ticket.conversation, for: nil, after: nil, limit: 0, $0)
            }
        } catch { return }
        // A mark whose commit never came: there is nothing to bring to anybody.
        guard let page = found, !page.members.isEmpty else {
            return node.conversations.finish(ticket) { _ in }
        }
        node.metrics.fanOutsSwept.increment()
        let round = FanOutRound(node: node, ticket: ticket, members: page.members.count)
        let now = node.time.wallMilliseconds()
        for member in page.members {
            let (machine, action) = FanOut.catchUp(to: page.head, nowMilliseconds: now)
            round.run(machine, action, for: member) { _ in }
        }
    }
}
