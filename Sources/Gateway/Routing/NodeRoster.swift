import Core
import Presence
import Synchronization

/// Which nodes are alive, as of the last renewal of this node's lease.
///
/// Three answers, not two: a holder that this node has not heard of may be a node that has just started. Only one that
/// was alive and is no longer, or that stays unknown over several renewals, is dead. When the store is away, what was
/// known last stays in force: nodes that are alive go on delivering to each other.
final class NodeRoster: Sendable {
    enum Standing: Hashable { case alive, unknown, dead }

    private struct State {
        var nodes: [NodeRecord] = []
        var alive: Set<Incarnation> = []
        /// Holders that no renewal knew, with the renewals that may still pass before they count as dead.
        var unknown: [Incarnation: Int] = [:]
        /// Those that are gone, and when they gave their last sign (ms since 1970).
        var dead: [Incarnation: Int64] = [:]
        /// The nodes that the newest renewal knew.
        var leased: Set<Incarnation> = []
        /// When that one came.
        var renewedAtNanoseconds: UInt64 = 0
        /// When nodes last said on the bus that they have a lease.
        var vouched: [Incarnation: (nanoseconds: UInt64, wallMilliseconds: Int64)] = [:]
        /// Until then the store may have lost leases, and the nodes have not renewed them yet.
        var doubtUntilNanoseconds: UInt64 = 0
        /// Nodes that were heard since the renewal under way was asked for: its answer may be older than they are.
        var heard: Set<Incarnation> = []
    }

    /// Longer than a lease: whoever has one must have shown up in a renewal by then.
    private static let patienceRenewals = Limits.leaseSeconds / Limits.leaseRefreshSeconds + 2
    private static let deadMax = 10_000

    let own: Incarnation
    private let time: any TimeSource
    private let state: Mutex<State>

    init(own: Incarnation, time: any TimeSource = SystemTime()) {
        self.own = own
        self.time = time
        state = Mutex(State(alive: [own]))
    }

    var alive: Set<Incarnation> { state.withLock { $0.alive } }
    var nodes: [NodeRecord] { state.withLock { $0.nodes } }

    /// How the holder of a session stands; one that is not known is watched from now on.
    func standing(of holder: Incarnation) -> Standing {
        state.withLock { state in
            if state.alive.contains(holder) { return .alive }
            if state.dead[holder] != nil { return .dead }
            if state.unknown[holder] == nil { state.unknown[holder] = Self.patienceRenewals }
            return .unknown
        }
    }

    /// A renewal is about to be asked for.
    func renewalBegins() { state.withLock { $0.heard = [] } }

    /// Takes over what a renewal found. - Returns: the nodes that are gone since the last one.
    func update(_ nodes: [NodeRecord]) -> Set<Incarnation> {
        state.withLock { state in
            let before = state.alive
            state.nodes = nodes
            state.leased = Set(nodes.map(\.incarnation))
            state.renewedAtNanoseconds = time.monotonicNanoseconds()
            state.alive = Set(nodes.map(\.incarnation)).union(state.heard).union([own])
            let gone = before.subtracting(state.alive)
            let now = time.wallMilliseconds()
            for holder in gone { state.dead[holder] = state.vouched[holder]?.wallMilliseconds ?? now }
            for (holder, left) in state.unknown {
                state.unknown[holder] = left > 0 && !state.alive.contains(holder) ? left - 1 : nil
                if left == 0, !state.alive.contains(holder) { state.dead[holder] = now }
            }
            for holder in state.alive { state.dead[holder] = nil }
            if state.dead.count > Self.deadMax { state.dead = state.dead.filter { gone.contains($0.key) } }
            if state.vouched.count > Self.deadMax { state.vouched = [:] }
            return gone
        }
    }

    /// A message from this node arrived: it is alive, whatever the last renewal said.
    ///
    /// - Parameter isVouching: It says that it has a lease.
    func heard(_ incarnation: Incarnation, isVouching: Bool = false) {
        let (now, wall) = (time.monotonicNanoseconds(), time.wallMilliseconds())
        state.withLock { state in
            state.alive.insert(incarnation)
            state.heard.insert(incarnation)
            state.dead[incarnation] = nil
            state.unknown[incarnation] = nil
            if isVouching { state.vouched[incarnation] = (now, wall) }
        }
    }

    // MARK: Presence

    /// How the holder of a session stands as far as presence is concerned (ADR 16): by its lease alone. The bus only delays
    /// the verdict, for a lease that the store lost or that is younger than the newest renewal.
    func presence(of holder: Incarnation) -> HolderStanding {
        if Defect.planted == .deadOnline { return .alive }
        let now = time.monotonicNanoseconds()
        return state.withLock { state in
            if holder == own || state.leased.contains(holder) { return .alive }
            if let vouch = state.vouched[holder]?.nanoseconds {
                // Dead is who was silent for so long and is in no renewal that came after it: one that came before may be
                // older than the lease that the node has again, when all of them were without the store for a while.
                let lapsed = vouch + UInt64(Limits.presenceVouchMilliseconds) * 1_000_000
                if now < lapsed || state.renewedAtNanoseconds < lapsed { return .doubtful }
            }
            if now < state.doubtUntilNanoseconds { return .doubtful }
            if let at = state.dead[holder] { return .dead(atMilliseconds: at) }
            if let at = state.vouched[holder]?.wallMilliseconds { return .dead(atMilliseconds: at) }
            guard let left = state.unknown[holder] else {
                state.unknown[holder] = Self.patienceRenewals
                return .doubtful
            }
            // Two renewals: the second one was asked for after the session was found, and a node has a lease before it has
            // sessions.
            return left > Self.patienceRenewals - 2 ? .doubtful : .dead(atMilliseconds: nil)
        }
    }

    /// When a dead node gave its last sign; nil when that is not known.
    func lastSign(of holder: Incarnation) -> Int64? { state.withLock { $0.dead[holder] } }

    /// The store was away: nodes whose lease it does not know have a moment to renew it.
    func doubt() {
        let until = time.monotonicNanoseconds() + UInt64(Limits.leaseRefreshSeconds + 1) * 1_000_000_000
        state.withLock { $0.doubtUntilNanoseconds = until }
    }
}
