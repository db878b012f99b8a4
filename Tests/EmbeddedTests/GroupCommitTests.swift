import ApusTesting
import Core
import Foundation
import GRDB
import Notifications
import Synchronization
import Testing
import Timelines

@testable import Embedded

@Suite("Group commit")
struct GroupCommitTests {
    /// Keeps the writer busy until `open` is called, so that operations gather behind it.
    private final class Gate: Sendable {
        private let semaphore = DispatchSemaphore(value: 0)

        init(_ store: EmbeddedStore) async throws {
            let entered = Atomic(false)
            let done: Completion<Void> = { _ in }
            store.group.submit(done) { [semaphore] _ in
                entered.store(true, ordering: .releasing)
                semaphore.wait()
            }
            try await eventually("the writer is busy") { entered.load(ordering: .acquiring) }
        }

        func open() { semaphore.signal() }
    }

    private struct Refusal: Error {}

    @Test("Appends that gather while the disk is busy share one transaction")
    func sharing() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let user = try Sample.user()
        let gate = try await Gate(store)
        let before = store.group.commits.load(ordering: .relaxed)
        let answered = Atomic(0)
        for _ in 0..<300 {
            store.append(Sample.notification(), to: user, nowMilliseconds: Sample.now) { result in
                if case .success = result { answered.add(1, ordering: .relaxed) }
            }
        }
        gate.open()
        #expect(try await store.open(user).head.seq == 300)
        #expect(answered.load(ordering: .relaxed) == 300, "answers come in order")
        #expect(store.group.commits.load(ordering: .relaxed) - before <= 3)
        await store.close()
    }

    @Test("An operation that fails does not hurt the others of its group")
    func poison() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let user = try Sample.user()
        let gate = try await Gate(store)
        let results = Mutex<[Result<Int64, StoreError>]>([])
        for number in 0..<10 {
            store.append(Sample.notification(), to: user, nowMilliseconds: Sample.now) { result in
                results.withLock { $0.append(result.map(\.seq)) }
            }
            guard number == 4 else { continue }
            let done: Completion<Int64> = { result in results.withLock { $0.append(result) } }
            store.group.submit(done) { db in
                try db.execute(sql: "DELETE FROM events")
                throw Refusal()
            }
        }
        gate.open()
        let opening = try await store.open(user)
        #expect(opening.head.seq == 10)
        let all = results.withLock { $0 }
        #expect(all.compactMap { try? $0.get() } == Array(1...10))
        #expect(throws: StoreError.self) { try all[5].get() }
        let page = try await answer { store.read(user, after: 0, last: nil, epoch: nil, limit: 100, $0) }
        #expect(page.entries.map(\.seq) == Array(1...10))
        await store.close()
    }

    @Test("Beyond the bound operations fail at once, as not stored, and go on once there is room")
    func bound() async throws {
        let temporary = try TemporaryStore(waitingMax: 5)
        let store = temporary.store
        let user = try Sample.user()
        let gate = try await Gate(store)
        let results = Mutex<[Result<AppendOutcome, StoreError>]>([])
        for _ in 0..<8 {
            store.append(Sample.notification(), to: user, nowMilliseconds: Sample.now) { result in
                results.withLock { $0.append(result) }
            }
        }
        let refused = results.withLock { $0 }
        #expect(refused.count == 3, "at once, while the writer is still busy")
        for result in refused {
            guard case .failure(let error) = result else { throw TestFailure("stored beyond the bound") }
            #expect(error.outcome == .notStored)
        }
        gate.open()
        try await eventually("the others are answered") { results.withLock { $0.count } == 8 }
        #expect(try await store.append(to: user).seq == 6)
        await store.close()
    }

    @Test("A completion may call the store again")
    func reentrance() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let user = try Sample.user()
        let seq = try await answer { done in
            store.append(Sample.notification(), to: user, nowMilliseconds: Sample.now) { _ in
                store.append(Sample.notification(), to: user, nowMilliseconds: Sample.now) { done($0.map(\.seq)) }
            }
        }
        #expect(seq == 2)
        await store.close()
    }

    @Test("What was called before close is answered, and later calls fail as not stored")
    func closing() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let user = try Sample.user()
        let stored = Atomic(0)
        for _ in 0..<700 {
            store.append(Sample.notification(), to: user, nowMilliseconds: Sample.now) { result in
                if case .success = result { stored.add(1, ordering: .relaxed) }
            }
        }
        await store.close()
        #expect(stored.load(ordering: .relaxed) == 700)
        let error = try await #require(throws: StoreError.self) { try await store.append(to: user) }
        #expect(error.outcome == .notStored)
        await store.close()
    }

    @Test("Only an I/O error in the commit itself leaves open what was stored")
    func outcomes() {
        let full = DatabaseError(resultCode: .SQLITE_FULL)
        let broken = DatabaseError(resultCode: .SQLITE_IOERR_FSYNC)
        #expect(GroupCommit.storeError(full, committing: true).outcome == .notStored)
        #expect(GroupCommit.storeError(broken, committing: false).outcome == .notStored)
        #expect(GroupCommit.storeError(broken, committing: true).outcome == .unknown)
    }
}
