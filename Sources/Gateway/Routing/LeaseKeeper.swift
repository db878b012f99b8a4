import Core
import Presence
import Synchronization

/// Renews this node's lease, learns who is alive, and begins repairs when that tells of a loss (DESIGN §4).
///
/// One renewal every `Limits.leaseRefreshSeconds`; also the beat for everything that is done "every few seconds":
/// heartbeats to other nodes, removals to repeat, users of unknown outcome, expired notifications.
final class LeaseKeeper: Sendable {
    private struct State {
        var isFirst = true
        /// The store was away since the last renewal that worked.
        var wasAway = false
        var isBeating = false
        /// A beat was asked for during a beat.
        var isAskedAgain = false
        /// When the newest renewal that worked was asked for, in nanoseconds of the monotonic clock.
        var renewedAt: UInt64?
    }

    /// How long all nodes have to renew their leases and to register anew, after a store that was away.
    private static let returnMilliseconds = Int64(Limits.leaseRefreshSeconds + 1) * 1000

    private let node: NodeContext
    private let repair: Repair
    private let inbound: Mutex<InboundLinks>
    private let state = Mutex(State())

    init(node: NodeContext, repair: Repair) {
        self.node = node
        self.repair = repair
        inbound = Mutex(InboundLinks())
    }

    /// One beat. Returns when the renewal is answered; while another beat is under way, at once, and one more follows it.
    func beat() async {
        let begins = state.withLock { state in
            guard state.isBeating else {
                state.isBeating = true
                return true
            }
            state.isAskedAgain = true
            return false
        }
        guard begins else { return }
        repeat { await beatOnce() } while isAskedAgain()
    }

    private func isAskedAgain() -> Bool {
        state.withLock { state in
            defer { state.isAskedAgain = false }
            state.isBeating = state.isAskedAgain
            return state.isAskedAgain
        }
    }

    /// The store is back after an outage. Beats at once, and that renewal begins the repair: alone it can tell whether
    /// the lease was lost as well, so the heads are compared once and after the sessions are registered anew.
    func storeReturned() {
        state.withLock { $0.wasAway = true }
        Task { await beat() }
    }

    private func beatOnce() async {
        await renew()
        node.router.heartbeat(hasLease: hasLease)
        node.presenceCenter.beat()
        node.router.settle(node.timelines, node.time)
        node.metrics.sessions.record(node.sessionCount.current)
        node.metrics.pendingRemovals.record(node.directory.pendingRemovals)
        node.metrics.nodesAlive.record(node.roster.alive.count)
    }

    /// As far as this node knows.
    private var hasLease: Bool {
        let now = node.time.monotonicNanoseconds()
        return state.withLock { $0.renewedAt.map { now - $0 < UInt64(Limits.leaseSeconds) * 1_000_000_000 } ?? false }
    }

    private func renew() async {
        let askedAt = node.time.monotonicNanoseconds()
        let record = NodeRecord(
            incarnation: node.incarnation, sinceMilliseconds: node.startedAtMilliseconds,
            sessions: node.sessionCount.current, draining: node.readiness.isDraining, version: Version.text,
            roles: node.configuration.roles.map(\.rawValue).sorted())
        let renewal: LeaseRenewal
        node.roster.renewalBegins()
        do {
            renewal = try await answer { node.presence.renewLease(record, seconds: Limits.leaseSeconds, $0) }
        } catch {
            let isNew = state.withLock { state in
                defer { state.wasAway = true }
                return !state.wasAway
            }
            if isNew { node.logger.warning("the lease could not be renewed", metadata: ["error": "\(error)"]) }
            return
        }
        let (isFirst, wasAway) = state.withLock { state in
            defer { (state.isFirst, state.wasAway) = (false, false) }
            state.renewedAt = askedAt
            return (state.isFirst, state.wasAway)
        }
        let draining = Set(node.roster.nodes.filter(\.draining).map(\.incarnation))
        let gone = node.roster.update(renewal.alive)
        inbound.withLock { $0.forget(gone) }
        node.router.forget(gone)
        let lost = renewal.wasLost && !isFirst
        if lost || wasAway { node.roster.doubt() }
        node.directory.repair(lost ? .everything : wasAway ? .recent : .nothing)
        if lost {
            node.presenceCenter.recheckAll(because: "the lease was lost", afterMilliseconds: Self.returnMilliseconds)
            node.logger.warning("the lease was lost: all sessions are registered anew")
            repair.run(because: "the lease was lost")
        } else if wasAway {
            node.presenceCenter.recheckAll(because: "the store is back", afterMilliseconds: Self.returnMilliseconds)
            repair.run(because: "the store is back")
        } else if !gone.isEmpty {
            // Its last hints may never have left it.
            node.presenceCenter.gone(gone, leftBehind: !gone.isSubset(of: draining))
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
        node.roster.heard(message.sender, isVouching: !isNumbered && message.isHeartbeat)
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
