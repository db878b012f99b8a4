/// When a key set is fetched: a state machine over a clock that never goes back, in milliseconds.
///
/// - In the background before it is too old, at four fifths of the age that its server allows.
/// - After a failure again and again, with growing pauses; the old keys stay in use meanwhile.
/// - For a `kid` that is not in it, at most once in ten seconds: made-up names must not become requests.
struct RefreshSchedule {
    static let unknownKeyPauseMilliseconds: Int64 = 10_000
    static let ageSecondsDefault = 600
    static let ageSecondsRange = 60...3600
    static let failurePauseMillisecondsMin: Int64 = 1000
    static let failurePauseMillisecondsMax: Int64 = 60_000

    /// When the next fetch in the background is due.
    private(set) var dueAt: Int64 = 0
    private var attemptedAt: Int64?
    private var failuresInARow = 0

    /// Whether the last fetch failed, so that a key missing here may well exist.
    var isFailing: Bool { failuresInARow > 0 }

    /// Whether a `kid` that is not in the set may cause a fetch now.
    func allowsFetchForUnknownKey(at now: Int64) -> Bool {
        attemptedAt.map { now - $0 >= Self.unknownKeyPauseMilliseconds } ?? true
    }

    mutating func began(at now: Int64) {
        attemptedAt = now
    }

    /// - Parameter maxAgeSeconds: What the answer's `Cache-Control` allows; nil when it says nothing.
    mutating func succeeded(at now: Int64, maxAgeSeconds: Int?) {
        failuresInARow = 0
        let range = Self.ageSecondsRange
        let age = min(max(maxAgeSeconds ?? Self.ageSecondsDefault, range.lowerBound), range.upperBound)
        dueAt = now + Int64(age) * 1000 * 4 / 5
    }

    /// - Parameter jitter: Random, 0..<1, so that nodes that failed together do not come back together.
    mutating func failed(at now: Int64, jitter: Double) {
        failuresInARow += 1
        let doublings = min(failuresInARow - 1, 6)
        let pause = min(Self.failurePauseMillisecondsMin << doublings, Self.failurePauseMillisecondsMax)
        dueAt = now + pause / 2 + Int64(Double(pause / 2) * jitter)
    }
}
