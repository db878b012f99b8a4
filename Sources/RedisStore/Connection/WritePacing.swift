import Core

/// When what waits for the server leaves: at once while the server has answered, and otherwise together with whatever
/// comes until it does (ADR 22).
///
/// A lone command never waits. While the server is busy, commands gather, and it reads, runs and answers them in one round
/// instead of one round each. Pure: it is told the time.
struct WritePacing {
    enum Decision: Hashable {
        case write
        /// Monotonic nanoseconds.
        case hold(until: UInt64)
    }

    /// Something was written, and the server has said nothing since.
    private var isUnheard = false
    private var heldSince: UInt64?

    /// A turn of the loop has ended with something to write.
    mutating func turnEnded(bytes: Int, now: UInt64) -> Decision {
        guard isUnheard, bytes < Limits.redisGatherBytes else { return .write }
        let since = heldSince ?? now
        heldSince = since
        let until = since + UInt64(Limits.redisGatherMicroseconds) * 1000
        return now < until ? .hold(until: until) : .write
    }

    mutating func wrote() { (isUnheard, heldSince) = (true, nil) }

    /// The server said something: it is through with a part of what it had, at least.
    mutating func heard() { isUnheard = false }

    mutating func reset() { self = WritePacing() }
}
