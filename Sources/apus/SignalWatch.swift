import Foundation
import Synchronization
import UnixSignals

/// What signals mean: SIGHUP reads files anew; the first SIGTERM or SIGINT drains; another one, or one before the node is
/// up, ends the process at once.
final class SignalWatch: Sendable {
    private enum Phase { case starting, running, draining }

    private let phase = Mutex(Phase.starting)
    private let stop = AsyncStream<Void>.makeStream()

    init(reload: @escaping @Sendable () async -> Void) async {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        Task { [self] in
            for await signal in signals {
                if signal == .sighup { await reload() } else { terminate() }
            }
        }
    }

    /// The node is up: from now on a signal drains.
    func started() { phase.withLock { $0 = .running } }

    /// Returns when the node is to drain.
    func stopped() async {
        for await _ in stop.stream { return }
    }

    private func terminate() {
        let before = phase.withLock { phase in
            defer { if phase == .running { phase = .draining } }
            return phase
        }
        switch before {
        case .starting: Foundation.exit(0)
        case .running: stop.continuation.yield()
        case .draining: Foundation.exit(1)
        }
    }
}
