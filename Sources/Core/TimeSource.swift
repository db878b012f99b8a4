#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where the time comes from; tests bring a virtual one.
public protocol TimeSource: Sendable {
    /// Milliseconds since 1970, as they stand in `ts`.
    func wallMilliseconds() -> Int64
    /// Nanoseconds of a clock that never goes back; for deadlines and durations.
    func monotonicNanoseconds() -> UInt64
}

/// The system's clocks.
public struct SystemTime: TimeSource {
    public init() {}

    public func wallMilliseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }

    public func monotonicNanoseconds() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }
}
