/// How long to wait before the next attempt to connect: exponential with full jitter, so that the nodes of a fleet do
/// not come back all at once.
struct RedisBackoff {
    let bounds: ClosedRange<Int>
    private var attempts = 0

    init(bounds: ClosedRange<Int>) { self.bounds = bounds }

    /// The most that the next pause may be, in milliseconds.
    var ceiling: Int { min(bounds.upperBound, bounds.lowerBound << min(attempts, 16)) }

    mutating func next(using generator: inout some RandomNumberGenerator) -> Int {
        defer { attempts += 1 }
        return Int.random(in: 0...ceiling, using: &generator)
    }

    mutating func reset() { attempts = 0 }
}
