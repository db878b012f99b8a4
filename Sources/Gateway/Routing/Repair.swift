import Core
import NIOCore
import Synchronization
import Timelines

/// Finds what was lost on the way: compares the heads of this node's users with the store (DESIGN §4).
///
/// Runs when something may have been lost, never on a timer. One run at a time; a wish during a run means another after.
/// `HeadPacing` says how fast.
final class Repair: Sendable {
    private enum State { case idle, running, again }

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
        guard let shard = shards.first else {
            let users = Array(Set(users))
            return ask(users[...], HeadPacing(users: users.count), missed: [])
        }
        shard.onLoop { shard in
            let more = Array(shard.users.keys)
            self.gather(shards.dropFirst(), users + more)
        }
    }

    /// - Parameter missed: Those whose part of the store was away.
    private func ask(_ users: ArraySlice<UserID>, _ pacing: HeadPacing, missed: [UserID]) {
        guard !users.isEmpty else { return finish(missed: missed) }
        let part = Array(users.prefix(HeadPacing.usersPerQuestion))
        let asked = node.time.monotonicNanoseconds()
        node.timelines.reachableHeads(part) { result in
            var missed = missed
            switch result {
            case .failure: missed += part
            case .success(let heads):
                self.node.hub.deliver(
                    zip(part, heads).compactMap { user, head in head.map { Delivery(head: $0, of: user) } })
                missed += zip(part, heads).filter { $0.1 == nil }.map(\.0)
            }
            let rest = users.dropFirst(HeadPacing.usersPerQuestion)
            guard !rest.isEmpty else { return self.finish(missed: missed) }
            let pause = pacing.pause(afterNanoseconds: self.node.time.monotonicNanoseconds() - asked)
            self.later(pause) { [missed] in self.ask(rest, pacing, missed: missed) }
        }
    }

    private func later(_ pause: TimeAmount, _ action: @escaping @Sendable () -> Void) {
        node.hub.shards.first?.loop.scheduleTask(in: pause, action)
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
        later(.seconds(1)) { self.ask(missed[...], HeadPacing(users: missed.count), missed: []) }
    }
}
