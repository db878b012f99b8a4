import Core
import Synchronization

/// How fast new sessions are let in, so that a storm of reconnecting clients does not starve those that are here (G13).
///
/// A token bucket in the form of the generic cell rate algorithm (ITU-T I.371): one number, the time at which the next
/// session is due. One that comes early waits for its turn, as long as that is bearable; one that would wait longer is
/// told when to come back, before anything was spent on it. Sessions of all loops share one bucket.
final class Admission: Sendable {
    enum Decision: Hashable {
        case enter
        /// Its turn comes after that time; it is counted already.
        case wait(milliseconds: Int)
        /// Too many wait: it is to come back after that time.
        case refuse(retrySeconds: Int)
    }

    private let intervalNanoseconds: UInt64
    /// When the next one is due, in monotonic nanoseconds.
    private let nextDue = Atomic<UInt64>(0)

    /// - Parameter perSecond: Sessions per second of the whole node; 0 means no limit.
    init(perSecond: Int) { intervalNanoseconds = perSecond > 0 ? max(1, 1_000_000_000 / UInt64(perSecond)) : 0 }

    /// Judges one that comes now. - Parameter jitterSeconds: Spreads those that are refused; from 0 to 3.
    func decide(nowNanoseconds now: UInt64, jitterSeconds: Int = .random(in: 0...3)) -> Decision {
        guard intervalNanoseconds > 0 else { return .enter }
        var due = nextDue.load(ordering: .relaxed)
        while true {
            let start = max(due, now)
            // What came at once within a moment is no storm.
            let wait = start - now > Self.burstNanoseconds ? start - now - Self.burstNanoseconds : 0
            guard wait <= UInt64(Limits.admissionWaitMilliseconds) * 1_000_000 else {
                return .refuse(retrySeconds: 1 + Int(wait / 1_000_000_000) + jitterSeconds)
            }
            let (exchanged, original) = nextDue.compareExchange(
                expected: due, desired: start + intervalNanoseconds, ordering: .relaxed)
            if exchanged { return wait == 0 ? .enter : .wait(milliseconds: Int(wait / 1_000_000) + 1) }
            due = original
        }
    }

    private static let burstNanoseconds = UInt64(Limits.admissionBurstMilliseconds) * 1_000_000
}
