import Glibc

/// The clock that every process of this machine reads the same: nanoseconds of `CLOCK_MONOTONIC`. Intended send times
/// in payloads are of this clock, so a latency may be taken in another process than the one that sent.
enum Clock {
    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    static let second: UInt64 = 1_000_000_000
    static let millisecond: UInt64 = 1_000_000
}
