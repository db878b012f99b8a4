import ApusTesting
import Core
import Synchronization

@testable import Gateway

/// A clock that begins at the system's time and moves only when it is told to: on a slow machine nothing is late by it.
final class HandClock: TimeSource {
    private let began = SystemTime().wallMilliseconds()
    private let passedMilliseconds = Atomic<Int64>(0)

    private var passed: Int64 { passedMilliseconds.load(ordering: .relaxed) }

    func wallMilliseconds() -> Int64 { began + passed }
    func monotonicNanoseconds() -> UInt64 { UInt64(1_000_000 + passed) * 1_000_000 }
    func advance(seconds: Int64) { passedMilliseconds.wrappingAdd(seconds * 1000, ordering: .relaxed) }

    /// A token that expires so many seconds after the present moment of this clock.
    func token(_ user: String, ttlSeconds: Int64) async throws -> String {
        try await TestKey.hs256(TestNode.secret).token(
            "{\"sub\":\"\(user)\",\"exp\":\(wallMilliseconds() / 1000 + ttlSeconds)}")
    }
}
