import Core
import Presence
import Synchronization

/// Renews this node's lease, learns who is alive, and begins repairs when that tells of a loss (DESIGN §4).
///
/// One renewal every `Limits.leaseRefreshSeconds`; also the beat for everything that is done "every few seconds":
/// heartbeats to other nodes, removals to repeat, users of unknown outcome, expired notifications.
final class LeaseKeeper: Sendable {
    private let node: NodeContext
    private let repair: Repair
    private let inbound: Mutex<InboundLinks>
    private let isFirst = Mutex(true)
    private let wasAway = Mutex(false)

    init(node: NodeContext, repair: Repair) {
        self.node = node
        self.repair = repair
        inbound = Mutex(InboundLinks())
    }

    /// One beat. Returns when the renewal is answered.
    func beat() async {
        await renew()
        node.router.heartbeat()
        node.router.settle(node.timelines)
        node.metrics.sessions.record(node.sessionCount.current)
        node.metrics.pendingRemovals.record(node.directory.pendingRemovals)
        node.metrics.nodesAlive.record(node.membership.alive.count)
    }

    private func renew() async {
        let record = NodeRecord(
            incarnation: node.incarnation, sinceMilliseconds: node.startedAtMilliseconds,
            sessions: node.sessionCount.current, draining: node.readiness.isDraining, version: Version.text,
            roles: node.configuration.roles.map(\.rawValue).sorted())
        let renewal: LeaseRenewal
        node.membership.renewalBegins()
        do {
            renewal = try await answer { node.presence.renewLease(record, seconds: Limits.leaseSeconds, $0) }
        } catch {
            let first = wasAway.withLock { away in
                defer { away = true }
                return !away
            }
            if first { node.logger.warning("the lease could not be renewed", metadata: ["error": "\(error)"]) }
            return
        }
        let away = wasAway.withLock { away in
            defer { away = false }
            return away
        }
        let gone = node.membership.update(renewal.alive)
        inbound.withLock { $0.forget(gone) }
        node.router.forget(gone)
        let isFirst = isFirst.withLock { first in
            defer { first = false }
            return first
        }
        let lost = renewal.wasLost && !isFirst
        node.directory.repair(everything: lost)
        if lost {
            node.logger.warning("the lease was lost: all sessions are registered anew")
            repair.run(because: "the lease was lost")
        } else if away {
            repair.run(because: "the store was away")
        } else if !gone.isEmpty {
            // Its last hints may never have left it.
            for incarnation in gone { node.logger.info("a node is gone", metadata: ["incarnation": "\(incarnation)"]) }
            repair.run(because: "a node is gone")
        }
    }

    /// A message from another node arrived.
    func received(_ payload: [UInt8], isNumbered: Bool) {
        guard let message = NodeMessage(payload) else {
            node.logger.warning("a message between nodes cannot be read: do all nodes run the same version?")
            return repair.run(because: "an unreadable message")
        }
        guard message.sender != node.incarnation else { return }
        node.membership.heard(message.sender)
        if isNumbered {
            switch inbound.withLock({ $0.judge(message) }) {
            case .next: break
            case .repeated where message.isHeartbeat: break
            case .repeated: return
            case .hole:
                node.metrics.holes.increment()
                repair.run(because: "hints from \(message.sender) are missing")
            }
        }
        node.hub.deliver(message.deliveries)
    }
}
