/// What happened between two looks at the workers.
struct RunSample: Codable, Equatable, Sendable {
    /// When it ended, in seconds since the run began.
    var at: Double
    /// How long it is, in seconds; rates are counts divided by it.
    var seconds: Double = 1
    /// What the scenario was doing: `ramp`, `hold`, `publish`, …
    var phase: String = ""
    /// Sessions with a `welcome` now.
    var sessions: Int = 0
    var counts = RunCounts()
    /// Of what arrived in this time.
    var latency: [Timed: LatencySummary] = [:]

    func rate(_ count: KeyPath<RunCounts, Int>) -> Double { seconds > 0 ? Double(counts[keyPath: count]) / seconds : 0 }
}

/// Counts of a sample or of a run.
struct RunCounts: Codable, Equatable, Sendable {
    /// Sessions that got their first `welcome`.
    var connects = 0
    /// Sessions that came back with a `resume`.
    var resumes = 0
    /// What was handed to NATS, HTTP or a socket, or waits for its session.
    var publishes = 0
    /// Events that reached a session and count for the scenario.
    var deliveries = 0
    /// Replies `ok`.
    var replies = 0
    /// Told to come later: 503, 4503, 4512, `rate_limited`, `unavailable`. Not wrong, and tried again.
    var deferred = 0
    /// Connections that ended without being asked to.
    var drops = 0
    /// What should not happen and is not one of the checks: refused tokens, failed connects, refused upgrades.
    var errors = 0
    /// Bytes of frames that came in.
    var bytes = 0

    static func += (left: inout RunCounts, right: RunCounts) {
        left.connects += right.connects
        left.resumes += right.resumes
        left.publishes += right.publishes
        left.deliveries += right.deliveries
        left.replies += right.replies
        left.deferred += right.deferred
        left.drops += right.drops
        left.errors += right.errors
        left.bytes += right.bytes
    }
}
