import Core
import Dispatch
import Foundation
import Synchronization

/// Runs a call that waits for the network on a thread of its own, so that no thread of Swift's pool is held.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        Thread.detachNewThread { continuation.resume(returning: body()) }
    }
}

/// Makes links, under a watchdog: the library's connect can wait for ever, in a TLS handshake, in the resolver, or for
/// the answer to CONNECT from a server that fell silent after its first line.
enum Dialler {
    struct Dialled: Sendable {
        var link: NATSLink
        var number: UInt64
    }

    /// What the thread that connects and the watchdog share.
    private final class Attempt: Sendable {
        private enum State {
            case open
            case awaited(CheckedContinuation<Result<NATSLink, NATSBusError>, Never>)
            case done(Result<NATSLink, NATSBusError>)
            case over
        }
        private let state = Mutex(State.open)

        func wait() async -> Result<NATSLink, NATSBusError> {
            await withCheckedContinuation { continuation in
                let early = state.withLock { state -> Result<NATSLink, NATSBusError>? in
                    guard case .done(let result) = state else {
                        state = .awaited(continuation)
                        return nil
                    }
                    state = .over
                    return result
                }
                if let early { continuation.resume(returning: early) }
            }
        }

        /// - Returns: false when nobody waits for the result any more.
        @discardableResult
        func finish(_ result: Result<NATSLink, NATSBusError>) -> Bool {
            let (isWanted, continuation) = state.withLock {
                state -> (Bool, CheckedContinuation<Result<NATSLink, NATSBusError>, Never>?) in
                switch state {
                case .open:
                    state = .done(result)
                    return (true, nil)
                case .awaited(let continuation):
                    state = .over
                    return (true, continuation)
                case .done, .over: return (false, nil)
                }
            }
            continuation?.resume(returning: result)
            return isWanted
        }
    }

    private static let numbers = Atomic<UInt64>(1)
    /// What a connection may take beyond its servers' own time, before it is taken for stuck.
    private static let slackMilliseconds = 2_000

    static func dial(_ bus: NATSBus) async throws(NATSBusError) -> Dialled {
        let number = numbers.add(1, ordering: .relaxed).newValue
        let configuration = bus.configuration
        let discovered = bus.state.withLock { $0.discovered }
        let events = NATSLink.Events(
            lost: { [weak bus] in bus?.linkLost(number) },
            slow: { [weak bus] in bus?.subscriptionWasSlow() },
            error: { [weak bus] in bus?.serverReported($0) })
        let attempt = Attempt()
        Thread.detachNewThread {
            let result = Result { () throws(NATSBusError) in
                try NATSLink.connect(configuration, also: discovered, events: events)
            }
            if !attempt.finish(result), case .success(let link) = result { link.close() }
        }
        let watchdog = Task {
            await watch(attempt, configuration, servers: configuration.servers.count + discovered.count)
        }
        defer { watchdog.cancel() }
        let link = try await attempt.wait().get()
        bus.noteDiscovered(link.discoveredServers())
        return Dialled(link: link, number: number)
    }

    private static func watch(_ attempt: Attempt, _ configuration: NATSConfiguration, servers: Int) async {
        do {
            try await Task.sleep(for: .milliseconds(configuration.connectMilliseconds * servers + slackMilliseconds))
            StuckSockets.shutDown(ports: Set(configuration.servers.map(\.port)))
            try await Task.sleep(for: .milliseconds(500))
        } catch {
            return  // It ended in time.
        }
        attempt.finish(
            .failure(
                NATSBusError(
                    .unreachable, "NATS at \(configuration.redacted) accepted a connection and then fell silent")))
    }
}
