import ApusTesting
import Chat
import Core
import Notifications
import Testing
import Timelines

@testable import RedisStore

/// What the contract of memberships cannot see: keys, records, and how events of both forms stand in one timeline.
@Suite("The scripts of a user's side of conversations", .redis())
struct MembershipScriptTests {
    private let now = ChatBench.now

    private func text(_ frame: [UInt8]) -> String { String(decoding: frame, as: UTF8.self) }

    @Test(
        "advance.lua writes these keys and records; the frames of lib_memberships.lua's records are those of ChatFrames"
    )
    func records() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        let commit = try await bench.send("a", cid: ChatBench.cid("c-1"), to: conversation, by: lower)
        let appended = try await bench.deliver(commit)
        let id = commit.entry.position.id
        #expect(try await bench.keys("apus:{u:\(lower.text)}:") == ["m", "t", "v", "a"])
        #expect(try await bench.keys("apus:{u:\(higher.text)}:") == ["m", "t", "v", "a", "w"])
        let records = try await [lower, higher].asyncMap { user in
            try await bench.redis("LINDEX", RedisKeys.timeline(user), "0").string?.replacing("\u{1F}", with: "|")
        }
        #expect(
            records == [
                "\u{1}||@\(higher.text)|\(id)|m|1|0||c-1|{\"text\":\"a\"}",
                "\u{1}1||@\(lower.text)|\(id)|m|1|0|||{\"text\":\"a\"}",
            ])
        for (user, unread) in [(lower, nil), (higher, Unread(messages: 1, notifications: 0))] {
            let entry = try #require(appended[user]?.first)
            let frame = ChatFrames.event(seq: 1, commit.entry, in: conversation, for: user, unread: unread)
            #expect(text(entry.frame) == text(frame))
            #expect(entry.seq == 1 && entry.id == id && entry.previous.isEmpty)
            #expect(try await bench.frames(of: user) == [text(frame)])
        }
    }

    @Test("advance.lua writes every kind of entry as ChatFrames does, with the totals that it changed")
    func kinds() async throws {
        let bench = try ChatBench()
        let users = ChatBench.users(3)
        let (conversation, made) = try await bench.group(Array(users[..<2]), title: "\"T\"\n")
        let (me, other) = (users[1], users[0])
        var expected: [String] = []
        func deliver(_ commit: Commit, _ unread: Int? = nil, conversation own: Int? = nil) async throws {
            try await bench.deliver(commit)
            expected.append(
                text(
                    ChatFrames.event(
                        seq: Int64(expected.count + 1), commit.entry, in: conversation, for: me,
                        unread: unread.map { Unread(messages: $0, notifications: 0) }, conversationUnread: own)))
        }
        func commit(_ change: ConversationChange, by user: UserID) async throws -> Commit {
            try await bench.commit(change, to: conversation, by: user, at: now + 3).appended()
        }
        try await deliver(made)
        try await deliver(bench.send("1", to: conversation, by: other), 1)
        try await deliver(bench.send("2", to: conversation, by: me))
        try await deliver(bench.send("3", to: conversation, by: other), 2)
        try await deliver(commit(.edit(n: 3, body: ChatBench.body("3b")), by: other))
        try await deliver(commit(.react(n: 3, key: "👍", on: true), by: me))
        try await deliver(commit(.read(n: 3, force: false), by: other))
        try await deliver(commit(.read(n: 2, force: false), by: me), 1, conversation: 1)
        try await deliver(commit(.read(n: 1, force: true), by: me), conversation: 1)
        try await deliver(commit(.read(n: 3, force: false), by: me), 0, conversation: 0)
        try await deliver(commit(.recall(n: 2), by: me))
        try await deliver(commit(.add([users[2]]), by: me))
        try await deliver(commit(.update(title: "é"), by: other))
        try await deliver(commit(.remove([users[2]]), by: other))
        try await deliver(bench.send("4", to: conversation, by: other), 1)
        try await deliver(commit(.leave, by: me), 0)
        // What was recalled since is not in them any more.
        expected[2] = text(ChatFrames.withoutBody(Array(expected[2].utf8)))
        #expect(try await bench.frames(of: me) == expected)
        #expect(try await bench.drift(of: me) == 0)
        #expect(try await bench.state(of: me, in: conversation) == nil)
    }

    @Test("advance.lua is idempotent: any step again, or overlapping steps, change nothing")
    func idempotence() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        for number in 1...6 {
            try await bench.send("\(number)", to: conversation, by: number % 2 == 0 ? lower : higher)
        }
        let entries = try #require(try await bench.entries(of: conversation, for: lower)?.entries)
        func step(_ from: Int, _ count: Int, _ mode: AdvanceStep.Mode = .follow) async throws -> AdvanceOutcome {
            let before = from == 0 ? .start : entries[from - 1].position
            let part = Array(entries[from..<(from + count)])
            return try await bench.advance(
                lower, in: conversation, by: AdvanceStep(mode: mode, from: before, entries: part))
        }
        #expect(try await step(2, 2) == .gap(after: nil))
        #expect(try await step(2, 0) == .gap(after: nil))
        #expect(try await step(0, 3).advanced().entries.count == 3)
        #expect(try await step(0, 3).advanced().entries.isEmpty)
        #expect(try await step(1, 4).advanced().entries.map(\.seq) == [4, 5])
        #expect(try await step(0, 3) == .beyond(entries[4].position))
        #expect(
            try await step(5, 0)
                == .advanced(
                    .init(
                        entries: [], routes: [],
                        state: MembershipState(
                            readN: 0, conversationUnread: 3, unread: Unread(messages: 3, notifications: 0)))))
        var forked = AdvanceStep(from: entries[4].position, entries: [entries[5]])
        forked.from.id = "x"
        #expect(try await bench.advance(lower, in: conversation, by: forked) == .forked)
        let last = try await step(5, 1).advanced().entries
        #expect(last.map(\.previous) == [entries[4].position.id] && last.map(\.seq) == [6])
        #expect(try await bench.frames(of: lower).count == 6)
    }

    @Test("A fan-out that begins anywhere brings everybody to the same frames")
    func catchingUp() async throws {
        let bench = try ChatBench()
        let users = ChatBench.users(4)
        let (conversation, made) = try await bench.group(Array(users[..<3]))
        try await bench.deliver(made)
        var commits: [Commit] = []
        for number in 1...5 {
            commits.append(try await bench.send("\(number)", to: conversation, by: users[number % 3]))
        }
        commits.append(try await bench.commit(.add([users[3]]), to: conversation, by: users[0]).appended())
        commits.append(try await bench.send("6", to: conversation, by: users[3]))
        // One is told of the last entry, one of all in the wrong order, one is found by a sweeper.
        _ = try await bench.deliver(Commit(commits[6], only: users[0]))
        for commit in commits.reversed() { _ = try await bench.deliver(Commit(commit, only: users[1])) }
        for user in users[2...] { try await bench.catchUp(user, in: conversation) }
        for user in users[..<3] { #expect(try await bench.frames(of: user).count == 8, "\(user)") }
        let joined = try await bench.frames(of: users[3])
        #expect(joined.count == 2 && joined[0].contains("\"added\"") && joined[1].contains("\"n\":6"))
    }

    @Test("advance.lua puts a joining cursor forward; what it jumps over does not count")
    func joining() async throws {
        let bench = try ChatBench()
        let users = ChatBench.users(2)
        let (conversation, made) = try await bench.group(users)
        try await bench.deliver(made)
        try await bench.deliver(bench.send(to: conversation, by: users[0]))
        for _ in 0..<5 { try await bench.send(to: conversation, by: users[0]) }
        let titled = try await bench.commit(.update(title: "T"), to: conversation, by: users[0]).appended()
        let step = AdvanceStep(mode: .join, from: titled.previous, entries: [titled.entry])
        let advance = try await bench.advance(users[1], in: conversation, by: step).advanced()
        #expect(advance.entries.count == 1 && advance.state.conversationUnread == 1)
        let fresh = try await bench.advance(RedisFixture.user(), in: conversation, by: step).advanced()
        #expect(fresh.entries.count == 1 && fresh.state.conversationUnread == 0 && fresh.state.readN == 6)
        // With everything read the count is right again.
        try await bench.deliver(bench.commit(.read(n: 6, force: false), to: conversation, by: users[1]).appended())
        try await bench.deliver(bench.send(to: conversation, by: users[0]))
        #expect(try await bench.state(of: users[1], in: conversation)?.conversationUnread == 1)
        #expect(try await bench.drift(of: users[1]) == 0)
    }

    @Test("advance.lua takes an aside forward only, unless forced, and leaves the cursor in the log")
    func asides() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        func read(_ n: Int64, force: Bool, by user: UserID) async throws -> AdvanceOutcome {
            let entry = LogEntry(
                position: EntryPosition(number: 0, id: EventID.new(atMilliseconds: now).text),
                timestampMilliseconds: now, author: user, messages: 3, content: .read(n: n, own: 0))
            let step = AdvanceStep(mode: .aside(force: force), from: .start, entries: [entry])
            return try await bench.advance(user, in: conversation, by: step)
        }
        #expect(try await read(1, force: false, by: lower) == .gap(after: nil))
        for _ in 0..<3 { try await bench.deliver(bench.send(to: conversation, by: higher)) }
        let first = try await read(2, force: false, by: lower).advanced()
        #expect(
            first.state
                == MembershipState(
                    readN: 2, conversationUnread: 1, unread: Unread(messages: 1, notifications: 0)))
        #expect(
            text(first.entries[0].frame).hasSuffix(
                "\"n\":2,\"conv_unread\":1,\"unread\":{\"messages\":1,\"notifications\":0}}"))
        #expect(try await read(1, force: false, by: lower).advanced().entries.isEmpty)
        #expect(try await read(2, force: true, by: lower).advanced().entries.isEmpty)
        #expect(try await read(0, force: true, by: lower).advanced().state.conversationUnread == 3)
        #expect(try await bench.conversations(of: lower).memberships.first?.cursor.number == 3)
        #expect(try await bench.drift(of: lower) == 0)
    }

    @Test("advance.lua resets cursor and counts, once, and keeps mute and place")
    func resets() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        for _ in 0..<3 { try await bench.deliver(bench.send(to: conversation, by: higher)) }
        _ = try await bench.apply(.mute(conversation, on: true), of: lower)
        // As after a fail-over: the log lost its tail, and other entries took the numbers.
        _ = try await bench.redis("RPOP", RedisKeys.log(conversation))
        let second = try #require(try await bench.entries(of: conversation, for: lower)?.entries.last)
        _ = try await bench.redis(
            "HSET", RedisKeys.meta(conversation), "s", "2", "l", second.position.id, "n", "2")
        let commit = try await bench.send("other", to: conversation, by: higher)
        let appended = try #require(try await bench.deliver(commit)[lower]?.first)
        #expect(
            appended.seq == 5
                && text(appended.frame)
                    == text(
                        ChatFrames.reset(
                            seq: 5, id: appended.id, timestamp: now, conversation: conversation,
                            unread: Unread(messages: 0, notifications: 0)))
        )
        let membership = try #require(try await bench.conversations(of: lower).memberships.first)
        #expect(membership.isMuted && membership.cursor == commit.entry.position && membership.counts.unread == 3)
        let step = AdvanceStep(
            mode: .reset(id: .new(atMilliseconds: now), membership.counts), from: commit.entry.position, entries: [])
        #expect(try await bench.advance(lower, in: conversation, by: step).advanced().entries.isEmpty)
        let fresh = RedisFixture.user()
        #expect(try await bench.advance(fresh, in: conversation, by: step).advanced().state.unread.messages == 3)
        #expect(try await bench.conversations(of: fresh).memberships.count == 1)
    }

    @Test("mute.lua and lib_memberships.lua: a muted conversation counts in no total of any event or answer")
    func muting() async throws {
        let bench = try ChatBench()
        let fixture = try RedisFixture.the()
        let (conversation, lower, higher) = try ChatBench.direct()
        let unknown = PersonalChange.mute(ConversationID.newGroup(), on: true)
        #expect(try await bench.apply(unknown, of: lower) == nil)
        for _ in 0..<2 { try await bench.deliver(bench.send(to: conversation, by: higher)) }
        try await fixture.append(to: lower)
        let muted = try #require(try await bench.apply(.mute(conversation, on: true), of: lower)?.entry)
        #expect(
            text(muted.frame)
                == text(
                    ChatFrames.mute(
                        seq: 4, id: muted.id, timestamp: now, conversation: conversation, on: true,
                        unread: Unread(messages: 0, notifications: 1))))
        #expect(try await bench.apply(.mute(conversation, on: true), of: lower)?.entry == nil)
        try await bench.deliver(bench.send(to: conversation, by: higher))
        #expect(try await bench.state(of: lower, in: conversation)?.conversationUnread == 3)
        #expect(try await bench.frames(of: lower).last?.contains("unread") == false)
        let back = try #require(try await bench.apply(.mute(conversation, on: false), of: lower)?.entry)
        #expect(text(back.frame).hasSuffix("\"on\":false,\"unread\":{\"messages\":3,\"notifications\":1}}"))
        #expect(try await bench.drift(of: lower) == 0)
    }

    @Test("Every total of the other scripts has the messages: append, mark_read, expire, open, counts, page")
    func totals() async throws {
        let bench = try ChatBench()
        let fixture = try RedisFixture.the()
        let (conversation, lower, higher) = try ChatBench.direct()
        for _ in 0..<2 { try await bench.deliver(bench.send(to: conversation, by: higher)) }
        let appended = try await fixture.append(RedisFixture.notification(ttl: 10), to: lower)
        #expect(text(try #require(appended.entry).frame).hasSuffix("{\"messages\":2,\"notifications\":1}}"))
        try await fixture.append(to: lower)
        let store = bench.store
        let counts = try await answer { store.counts(of: lower, nowMilliseconds: now, $0) }
        #expect(counts.unread == Unread(messages: 2, notifications: 2))
        let page = try await answer { store.page(InboxQuery(limit: 1), of: lower, nowMilliseconds: now, $0) }
        #expect(page.counts == counts)
        let opening = try await answer { store.open(lower, at: nil, limit: 0, $0) }
        #expect(opening.unread.messages == 2)
        let expiry = try await answer {
            store.run(.expire(lower, now: now + 10, .forTests), $0)
        }
        #expect(
            text(try #require(expiry.outcome.entries.first).frame).hasSuffix("{\"messages\":2,\"notifications\":1}}"))
        let read = try await answer {
            store.markRead(
                .all, category: nil, of: lower, id: .new(atMilliseconds: now), nowMilliseconds: now + 10, $0)
        }
        #expect(text(try #require(read.entry).frame).hasSuffix("{\"messages\":2,\"notifications\":0}}"))
        #expect(read.counts.unread == Unread(messages: 2, notifications: 0))
    }

    @Test("open.lua and read.lua compare positions with the ids of events in both forms")
    func positions() async throws {
        let bench = try ChatBench()
        let fixture = try RedisFixture.the()
        let (conversation, lower, higher) = try ChatBench.direct()
        for _ in 0..<3 {
            try await bench.deliver(bench.send("\u{1F600}\\u001f", to: conversation, by: higher))
            try await fixture.append(to: lower)
        }
        let store = bench.store
        let all = try await answer { store.read(lower, after: 0, last: nil, epoch: nil, limit: 100, $0) }
        #expect(all.entries.map(\.seq) == Array(1...6))
        for (index, entry) in all.entries.enumerated() {
            let fitting = Cursor(epoch: all.head.epoch, seq: entry.seq, last: entry.id)
            let opening = try await answer { store.open(lower, at: fitting, limit: 100, $0) }
            #expect(opening.verdict == .resumed && opening.entries == Array(all.entries[(index + 1)...]))
            let other = try await answer {
                store.read(lower, after: entry.seq, last: "x", epoch: nil, limit: 100, $0)
            }
            #expect(other.resync == .idMismatch)
        }
    }

    @Test("conversations.lua pages by activity, newest first, and takes cursors that no page gave")
    func paging() async throws {
        let bench = try ChatBench()
        let me = RedisFixture.user()
        var conversations: [ConversationID] = []
        for partner in ChatBench.users(7) {
            let conversation = try #require(ConversationID(between: me, and: partner))
            try await bench.deliver(bench.send(to: conversation, by: partner))
            conversations.append(conversation)
        }
        // A reaction is no activity, a message is.
        let author = try #require(conversations[1].partner(of: me))
        let reaction = ConversationChange.react(n: 1, key: "k", on: true)
        try await bench.deliver(bench.commit(reaction, to: conversations[1], by: author).appended())
        try await bench.deliver(bench.send(to: conversations[0], by: me))
        let order = [conversations[0]] + conversations[1...].reversed()
        for limit in [1, 3, 7, 200] {
            var (found, cursor): ([ConversationID], String?) = ([], nil)
            repeat {
                let page = try await bench.conversations(of: me, before: cursor, limit: limit)
                found += page.memberships.map(\.conversation)
                cursor = page.cursor
            } while cursor != nil && found.count < 100
            #expect(found == order)
        }
        for cursor in ["", "x", "-1", "0", "99999999999999999999", "1e3"] {
            #expect(try await bench.conversations(of: me, before: cursor).memberships.isEmpty)
        }
    }

    @Test("membership.lua tells nothing of what is not in the list, and message_drift.lua finds a wrong total")
    func states() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        #expect(try await bench.state(of: lower, in: conversation) == nil)
        try await bench.deliver(bench.send(to: conversation, by: higher))
        #expect(try await bench.state(of: lower, in: conversation)?.unread.messages == 1)
        #expect(try await bench.drift(of: lower) == 0)
        _ = try await bench.redis("HSET", RedisKeys.unreadMessages(lower), "@" + higher.text, "4")
        #expect(try await bench.drift(of: lower) == -3)
        try await bench.deliver(bench.send(to: conversation, by: higher))
        #expect(try await bench.drift(of: lower) == 0, "the next event puts it right")
    }

    @Test("block.lua keeps the order in which it was done")
    func blocking() async throws {
        let bench = try ChatBench()
        let users = ChatBench.users(4)
        for user in [3, 1, 2] {
            let outcome = try #require(try await bench.apply(.block(users[user], on: true), of: users[0]))
            let entry = try #require(outcome.entry)
            #expect(
                text(entry.frame)
                    == text(
                        ChatFrames.block(
                            seq: entry.seq, id: entry.id, timestamp: now, user: users[user], on: true)))
            #expect(try await bench.apply(.block(users[user], on: true), of: users[0])?.entry == nil)
        }
        _ = try await bench.apply(.block(users[1], on: false), of: users[0])
        _ = try await bench.apply(.block(users[1], on: true), of: users[0])
        let store = bench.store
        #expect(try await answer { store.blocks(of: users[0], $0) } == [users[3], users[2], users[1]])
        #expect(try await bench.frames(of: users[0]).count == 5)
        #expect(try await bench.apply(.block(users[0], on: false), of: users[1])?.entry == nil)
    }

    @Test("A full server refuses a step whole")
    func full() async throws {
        try await RedisFixture.with { fixture in
            let bench = try ChatBench(fixture)
            let (conversation, lower, higher) = try ChatBench.direct()
            try await bench.deliver(bench.send(to: conversation, by: higher))
            let recall = try await bench.commit(.recall(n: 1), to: conversation, by: higher).appended()
            let before = try await bench.frames(of: lower)
            try await fixture.server.command("CONFIG", "SET", "maxmemory", "1mb")
            let step = AdvanceStep(from: recall.previous, entries: [recall.entry])
            for change in [PersonalChange.mute(conversation, on: true), .block(higher, on: true)] {
                let error = await #expect(throws: StoreError.self) { try await bench.apply(change, of: lower) }
                #expect(error?.outcome == .notStored)
            }
            let error = await #expect(throws: StoreError.self) {
                try await bench.advance(lower, in: conversation, by: step)
            }
            #expect(error?.outcome == .notStored)
            #expect(try await bench.frames(of: lower) == before && before[0].contains("body"))
            try await fixture.server.command("CONFIG", "SET", "maxmemory", "0")
            #expect(try await bench.advance(lower, in: conversation, by: step).advanced().entries.count == 1)
            #expect(try await bench.frames(of: lower)[0].contains("\"recalled\":true"))
        }
    }

    @Test("The scripts fit a Redis Cluster: their keys share a slot, and they touch no others")
    func cluster() async throws {
        try await RedisFixture.with(.init(cluster: true)) { fixture in
            let bench = try ChatBench(fixture)
            let users = ChatBench.users(3)
            let (conversation, made) = try await bench.group(users)
            try await bench.deliver(made)
            let changes: [(ConversationChange, Int)] = [
                (.send(cid: ChatBench.cid(), body: ChatBench.body("x")), 1),
                (.edit(n: 1, body: ChatBench.body("y")), 1), (.react(n: 1, key: "k", on: true), 0),
                (.read(n: 1, force: false), 0), (.recall(n: 1), 1), (.update(title: "T"), 2), (.remove([users[1]]), 0),
                (.add([users[1]]), 0), (.leave, 0),
            ]
            for (change, user) in changes {
                try await bench.deliver(bench.commit(change, to: conversation, by: users[user]).appended())
            }
            _ = try await bench.commit(.delivered(n: 1), to: conversation, by: users[1]).noted()
            #expect(try await bench.summary(of: conversation, for: users[1])?.memberCount == 2)
            #expect(try await bench.history(of: conversation, for: users[2])?.messages.count == 1)
            #expect(try await bench.frames(of: users[2]).count == 10)
            _ = try await bench.apply(.mute(conversation, on: true), of: users[2])
            _ = try await bench.apply(.block(users[1], on: true), of: users[2])
            #expect(try await bench.conversations(of: users[2]).memberships.count == 1)
            #expect(try await bench.drift(of: users[2]) == 0)
            let (direct, lower, _) = try ChatBench.direct()
            try await bench.send(to: direct, by: lower)
            let tickets = try await answer {
                bench.store.claimUnfinished(limit: 9, beforeMilliseconds: now + 1, nowMilliseconds: now, $0)
            }
            #expect(tickets.map(\.conversation) == [direct])
        }
    }
}

extension Commit {
    /// As if it concerned one member alone.
    fileprivate init(_ commit: Commit, only member: UserID) {
        self = commit
        members = [member]
    }
}

extension Sequence {
    fileprivate func asyncMap<Value>(_ transform: (Element) async throws -> Value) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await transform(element)) }
        return values
    }
}
