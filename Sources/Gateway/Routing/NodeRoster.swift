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
        var dead: Set<Incarnation> = []
        /// Nodes that were heard since the renewal under way was asked for: its answer may be older than they are.
        var heard: Set<Incarnation> = []
    }

    /// Longer than a lease: whoever has one must have shown up in a renewal by then.
    private static let patienceRenewals = Limits.leaseSeconds / Limits.leaseRefreshSeconds + 2
    private static let deadMax = 10_000

    let own: Incarnation
    private let state: Mutex<State>

    init(own: Incarnation) {
        self.own = own
        state = Mutex(State(alive: [own]))
    }

    var alive: Set<Incarnation> { state.withLock { $0.alive } }
    var nodes: [NodeRecord] { state.withLock { $0.nodes } }

    /// How the holder of a session stands; one that is not known is watched from now on.
    func standing(of holder: Incarnation) -> Standing {
        state.withLock { state in
            if state.alive.contains(holder) { return .alive }
            if state.dead.contains(holder) { return .dead }
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
            state.alive = Set(nodes.map(\.incarnation)).union(state.heard).union([own])
            let gone = before.subtracting(state.alive)
            state.dead.formUnion(gone)
            for (holder, left) in state.unknown {
                state.unknown[holder] = left > 0 && !state.alive.contains(holder) ? left - 1 : nil
                if left == 0, !state.alive.contains(holder) { state.dead.insert(holder) }
            }
            state.dead.subtract(state.alive)
            if state.dead.count > Self.deadMax { state.dead = gone }
            return gone
        }
    }

    /// A message from this node arrived: it is alive, whatever the last renewal said.
    func heard(_ incarnation: Incarnation) {
        state.withLock { state in
            state.alive.insert(incarnation)
            state.heard.insert(incarnation)
            state.dead.remove(incarnation)
            state.unknown[incarnation] = nil
        }
    }
}
