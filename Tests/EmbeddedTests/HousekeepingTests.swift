import ApusTesting
import Core
import GRDB
import Notifications
import Presence
import Synchronization
import Testing
import Timelines

@testable import Embedded

/// A clock that tests move.
private final class HandClock: TimeSource {
    private let milliseconds = Mutex<Int64>(Sample.now)

    func move(byMilliseconds step: Int64) { milliseconds.withLock { $0 += step } }
    func wallMilliseconds() -> Int64 { milliseconds.withLock { $0 } }
    func monotonicNanoseconds() -> UInt64 { UInt64(wallMilliseconds()) * 1_000_000 }
}

@Suite("The embedded store keeps only what it must")
struct HousekeepingTests {
    private func rows(_ store: EmbeddedStore, _ table: String) async throws -> Int {
        try await answer { done in
            store.group.submit(done) { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table)") ?? 0 }
        }
    }

    @Test("Ids past the dedup horizon are forgotten, a few with each append")
    func dedup() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let user = try Sample.user()
        for _ in 0..<40 { try await store.append(to: user) }
        #expect(try await rows(store, "dedup") == 40)
        let later = Sample.now + StoreLimits.standard.dedupMilliseconds
        for _ in 0..<6 { try await store.append(to: user, at: later) }
        #expect(try await rows(store, "dedup") == 6)
        await store.close()
    }

    @Test("Events past their time leave with later appends, and their positions are trimmed")
    func oldEvents() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let user = try Sample.user()
        for _ in 0..<10 { try await store.append(to: user) }
        let later = Sample.now + StoreLimits.standard.timelineMilliseconds + 1
        for _ in 0..<5 { try await store.append(to: user, at: later) }
        #expect(try await rows(store, "events") == 5)
        let head = try await store.open(user).head
        #expect(
            try await store.open(user, at: Core.Cursor(epoch: head.epoch, seq: 9, last: nil)).verdict
                == .resync(.trimmed))
        #expect(try await store.open(user, at: Core.Cursor(epoch: head.epoch, seq: 10, last: nil)).verdict == .resumed)
        await store.close()
    }

    @Test("One run retracts a bounded number of items of one user, and the next run goes on")
    func retractions() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let user = try Sample.user()
        for _ in 0..<250 { try await store.append(Sample.notification(ttlMilliseconds: 10), to: user) }
        var sizes: [Int] = []
        for _ in 0..<3 {
            let outcomes = try await answer { store.expire(limit: 10, nowMilliseconds: Sample.now + 10, $0) }
            sizes.append(outcomes.flatMap(\.entries).count)
        }
        #expect(sizes == [200, 50, 0])
        #expect(try await rows(store, "items") == 0)
        await store.close()
    }

    @Test("The totals at opening leave out what is over by the store's clock")
    func openingTotals() async throws {
        let clock = HandClock()
        let temporary = try TemporaryStore(time: clock)
        let user = try Sample.user()
        try await temporary.store.append(Sample.notification(ttlMilliseconds: 1000), to: user)
        #expect(try await temporary.store.open(user).unread.notifications == 1)
        clock.move(byMilliseconds: 1000)
        #expect(try await temporary.store.open(user).unread.notifications == 0)
        await temporary.store.close()
    }

    @Test("Leases run out by the store's clock, to the millisecond")
    func leases() throws {
        let clock = HandClock()
        let directory = SessionDirectory(time: clock)
        let a = try node("a")
        let b = try node("b")
        _ = directory.renewLease(a, seconds: 10)
        clock.move(byMilliseconds: 9_999)
        #expect(Set(directory.renewLease(b, seconds: 10).alive) == [a, b])
        clock.move(byMilliseconds: 1)
        #expect(directory.renewLease(b, seconds: 10).alive == [b])
        #expect(directory.renewLease(a, seconds: 10).wasLost)
    }

    @Test("Last seen is remembered for a bounded number of users, the latest ones")
    func lastSeen() throws {
        let directory = SessionDirectory(time: HandClock(), lastSeenMax: 10)
        let holder = try node("a").incarnation
        let users = try (0..<11).map { _ in try Sample.user() }
        for (index, user) in users.enumerated() {
            let record = SessionRecord(session: .new(), holder: holder, device: nil, sinceMilliseconds: 0)
            _ = directory.register(record, of: user, limit: 0)
            directory.remove([record.session], of: user, nowMilliseconds: Int64(index))
        }
        #expect(
            directory.lookup(users).map(\.lastSeenMilliseconds) == Array(repeating: nil, count: 6) + [6, 7, 8, 9, 10])
    }

    private func node(_ name: String) throws -> NodeRecord {
        NodeRecord(
            incarnation: try #require(Incarnation(newOf: name)), sinceMilliseconds: 0, sessions: 0, draining: false,
            version: "1", roles: [])
    }
}
