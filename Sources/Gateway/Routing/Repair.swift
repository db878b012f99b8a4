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
    static let usersPerQuestion = 100
    /// Of a whole run.
    private static let pausesMaxNanoseconds: Int64 = 5_000_000_000

    /// How long the store is left alone after an answer: four times as long as that took, so that one node's run takes no more
    /// than a fifth of it and the questions of many nodes stay apart; but so that the pauses of a run are 5 s in all at most
    /// (GUARANTEES G7: a lost hint is repaired within 10 s).
    ///
    /// - Parameter questions: How many there are in the run.
    static func pause(afterNanoseconds time: UInt64, of questions: Int) -> TimeAmount {
        let wanted = 4 * Int64(min(time, 1_000_000_000))
        return .nanoseconds(min(wanted, pausesMaxNanoseconds / Int64(max(1, questions))))
    }

    /// How many questions so many users take.
    static func questions(_ users: Int) -> Int { (users + usersPerQuestion - 1) / usersPerQuestion }

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
            return ask(users[...], of: Self.questions(users.count), missed: [])
        }
        shard.onLoop { shard in
            let more = Array(shard.users.keys)
            self.gather(shards.dropFirst(), users + more)
        }
    }

    /// - Parameter missed: Those whose part of the store was away.
    private func ask(_ users: ArraySlice<UserID>, of questions: Int, missed: [UserID]) {
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
            let pause = Self.pause(afterNanoseconds: self.node.time.monotonicNanoseconds() - asked, of: questions)
            self.later(pause) { [missed] in self.ask(rest, of: questions, missed: missed) }
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
        later(.seconds(1)) { self.ask(missed[...], of: Self.questions(missed.count), missed: []) }
    }
}
