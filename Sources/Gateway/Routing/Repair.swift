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
        guard let shard = shards.first else { return ask(Array(Set(users))[...]) }
        shard.onLoop { shard in
            let more = Array(shard.users.keys)
            self.gather(shards.dropFirst(), users + more)
        }
    }

    private func ask(_ users: ArraySlice<UserID>) {
        guard !users.isEmpty else { return finish(failed: false) }
        let part = Array(users.prefix(Self.usersPerQuestion))
        node.timelines.heads(part) { result in
            guard case .success(let heads) = result else { return self.finish(failed: true) }
            self.node.hub.deliver(
                zip(part, heads).map { user, head in
                    .head(
                        user: user, epoch: Fingerprint.of(head.epoch.utf8), seq: head.seq,
                        id: Fingerprint.of(head.last.utf8))
                })
            self.ask(users.dropFirst(Self.usersPerQuestion))
        }
    }

    private func finish(failed: Bool) {
        let again = state.withLock { state in
            defer { state = .idle }
            return state == .again
        }
        guard failed else {
            if again { run(because: "asked again meanwhile") }
            return
        }
        node.logger.warning("the heads could not be checked: the store is away; again in a second")
        node.hub.shards.first?.loop.scheduleTask(in: .seconds(1)) { self.run(because: "the store was away") }
    }
}
