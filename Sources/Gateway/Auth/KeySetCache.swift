import Core
import Logging
import Metrics
import Synchronization

/// Keeps the keys of a set at hand and fetches them when `RefreshSchedule` says so, never twice at a time.
///
/// Once there are keys there are always keys: a failure leaves the old ones in use.
final class KeySetCache: Sendable {
    private let source: any KeySetSource
    private let time: any TimeSource
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var keys: KeySet?
        var schedule = RefreshSchedule()
        var inFlight: Task<Void, Never>?
        var lastFailure = "it was not read yet"
    }

    init(source: any KeySetSource, time: any TimeSource, logger: Logger) {
        self.source = source
        self.time = time
        self.logger = logger
    }

    private var now: Int64 { Int64(clamping: time.monotonicNanoseconds() / 1_000_000) }

    enum Answer {
        case key(TokenKey)
        case failure(AuthFailure)
        /// Ask again after `refresh`.
        case refreshFirst
    }

    /// The key for a token, from memory.
    /// - Parameter mayRefresh: false for the second question, after the refresh: then there is always an answer.
    func key(for token: CompactToken, mayRefresh: Bool) -> Answer {
        let now = now
        return state.withLock { state in
            switch state.keys?.key(for: token) {
            case .key(let key): return .key(key)
            case .otherAlgorithm: return .failure(AuthFailure(.algorithm, "the token's alg is not the one of its key"))
            case .unknown, nil: break
            }
            if mayRefresh, source.isLive || state.keys == nil {
                if state.inFlight != nil || state.schedule.allowsFetchForUnknownKey(at: now) { return .refreshFirst }
            }
            if state.keys == nil || source.isLive && state.schedule.isFailing {
                return .failure(AuthFailure(.keysUnavailable, "the key set cannot be read: \(state.lastFailure)"))
            }
            let name = token.keyID.map { "kid \($0.prefix(64).debugDescription)" } ?? "no kid"
            return .failure(AuthFailure(.unknownKey, "the token has \(name), which leads to no key of the set"))
        }
    }

    /// Fetches the set, or waits for the fetch that is under way.
    func refresh() async {
        let now = now
        let task = state.withLock { state in
            if let inFlight = state.inFlight { return inFlight }
            state.schedule.began(at: now)
            let task = Task { await self.fetch() }
            state.inFlight = task
            return task
        }
        await task.value
    }

    /// Fetches the set after whatever is under way, so that what was changed before this call is seen.
    func reload() async {
        await state.withLock { $0.inFlight }?.value
        await refresh()
    }

    var isLive: Bool { source.isLive }

    /// Waits until the schedule allows the next attempt, at most until `deadline`.
    /// - Returns: false when the task was cancelled.
    func pauseAfterFailure(until deadline: ContinuousClock.Instant) async -> Bool {
        let due = ContinuousClock.now + .milliseconds(max(0, state.withLock { $0.schedule.dueAt } - now))
        return (try? await Task.sleep(until: min(due, deadline), clock: .continuous)) != nil
    }

    /// Why there are no keys; nil when there are.
    var unavailable: String? { state.withLock { $0.keys == nil ? $0.lastFailure : nil } }

    /// Fetches whenever it is due, until the task is cancelled. Ends at once for a file.
    func run() async {
        while source.isLive, !Task.isCancelled {
            let pause = state.withLock { $0.schedule.dueAt } - now
            if pause > 0 {
                guard (try? await Task.sleep(for: .milliseconds(pause))) != nil else { return }
            } else {
                await refresh()
            }
        }
    }

    /// Gives up the fetch that is under way.
    func cancel() {
        state.withLock { $0.inFlight }?.cancel()
    }

    private func fetch() async {
        let skippedLog = logger
        do {
            let (document, maxAge) = try await source.read()
            let keys = try await KeySet.parse(document) { index, reason in
                skippedLog.debug(
                    "a key of the key set is skipped", metadata: ["index": "\(index)", "reason": "\(reason)"])
            }
            let now = now
            state.withLock { state in
                state.keys = keys
                state.schedule.succeeded(at: now, maxAgeSeconds: maxAge)
                state.inFlight = nil
            }
            Self.count("ok")
            logger.debug("key set read", metadata: ["keys": "\(keys.keys.count)"])
        } catch {
            let now = now
            let jitter = Double.random(in: 0..<1)
            state.withLock { state in
                state.lastFailure = "\(error)"
                state.schedule.failed(at: now, jitter: jitter)
                state.inFlight = nil
            }
            guard !Task.isCancelled else { return }
            Self.count("error")
            logger.warning("the key set could not be read", metadata: ["error": "\(error)"])
        }
    }

    private static func count(_ result: String) {
        Counter(label: "apus_auth_key_set_reads_total", dimensions: [("result", result)]).increment()
    }
}
