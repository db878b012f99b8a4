import ApusTesting
import Core
import Foundation
import GRDB
import Notifications
import Testing
import Timelines

@testable import Embedded

@Suite("Opening the embedded store")
struct OpeningTests {
    @Test("makes the folder, and finds everything again after a restart")
    func restart() async throws {
        let parent = try TestFolder.make("opening")
        defer { try? FileManager.default.removeItem(at: parent) }
        let folder = parent.appendingPathComponent("a/b")
        let user = try Sample.user()
        let sent = Sample.notification()

        let first = try EmbeddedStore(folder: folder)
        try await first.append(sent, to: user)
        try await first.append(to: user)
        let before = try await first.open(user)
        await first.close()
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["apus.lock", "apus.sqlite"])

        let second = try EmbeddedStore(folder: folder)
        #expect(try await second.open(user) == before)
        #expect(try await second.append(sent, to: user).duplicate)
        #expect(try await second.append(to: user).seq == 3)
        let resumed = try await second.open(
            user, at: Core.Cursor(epoch: before.head.epoch, seq: 2, last: before.head.last))
        #expect(resumed.verdict == .resumed && resumed.entries.map(\.seq) == [3])
        await second.close()
    }

    @Test("finds what was answered after a crash, when nothing was closed")
    func crash() async throws {
        let live = try TemporaryStore()
        let user = try Sample.user()
        for _ in 0..<50 { try await live.store.append(to: user) }
        let head = try await live.store.open(user).head
        // The files as they are now are what a killed process leaves.
        let copy = try TestFolder.make("crash")
        defer { try? FileManager.default.removeItem(at: copy) }
        for name in ["apus.sqlite", "apus.sqlite-wal"] {
            try FileManager.default.copyItem(
                at: live.folder.appendingPathComponent(name), to: copy.appendingPathComponent(name))
        }
        let revived = try EmbeddedStore(folder: copy)
        #expect(try await revived.open(user).head == head)
        #expect(try await revived.counts(of: user).unread.notifications == 50)
        await revived.close()
        await live.store.close()
    }

    @Test("syncs every commit to the disk")
    func pragmas() async throws {
        let temporary = try TemporaryStore()
        let (mode, synchronous) = try await answer { done in
            temporary.store.group.submit(done) { db in
                (try String.fetchOne(db, sql: "PRAGMA journal_mode"), try Int.fetchOne(db, sql: "PRAGMA synchronous"))
            }
        }
        #expect(mode == "wal")
        #expect(synchronous == 2, "2 is FULL")
        await temporary.store.close()
    }

    @Test("is refused while another node has the folder, and possible once that one has closed")
    func inUse() async throws {
        let temporary = try TemporaryStore()
        let error = try #require(throws: EmbeddedStoreError.self) { try EmbeddedStore(folder: temporary.folder) }
        #expect(error.reason == .inUse)
        #expect(error.description.hasPrefix("APUS_DATA=\(temporary.folder.path): the folder is in use by another node"))
        await temporary.store.close()
        await #expect(throws: Never.self) { try await EmbeddedStore(folder: temporary.folder).close() }
    }

    @Test("is refused when the folder cannot be made or written")
    func folderNotUsable() throws {
        let parent = try TestFolder.make("opening")
        defer { try? FileManager.default.removeItem(at: parent) }
        let file = parent.appendingPathComponent("file")
        try Data("x".utf8).write(to: file)
        for folder in [file, file.appendingPathComponent("below")] {
            let error = try #require(throws: EmbeddedStoreError.self) { try EmbeddedStore(folder: folder) }
            #expect(error.reason == .folderNotUsable)
            #expect(error.description.contains("APUS_DATA=\(folder.path)") && error.description.contains("writable"))
        }
        let directory = parent.appendingPathComponent("occupied")
        try FileManager.default.createDirectory(
            at: directory.appendingPathComponent("apus.sqlite"), withIntermediateDirectories: true)
        let error = try #require(throws: EmbeddedStoreError.self) { try EmbeddedStore(folder: directory) }
        #expect(error.reason == .folderNotUsable)
    }

    @Test("is refused when the file is something else, and leaves it as it was")
    func notADatabase() throws {
        let folder = try TestFolder.make("opening")
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("apus.sqlite")
        let garbage = Data(repeating: 0x41, count: 8192)
        try garbage.write(to: file)
        let error = try #require(throws: EmbeddedStoreError.self) { try EmbeddedStore(folder: folder) }
        #expect(error.reason == .notADatabase)
        #expect(
            error.description.contains("APUS_DATA=\(folder.path)") && error.description.contains("restore a backup"))
        #expect(try Data(contentsOf: file) == garbage)
    }

    @Test("is refused when another program's tables are in the file")
    func foreignDatabase() throws {
        let folder = try TestFolder.make("opening")
        defer { try? FileManager.default.removeItem(at: folder) }
        let foreign = try DatabaseQueue(path: folder.appendingPathComponent("apus.sqlite").path)
        try foreign.write { try $0.execute(sql: "CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('x')") }
        try foreign.close()
        let error = try #require(throws: EmbeddedStoreError.self) { try EmbeddedStore(folder: folder) }
        #expect(error.reason == .notADatabase)
    }

    @Test("is refused when a later version of Apus wrote the file")
    func newerSchema() async throws {
        let temporary = try TemporaryStore()
        await temporary.store.close()
        let later = try DatabaseQueue(path: temporary.folder.appendingPathComponent("apus.sqlite").path)
        try await later.write { try $0.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('99 later')") }
        try later.close()
        let error = try #require(throws: EmbeddedStoreError.self) { try EmbeddedStore(folder: temporary.folder) }
        #expect(error.reason == .newerSchema)
        #expect(error.description.contains("APUS_DATA=\(temporary.folder.path)"))
    }
}
