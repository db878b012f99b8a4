import Core
import NIOCore
import Synchronization
import Timelines

/// Finds what was lost on the way: compares the heads of this node's users with the store (DESIGN §4).
///
/// Runs when something may have been lost, never on a timer. One run at a time; a wish during a run means another after.
/// All nodes run it at the same moment, when a store that was away is back: so it asks small questions, one after another,
/// and leaves the store alone for some time after each.
final class Repair: Sendable {
    private enum State { case idle, running, again }

    /// What is asked for at the same time waits behind no more than so many.
    private static let usersPerQuestion = 100
    private static let pauseMax = TimeAmount.milliseconds(25)

    /// How long the store is left alone after an answer: four times as long as that took, so that one node's run takes no more
    /// than a fifth of it and the questions of many nodes stay apart; but not so long that 19,000 users, a full node's, would
    /// wait for more than 5 s in all (GUARANTEES G7: a lost hint is repaired within 10 s).
    static func pause(afterNanoseconds time: UInt64) -> TimeAmount {
        min(.nanoseconds(4 * Int64(min(time, 1_000_000_000))), pauseMax)
    }

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
            let rest = users.dropFirst(Self.usersPerQuestion)
            guard !rest.isEmpty else { return self.finish(missed: missed) }
            let pause = Self.pause(afterNanoseconds: self.node.time.monotonicNanoseconds() - asked)
            self.later(pause) { [missed] in self.ask(rest, missed: missed) }
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
        later(.seconds(1)) { self.ask(missed[...], missed: []) }
    }
}
