import ApusTesting
import Chat
import Core
import Foundation
import GRDB
import Testing
import Timelines

@testable import Embedded

/// What the file of the embedded store holds of conversations, and what it no longer holds.
@Suite("The file of the embedded store")
struct ConversationFileTests {
    @Test("of the version before conversations opens, keeps what it had, and goes on")
    func migration() async throws {
        let folder = try TestFolder.make("migration")
        defer { try? FileManager.default.removeItem(at: folder) }
        let (a, b, conversation) = try Sample.pair()
        let frame = Array("{\"ev\":\"notification\",\"seq\":1,\"id\":\"x\",\"ts\":1}".utf8)
        let old = try DatabaseQueue(path: folder.appendingPathComponent("apus.sqlite").path)
        try Schema.migrator.migrate(old, upTo: "1 timelines and inboxes")
        try await old.write { db in
            try db.execute(
                sql: """
                    INSERT INTO users VALUES (1, ?, 'epoch', 1, 'x');
                    INSERT INTO events VALUES (1, 1, 'x', \(Sample.now), ?);
                    INSERT INTO items VALUES (1, 1, 1, 'x', 'a', NULL, NULL, 0, ?);
                    """, arguments: [a.text, Data(frame), Data("\"type\":\"a\"".utf8)])
        }
        try old.close()

        let store = try EmbeddedStore(folder: folder)
        let before = try await store.open(a, at: Core.Cursor(epoch: "epoch", seq: 0, last: nil))
        #expect(before.verdict == .resumed && before.entries.map(\.frame) == [frame])
        #expect(before.unread == Unread(messages: 0, notifications: 1))
        try await store.spread(Sample.send("hello"), to: conversation, by: b)
        let after = try await store.open(a, at: Core.Cursor(epoch: "epoch", seq: 1, last: "x"))
        #expect(after.verdict == .resumed && after.entries.map(\.seq) == [2])
        #expect(after.unread == Unread(messages: 1, notifications: 1))
        await store.close()
    }

    @Test("brings back conversations, cursors, totals and what is not finished after a restart")
    func restart() async throws {
        let folder = try TestFolder.make("restart")
        defer { try? FileManager.default.removeItem(at: folder) }
        let (a, b, conversation) = try Sample.pair()
        let first = try EmbeddedStore(folder: folder)
        for number in 1...3 { try await first.spread(Sample.send("\(number)"), to: conversation, by: a) }
        try await first.spread(.read(n: 2, force: false), to: conversation, by: b)
        try await first.commit(.block(on: true), to: conversation, by: b)
        try await first.commit(.block(on: false), to: conversation, by: b)
        let lost = try await first.append(Sample.send("4"), to: conversation, by: a)
        let before = try await Seen(first, b, conversation)
        await first.close()

        let second = try EmbeddedStore(folder: folder)
        #expect(try await Seen(second, b, conversation) == before)
        #expect(
            before.state
                == MembershipState(
                    readN: 2, conversationUnread: 1, unread: Unread(messages: 1, notifications: 0)))
        let tickets = try await second.unfinished()
        #expect(tickets.map(\.conversation) == [conversation])
        try await second.sweep(tickets)
        #expect(try await second.unfinished(at: Sample.now + 100_000).isEmpty)
        for user in [a, b] {
            #expect(try await second.conversations(of: user).memberships.map(\.cursor) == [lost.entry.position])
            #expect(try await second.frames(of: user).filter { $0.contains("\"ev\":\"message\"") }.count == 4)
        }
        #expect(try await second.state(of: b, in: conversation)?.conversationUnread == 2)
        await second.close()
    }

    /// What is to be the same after a restart.
    private struct Seen: Equatable {
        let state: MembershipState?
        let list: [Membership]
        let summary: ConversationSummary?
        let history: HistoryPage?

        init(_ store: EmbeddedStore, _ user: UserID, _ conversation: ConversationID) async throws {
            state = try await store.state(of: user, in: conversation)
            list = try await store.conversations(of: user).memberships
            summary = try await store.summary(of: conversation, for: user)
            history = try await store.history(of: conversation, for: user)
        }
    }

    /// SQLite leaves copies where it moves rows, which no `secure_delete` finds: bodies must not move.
    @Test("has no byte of the bodies of recalled messages, however the pages were filled and split")
    func recall() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        var generator = SeededGenerator(seed: 7)
        let pairs = try (0..<5).map { _ in try Sample.pair() }
        var (kept, recalled): ([String], [String]) = ([], [])
        for round in 0..<400 {
            let (a, b, conversation) = pairs[Int.random(in: 0..<5, using: &generator)]
            let filling = String(repeating: "x", count: [5, 80, 500, 1500, 9000].randomElement(using: &generator) ?? 5)
            func text(_ part: String) -> String { "secret-\(round)-\(part)-\(filling)-terces-\(round)-\(part)" }
            let sent = try await store.spread(Sample.send(text("sent")), to: conversation, by: a)
            let n = sent.entry.messages
            var names = ["\(round)-sent"]
            if round % 3 == 0 {
                let edit = ConversationChange.edit(n: n, body: Sample.body(text("edited")))
                try await store.spread(edit, to: conversation, by: a)
                names.append("\(round)-edited")
            }
            if round % 2 == 0 {
                try await store.spread(.recall(n: n), to: conversation, by: a)
                // A step that was under way while the message was recalled comes late.
                let late = AdvanceStep(from: sent.previous, entries: [sent.entry])
                _ = try await store.advance(b, in: conversation, by: late)
                _ = try await store.advance(try Sample.user(), in: conversation, by: late)
                recalled += names
            } else {
                kept += names
            }
        }
        for (a, b, _) in pairs {
            for user in [a, b] {
                let frames = try await store.frames(of: user).joined()
                #expect(!frames.isEmpty && recalled.allSatisfy { !frames.contains("-\($0)-") })
            }
        }
        await store.close()
        let names = try FileManager.default.contentsOfDirectory(atPath: temporary.folder.path)
        #expect(names.sorted() == ["apus.lock", "apus.sqlite"])
        let file = try Data(contentsOf: temporary.folder.appendingPathComponent("apus.sqlite"))
        func isThere(_ name: String) -> Bool {
            ["secret-\(name)-", "-terces-\(name)\""].contains { file.range(of: Data($0.utf8)) != nil }
        }
        #expect(recalled.filter(isThere) == [])
        #expect(kept.filter { !isThere($0) } == [], "otherwise the test looks for the wrong thing")
    }

    @Test("stores a body once, for the log and for all timelines")
    func bodies() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let owner = try Sample.user()
        let others = try (0..<5).map { _ in try Sample.user() }
        let group = ConversationID.newGroup()
        try await store.spread(.create(title: nil, members: others), to: group, by: owner)
        try await store.spread(Sample.send("hello"), to: group, by: owner)
        try await store.spread(.edit(n: 1, body: Sample.body("hallo")), to: group, by: owner)
        let texts = try await answer { done in
            store.group.submit(done) { db in
                try Data.fetchAll(db, sql: "SELECT text FROM bodies").map { String(decoding: $0, as: UTF8.self) }
            }
        }
        #expect(texts == ["{\"text\":\"hello\"}", "{\"text\":\"hallo\"}"])
        for user in [owner] + others {
            let frames = try await store.frames(of: user)
            #expect(frames[1].contains("\"body\":{\"text\":\"hello\"}"))
            #expect(frames[2].contains("\"body\":{\"text\":\"hallo\"}"))
        }
        await store.close()
    }
}
