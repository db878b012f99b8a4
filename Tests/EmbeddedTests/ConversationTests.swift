import ApusTesting
import Chat
import Core
import Foundation
import GRDB
import Notifications
import Testing
import Timelines

@testable import Embedded

/// What is special to conversations on SQLite; the contract suites hold the rest.
@Suite("Conversations on SQLite")
struct ConversationTests {
    @Test("A cid is known for as long as the horizon, also after an edit and a recall, and is then forgotten")
    func dedup() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let (a, b, conversation) = try Sample.pair()
        let send = try Sample.send("x", cid: "one")
        let first = try await store.append(send, to: conversation, by: a)
        try await store.append(.edit(n: 1, body: Sample.body("y")), to: conversation, by: a)
        func again(_ text: String, at now: Int64) async throws -> CommitOutcome {
            try await store.commit(Sample.send(text, cid: "one"), to: conversation, by: a, at: now)
        }
        let last = Sample.now + StoreLimits.standard.dedupMilliseconds - 1
        guard case .duplicate(let known) = try await again("x", at: last) else { throw TestFailure("not known") }
        #expect(known.entry.position == first.entry.position && known.ticket == first.ticket)
        #expect(known.entry.content == .message(cid: "one", body: Sample.body("y")))
        guard case .refused(let error) = try await again("y", at: last) else { throw TestFailure("not refused") }
        #expect(error.code == .conflict)
        try await store.append(.recall(n: 1), to: conversation, by: a)
        guard case .duplicate(let gone) = try await again("x", at: last) else { throw TestFailure("not known") }
        #expect(gone.entry.content == .message(cid: "one", body: nil))
        // Others have their own names, and past the horizon a name is free.
        #expect(try await store.append(send, to: conversation, by: b).entry.messages == 2)
        guard case .appended(let new) = try await again("z", at: last + 1) else { throw TestFailure("still known") }
        #expect(new.entry.messages == 3)
        await store.close()
    }

    @Test("Every edit keeps its own body until the recall, and there is an end to them")
    func edits() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let (a, b, conversation) = try Sample.pair()
        try await store.spread(Sample.send("0"), to: conversation, by: a)
        for number in 1...Limits.editsPerMessageMax {
            try await store.append(.edit(n: 1, body: Sample.body("\(number)")), to: conversation, by: a)
        }
        let more = try await store.commit(.edit(n: 1, body: Sample.body("x")), to: conversation, by: a)
        guard case .refused(let error) = more else { throw TestFailure("not refused") }
        #expect(error.code == .tooLarge)
        try await store.sweep(store.unfinished())
        let page = try await store.entries(of: conversation, for: b, after: .start, limit: 3)
        #expect(
            page?.entries.map(\.content) == [
                .message(cid: page?.cid ?? "", body: Sample.body("200")), .edited(n: 1, body: Sample.body("1")),
                .edited(n: 1, body: Sample.body("2")),
            ])
        let frames = try await store.frames(of: b)
        #expect(frames.count == 201 && (0...200).allSatisfy { frames[$0].contains("\"text\":\"\($0)\"") })
        try await store.spread(.recall(n: 1), to: conversation, by: a)
        #expect(try await store.frames(of: b).allSatisfy { !$0.contains("body") })
        await store.close()
    }

    @Test("Cids past the horizon leave the file, a few with each message")
    func dedupTrimmed() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let (a, _, conversation) = try Sample.pair()
        for _ in 0..<40 { try await store.append(Sample.send("x"), to: conversation, by: a) }
        let later = Sample.now + StoreLimits.standard.dedupMilliseconds
        for _ in 0..<6 { try await store.append(Sample.send("x"), to: conversation, by: a, at: later) }
        let rows = try await answer { done in
            store.group.submit(done) { try Int.fetchOne($0, sql: "SELECT count(*) FROM sends") }
        }
        #expect(rows == 6)
        await store.close()
    }

    @Test("Lists and histories come in pages without holes")
    func paging() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let user = try Sample.user()
        var newest: [ConversationID] = []
        for _ in 0..<7 {
            let other = try Sample.user()
            let conversation = try #require(ConversationID(between: user, and: other))
            try await store.spread(Sample.send("x"), to: conversation, by: other)
            newest.insert(conversation, at: 0)
        }
        // Writing moves a conversation to the front, reading does not.
        try await store.spread(.read(n: 1, force: false), to: newest[2], by: user)
        try await store.spread(Sample.send("y"), to: newest[4], by: user)
        newest.insert(newest.remove(at: 4), at: 0)
        var (found, cursor): ([ConversationID], String?) = ([], nil)
        repeat {
            let page = try await store.conversations(of: user, before: cursor, limit: 3)
            found += page.memberships.map(\.conversation)
            cursor = page.cursor
        } while cursor != nil
        #expect(found == newest)
        #expect(try await store.conversations(of: user, before: "none", limit: 3).memberships.isEmpty)

        for number in 3...20 { try await store.append(Sample.send("\(number)"), to: newest[0], by: user) }
        var (up, down): ([Int64], [Int64]) = ([], [])
        while true {
            let page = try #require(try await store.history(of: newest[0], for: user, .after(up.last ?? 0), limit: 7))
            up += page.messages.map(\.n)
            guard page.more else { break }
        }
        while true {
            let page = try #require(try await store.history(of: newest[0], for: user, .before(down.first), limit: 7))
            down = page.messages.map(\.n) + down
            guard page.more else { break }
        }
        #expect(up == Array(1...20) && down == up)
        await store.close()
    }

    @Test("The totals of messages stand in every answer and frame")
    func totals() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let (a, b, conversation) = try Sample.pair()
        let totals = { Unread(messages: $0, notifications: $1) }
        for _ in 0..<3 { try await store.spread(Sample.send("x"), to: conversation, by: a) }
        let appended = try await store.append(to: b)
        #expect(
            appended.entry.text.hasSuffix(",\"unread\":{\"messages\":3,\"notifications\":1}}"))
        #expect(try await store.counts(of: b).unread == totals(3, 1))
        #expect(try await store.open(b).unread == totals(3, 1))
        let muted = try await store.apply(.mute(conversation, on: true), of: b)?.entry
        #expect(
            muted.text.hasSuffix("\"on\":true,\"unread\":{\"messages\":0,\"notifications\":1}}"))
        #expect(try await store.apply(.mute(conversation, on: true), of: b)?.entry == nil)
        try await store.spread(Sample.send("x"), to: conversation, by: a)
        #expect(
            try await store.state(of: b, in: conversation)
                == MembershipState(readN: 0, conversationUnread: 4, unread: totals(0, 1)))
        let frames = try await store.frames(of: b)
        #expect(frames.last?.contains("unread") == false, "nothing that counts has changed")
        try await store.apply(.mute(conversation, on: false), of: b)
        #expect(try await store.counts(of: b).unread == totals(4, 1))
        #expect(try await store.drift(of: b) == 0)
        await store.close()
    }

    @Test("A wrong figure in the index shows as drift")
    func drift() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let (a, b, conversation) = try Sample.pair()
        try await store.spread(Sample.send("x"), to: conversation, by: a)
        try await answer { done in
            store.group.submit(done) { try $0.execute(sql: "UPDATE memberships SET unread = 5 WHERE unread = 1") }
        }
        #expect(try await store.drift(of: b) == 4)
        await store.close()
    }

    /// The node dies before the removal has reached the one who was removed; the next message marks the group again,
    /// and whoever brings that one to the members knows nothing of the removal.
    @Test("A removal that was not told is still owed when a later message is finished")
    func owedRemoval() async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        let (owner, other, gone) = (try Sample.user(), try Sample.user(), try Sample.user())
        let group = ConversationID.newGroup()
        try await store.spread(.create(title: "t", members: [other, gone]), to: group, by: owner)
        try await store.append(.remove([gone]), to: group, by: owner)
        try await store.spread(Sample.send("x"), to: group, by: other, at: Sample.now + 10)
        #expect(try await store.conversations(of: gone).memberships.count == 1)
        let tickets = try await store.unfinished()
        #expect(tickets.map(\.conversation) == [group], "it keeps the time of the removal")
        try await store.sweep(tickets)
        #expect(try await store.conversations(of: gone).memberships.isEmpty)
        #expect(try await store.frames(of: gone).map { $0.contains("\"change\":\"removed\"") } == [false, true])
        #expect(try await store.unfinished(at: Sample.now + 100_000).isEmpty)
        await store.close()
    }

    @Test("In a large group only who comes or goes is told by timeline, and nothing else is marked")
    func largeGroup() async throws {
        var limits = StoreLimits.standard
        limits.groupFanOut = 3
        let temporary = try TemporaryStore(limits: limits)
        let store = temporary.store
        let owner = try Sample.user()
        let others = try (0..<3).map { _ in try Sample.user() }
        let group = ConversationID.newGroup()
        let created = try await store.spread(.create(title: nil, members: others), to: group, by: owner)
        #expect(created.isLarge && created.isFannedOut && created.members == [owner] + others)
        let sent = try await store.spread(Sample.send("x"), to: group, by: owner)
        #expect(sent.isLarge && !sent.isFannedOut && sent.members == [owner] + others)
        #expect(try await store.unfinished().isEmpty)
        let late = try Sample.user()
        let added = try await store.spread(.add([late]), to: group, by: others[0])
        #expect(added.isLarge && added.isFannedOut && added.members == [late, others[0]])
        #expect(try await store.frames(of: others[0]).count == 2)
        #expect(try await store.frames(of: others[1]).count == 1)
        for user in [owner, others[0], others[1], late] {
            #expect(try await store.open(user).unread.messages == 0, "large groups are not in the totals")
        }
        // Smaller again: the members' timelines follow the log as before.
        try await store.spread(.remove([others[1], others[2]]), to: group, by: owner)
        try await store.spread(Sample.send("y"), to: group, by: owner)
        for user in [owner, others[0], late] {
            let head = try await store.entries(of: group, for: nil, after: nil)?.head
            #expect(try await store.conversations(of: user).memberships.first?.cursor == head)
            #expect(try await store.drift(of: user) == 0)
        }
        #expect(try await store.state(of: late, in: group)?.conversationUnread == 1)
        await store.close()
    }
}

extension AppendedEntry? {
    /// The frame; empty when there is none.
    fileprivate var text: String { String(decoding: self?.frame ?? [], as: UTF8.self) }
}

extension EntryPage {
    /// Of the first entry.
    fileprivate var cid: String? {
        guard case .message(let cid, _) = entries.first?.content else { return nil }
        return cid
    }
}
