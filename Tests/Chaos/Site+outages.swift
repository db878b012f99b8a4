import ApusTesting
import Foundation
import Synchronization

/// Nodes that are hurt by a fault, and when: what they and their sessions cannot know meanwhile is nobody's fault.
extension Site {
    /// `kill -9`.
    func kill(_ node: ApusProcess) {
        outages.begin(node.server.name, clock.now)
        node.server.killNow()
    }

    /// Starts a node that was killed; returns when it is ready.
    func restart(_ node: ApusProcess) async throws {
        try await node.start()
        outages.end(node.server.name, clock.now)
    }

    /// Lets a node stand still.
    func freeze(_ node: ApusProcess) {
        outages.begin(node.server.name, clock.now)
        node.server.signal(SIGSTOP)
    }

    func thaw(_ node: ApusProcess) {
        node.server.signal(SIGCONT)
        outages.end(node.server.name, clock.now)
    }
}

/// The outages of a run.
final class Outages: Sendable {
    private let state = Mutex<[NodeOutage]>([])

    var all: [NodeOutage] { state.withLock { $0 } }

    func begin(_ node: String, _ now: Moment) { state.withLock { $0.append(NodeOutage(node: node, from: now)) } }

    func end(_ node: String, _ now: Moment) {
        state.withLock { outages in
            guard let index = outages.lastIndex(where: { $0.node == node }) else { return }
            outages[index].until = now
        }
    }
}
