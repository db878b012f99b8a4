import Logging
import Metrics
import Synchronization

/// What the connections tell about themselves.
final class RedisMetrics: Sendable {
    private let roundTrip: Metrics.Timer
    private let outages: Metrics.Counter
    private let timeouts: Metrics.Counter
    private let inFlight: Metrics.Gauge
    private let redirections: [Redirection.Kind: Metrics.Counter]
    private let total = Atomic<Int>(0)
    private let late = Atomic<Int>(0)
    private let refusing: Metrics.Gauge
    private let unconfirmed: Metrics.Counter
    private let refusingTotal = Atomic<Int>(0)
    private let logger: Logger

    init(_ factory: any MetricsFactory, _ logger: Logger) {
        self.logger = logger
        refusing = Metrics.Gauge(label: "apus_redis_unreplicated", factory: factory)
        unconfirmed = Metrics.Counter(label: "apus_redis_unconfirmed_total", factory: factory)
        roundTrip = Metrics.Timer(label: "apus_redis_round_trip_seconds", factory: factory)
        outages = Metrics.Counter(label: "apus_redis_outages_total", factory: factory)
        timeouts = Metrics.Counter(label: "apus_redis_timeouts_total", factory: factory)
        inFlight = Metrics.Gauge(label: "apus_redis_in_flight", factory: factory)
        redirections = Dictionary(
            uniqueKeysWithValues: Redirection.Kind.allCases.map { kind in
                let label = "apus_redis_redirections_total"
                return (kind, Metrics.Counter(label: label, dimensions: [("kind", kind.rawValue)], factory: factory))
            })
    }

    /// The time from a call to its answer, errors of the server included.
    func answered(afterNanoseconds time: UInt64) { roundTrip.recordNanoseconds(Int64(clamping: time)) }

    /// The node is without Redis.
    func lost() { outages.increment() }

    /// A command was not answered in time.
    func timedOut() { timeouts.increment() }

    /// A server of a Cluster said that a command must go elsewhere, or come again.
    func redirected(_ kind: Redirection.Kind) { redirections[kind]?.increment() }

    /// Strict durability: writes were made, and no replica said in time that it has them.
    func unconfirmed(_ count: Int) { unconfirmed.increment(by: count) }

    /// Strict durability: a connection refuses writes because no replica answers, or takes them again.
    func refuses(_ isRefusing: Bool) {
        let now = refusingTotal.add(isRefusing ? 1 : -1, ordering: .relaxed).newValue
        refusing.record(now)
        if isRefusing, now == 1 {
            logger.error("no replica of Redis answers: writes are refused until one does (durability is strict)")
        } else if !isRefusing, now == 0 {
            logger.notice("a replica of Redis answers again: writes are taken")
        }
    }

    /// Commands of all connections that nobody waits for any more and that the server may still do.
    var lateCalls: Int { late.load(ordering: .relaxed) }

    func addLate(_ change: Int) { if change != 0 { late.add(change, ordering: .relaxed) } }

    /// Commands waiting for answers, all connections together.
    func addInFlight(_ change: Int) {
        guard change != 0 else { return }
        inFlight.record(total.add(change, ordering: .relaxed).newValue)
    }
}
