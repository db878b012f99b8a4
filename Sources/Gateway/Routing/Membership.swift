import Core
import Presence
import Synchronization

/// Which nodes are alive, as of the last renewal of this node's lease.
///
/// When the store is away, what was known last stays in force: nodes that are alive go on delivering to each other.
final class Membership: Sendable {
    private struct State {
        var nodes: [NodeRecord] = []
        var alive: Set<Incarnation> = []
    }

    let own: Incarnation
    private let state: Mutex<State>

    init(own: Incarnation) {
        self.own = own
        state = Mutex(State(nodes: [], alive: [own]))
    }

    var alive: [Incarnation] { state.withLock { Array($0.alive) } }
    var aliveSet: Set<Incarnation> { state.withLock { $0.alive } }
    var nodes: [NodeRecord] { state.withLock { $0.nodes } }
    var others: [Incarnation] { state.withLock { $0.alive.filter { $0 != own } } }

    func isAlive(_ incarnation: Incarnation) -> Bool { state.withLock { $0.alive.contains(incarnation) } }

    /// Takes over what a renewal found. - Returns: the nodes that are gone since the last one.
    func update(_ nodes: [NodeRecord]) -> Set<Incarnation> {
        state.withLock { state in
            let before = state.alive
            state.nodes = nodes
            state.alive = Set(nodes.map(\.incarnation)).union([own])
            return before.subtracting(state.alive)
        }
    }

    /// A node that was heard of before the next renewal told of it.
    func heard(_ incarnation: Incarnation) {
        _ = state.withLock { $0.alive.insert(incarnation) }
    }
}
