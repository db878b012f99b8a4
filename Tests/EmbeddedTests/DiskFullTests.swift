import ApusTesting
import Core
import Foundation
import GRDB
import Notifications
import Testing
import Timelines

@testable import Embedded

@Suite("With a full disk")
struct DiskFullTests {
    @Test("appends fail as not stored, reads go on, and appends work again when there is room")
    func fullAndBack() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let user = try Sample.user()
        for _ in 0..<20 { try await store.append(to: user) }
        // SQLite refuses new pages with the same error as on a full disk.
        let pages = try await pragma(store, "page_count")
        _ = try await pragma(store, "max_page_count = \(pages)")
        try await fill(store, user)

        let head = try await store.open(user).head
        let error = try await #require(throws: StoreError.self) { try await store.append(Self.large, to: user) }
        #expect(error.outcome == .notStored && error.message.contains("full"))
        #expect(try await store.open(user).head == head, "nothing of a refused append is there")
        #expect(try await store.counts(of: user).unread.notifications == Int(head.seq))
        try await mixed(store, user, head: head.seq)

        _ = try await pragma(store, "max_page_count = 1000000")
        #expect(try await store.append(Self.large, to: user).seq == head.seq + 1)
        await store.close()
    }

    /// On a real one: `APUS_TEST_SMALL_DISK` names a folder on a disk of a few megabytes that is otherwise empty.
    @Test("a real one", .enabled(if: ProcessInfo.processInfo.environment["APUS_TEST_SMALL_DISK"] != nil))
    func realDisk() async throws {
        let disk = try #require(ProcessInfo.processInfo.environment["APUS_TEST_SMALL_DISK"])
        let folder = URL(fileURLWithPath: disk).appendingPathComponent("data")
        let ballast = URL(fileURLWithPath: disk).appendingPathComponent("ballast")
        defer { for item in [folder, ballast] { try? FileManager.default.removeItem(at: item) } }
        try Data(count: 1_000_000).write(to: ballast)
        let store = try EmbeddedStore(folder: folder)
        let user = try Sample.user()
        try await fill(store, user)
        let head = try await store.open(user).head
        try await mixed(store, user, head: head.seq)
        try FileManager.default.removeItem(at: ballast)
        try await eventually("appends work again", within: 5) {
            (try? await store.append(Self.large, to: user).seq) == head.seq + 1
        }
        await store.close()
        let again = try EmbeddedStore(folder: folder)
        #expect(try await again.open(user).head.seq == head.seq + 1)
        await again.close()
    }

    private static var large: Notifications.Notification { Sample.notification(bytes: 50_000) }

    private func pragma(_ store: EmbeddedStore, _ text: String) async throws -> Int {
        try await answer { done in
            store.group.submit(done) { try Int.fetchOne($0, sql: "PRAGMA \(text)") ?? 0 }
        }
    }

    /// Appends until the store refuses.
    private func fill(_ store: EmbeddedStore, _ user: UserID) async throws {
        for _ in 0..<2000 {
            do { try await store.append(Self.large, to: user) } catch let error as StoreError {
                #expect(error.outcome == .notStored)
                return
            }
        }
        throw TestFailure("the disk is not full")
    }

    /// Appends and reads called together, so that they share a transaction: the reads are answered all the same.
    private func mixed(_ store: EmbeddedStore, _ user: UserID, head: Int64) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    await #expect(throws: StoreError.self) { try await store.append(Self.large, to: user) }
                }
                group.addTask {
                    let opening = try await store.open(user)
                    #expect(opening.head.seq == head)
                }
            }
            try await group.waitForAll()
        }
    }
}
