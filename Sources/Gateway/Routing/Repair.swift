import Core
import NIOCore
import Synchronization
import Timelines

/// Finds what was lost on the way: compares the heads of this node's users with the store (DESIGN §4).
///
/// Runs when something may have been lost, never on a timer. One run at a time; a wish during a run means another after.
final class Repair: Sendable {
    private enum State { case idle, running, again }

    private static let usersPerQuestion = 500

    private let node: NodeContext
    private let state = Mutex(State.idle)

    init(node: NodeContext) { self.node = node }

    func run(because reason: String) {
        let starts = state.withLock { state in
            if state == .idle {
                state = .running
                return true
            }
            state = .again
            return false
        }
        guard starts else { return }
        node.metrics.headChecks.increment()
        node.logger.info("checking the heads of all users", metadata: ["reason": "\(reason)"])
        gather(node.hub.shards[...], [])
    }

    /// Collects the users shard by shard, each on its own loop.
    private func gather(_ shards: ArraySlice<Shard>, _ users: [UserID]) {
        guard let shard = shards.first else { return ask(Array(Set(users))[...], missed: []) }
        shard.onLoop { shard in
            let more = Array(shard.users.keys)
            self.gather(shards.dropFirst(), users + more)
        }
    }

    /// - Parameter missed: Those whose part of the store was away.
    private func ask(_ users: ArraySlice<UserID>, missed: [UserID]) {
        guard !users.isEmpty else { return finish(missed: missed) }
        let part = Array(users.prefix(Self.usersPerQuestion))
        node.timelines.reachableHeads(part) { result in
            var missed = missed
            switch result {
            case .failure: missed += part
            case .success(let heads):
                self.node.hub.deliver(
                    zip(part, heads).compactMap { user, head in head.map { Delivery(head: $0, of: user) } })
                missed += zip(part, heads).filter { $0.1 == nil }.map(\.0)
            }
            self.ask(users.dropFirst(Self.usersPerQuestion), missed: missed)
        }
    }

    private func finish(missed: [UserID]) {
        let again = state.withLock { state in
            defer { if state == .again || missed.isEmpty { state = .idle } }
            return state == .again
        }
        if again { return run(because: "asked again meanwhile") }
        guard !missed.isEmpty else { return }
        // The others are done; these are asked for until they are.
        node.logger.warning(
            "heads could not be checked: the store, or a part of it, is away; again in a second",
            metadata: ["users": "\(missed.count)"])
        node.hub.shards.first?.loop.scheduleTask(in: .seconds(1)) { self.ask(missed[...], missed: []) }
    }
}
