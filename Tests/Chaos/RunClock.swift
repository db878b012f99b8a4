/// The clock of one run, in microseconds.
struct RunClock: Sendable {
    private let start = ContinuousClock.now

    var now: Moment {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }
}
