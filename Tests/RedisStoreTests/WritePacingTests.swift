import Core
import Testing

@testable import RedisStore

/// When commands leave (ADR 22).
@Suite("The pacing of writes to Redis")
struct WritePacingTests {
    private var pacing = WritePacing()

    private static let most = UInt64(Limits.redisGatherMicroseconds) * 1000

    private mutating func turn(_ bytes: Int = 100, at now: UInt64) -> WritePacing.Decision {
        pacing.turnEnded(bytes: bytes, now: now)
    }

    @Test("A lone command leaves at once, and so does the next one after the answer")
    mutating func alone() {
        let first = turn(at: 0)
        #expect(first == .write)
        pacing.wrote()
        pacing.heard()
        let next = turn(at: 1)
        #expect(next == .write)
    }

    @Test("While the server is silent commands gather, until it says something")
    mutating func gathers() {
        pacing.wrote()
        let held = [turn(at: 10), turn(200, at: 500), turn(300, at: Self.most)]
        #expect(held == Array(repeating: .hold(until: 10 + Self.most), count: 3), "the first one's time counts")
        pacing.heard()
        let after = turn(400, at: Self.most + 1)
        #expect(after == .write)
    }

    @Test("Nothing waits longer than the limit, and the next batch has a time of its own")
    mutating func limit() {
        pacing.wrote()
        let held = turn(at: 5)
        let due = turn(at: 5 + Self.most)
        #expect(held == .hold(until: 5 + Self.most) && due == .write)
        pacing.wrote()
        let next = turn(at: 6 + Self.most)
        #expect(next == .hold(until: 6 + 2 * Self.most))
    }

    @Test("As much as Redis reads at once does not wait")
    mutating func large() {
        pacing.wrote()
        let small = turn(Limits.redisGatherBytes - 1, at: 1)
        let large = turn(Limits.redisGatherBytes, at: 2)
        #expect(small == .hold(until: 1 + Self.most) && large == .write)
    }

    @Test("A new connection owes nothing to the old one")
    mutating func reset() {
        pacing.wrote()
        pacing.reset()
        let first = turn(at: 1)
        #expect(first == .write)
    }
}
