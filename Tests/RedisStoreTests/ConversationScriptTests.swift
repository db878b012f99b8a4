import ApusTesting
import Chat
import Core
import Testing

@testable import RedisStore

/// What the contract of conversations cannot see: records, keys, and the arithmetic of the scripts.
@Suite("The scripts of a conversation", .redis())
struct ConversationScriptTests {
    private let now = ChatBench.now

    @Test("send.lua writes these keys and records, and the functions of lib_conversations.lua read them back")
    func records() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        let first = try await bench.send("a", cid: ChatBench.cid("c-1"), to: conversation, by: lower)
        let second = try await bench.send("b", cid: ChatBench.cid("c-2"), to: conversation, by: higher, at: now - 5)
        #expect(
            try await bench.log(of: conversation) == [
                "\(first.entry.position.id)|m|1|0||c-1|{\"text\":\"a\"}",
                // A clock that is behind: the time is not less than that of the entry before.
                "\(second.entry.position.id)|m|2|1|5|c-2|{\"text\":\"b\"}",
            ])
        #expect(try await bench.keys(of: conversation) == ["m", "p", "l", "q0"])
        #expect(first.previous == .start && second.previous == first.entry.position)
        #expect(second.entry.timestampMilliseconds == now && second.members == [lower, higher])
        let page = try #require(try await bench.entries(of: conversation, for: lower))
        #expect(page.entries == [first.entry, second.entry] && page.head == second.entry.position)
    }

    @Test(
        "send.lua keeps times of ids that are no ULIDs", arguments: ["x", "01J-no-ulid", "01jzzzzzzzzzzzzzzzzzzzzzzz"])
    func otherIDs(id: String) async throws {
        let bench = try ChatBench()
        let (conversation, lower, _) = try ChatBench.direct()
        let id = try #require(EventID(id))
        let outcome = try await answer {
            bench.store.commit(
                .send(cid: ChatBench.cid(), body: ChatBench.body("é\u{7F}")), to: conversation, by: lower, id: id,
                nowMilliseconds: now, $0)
        }
        let entry = try outcome.appended().entry
        #expect(entry.position.id == id.text && entry.timestampMilliseconds == now)
        #expect(try await bench.entries(of: conversation, for: lower)?.entries == [entry])
    }

    @Test("The time of a ULID is read alike by lib_conversations.lua and in Swift")
    func ulids() throws {
        for time: Int64 in [0, 1, now, 1 << 48 - 1] {
            #expect(ULIDTime.milliseconds(of: EventID.new(atMilliseconds: time).text) == time)
        }
        for other in ["", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "01JZZZZZZZZZZZZZZZZZZZZZZU", "01JZ"] {
            #expect(ULIDTime.milliseconds(of: other) == 0)
        }
    }

    @Test(
        "send.lua answers what was sent before, also when edited, recalled or blocked since; and refuses another body")
    func duplicates() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        let cid = ChatBench.cid()
        let sent = try await bench.send("a", cid: cid, to: conversation, by: lower)
        let again = ConversationChange.send(cid: cid, body: ChatBench.body("a"))
        let other = ConversationChange.send(cid: cid, body: ChatBench.body("b"))
        // The cid is the sender's own.
        try await bench.send("a", cid: cid, to: conversation, by: higher)
        #expect(try await bench.commit(again, to: conversation, by: lower).duplicate().entry == sent.entry)
        for change in [ConversationChange.edit(n: 1, body: ChatBench.body("b")), .recall(n: 1), .block(on: true)] {
            _ = try await bench.commit(change, to: conversation, by: lower)
            let duplicate = try await bench.commit(again, to: conversation, by: lower).duplicate()
            #expect(duplicate.entry.position == sent.entry.position && duplicate.previous == sent.previous)
            #expect(try await bench.commit(other, to: conversation, by: lower).refusal == .conflict)
        }
        #expect(
            try await bench.commit(.send(cid: ChatBench.cid(), body: []), to: conversation, by: higher).refusal
                == .forbidden)
        #expect(try await bench.log(of: conversation).count == 4)
    }

    @Test("send.lua remembers for the horizon, in two generations")
    func generations() async throws {
        let bench = try ChatBench()
        let horizon = StoreLimits.forTests.dedupMilliseconds
        let (conversation, lower, _) = try ChatBench.direct()
        let cid = ChatBench.cid()
        let again = ConversationChange.send(cid: cid, body: ChatBench.body("x"))
        try await bench.send(cid: cid, to: conversation, by: lower)
        _ = try await bench.commit(again, to: conversation, by: lower, at: now + horizon - 1).duplicate()
        let later = try await bench.commit(again, to: conversation, by: lower, at: now + horizon).appended()
        #expect(later.entry.messages == 2)
        #expect(try await bench.keys(of: conversation).isSuperset(of: ["q0", "q1"]))
        let found = try await bench.commit(again, to: conversation, by: lower, at: now + 2 * horizon - 1).duplicate()
        #expect(found.entry.position == later.entry.position)
    }

    @Test("send.lua does not take a message for another one that has the same fingerprint")
    func collision() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        try await bench.send("a", to: conversation, by: higher)
        let cid = ChatBench.cid()
        try await bench.send("b", cid: cid, to: conversation, by: lower)
        // Everything that is remembered points to the first message now.
        let key = RedisKeys.sent(conversation)[0]
        let script =
            "for _, f in ipairs(redis.call('HKEYS', KEYS[1])) do if f ~= '' then"
            + " redis.call('HSET', KEYS[1], f, '0:1:12345678') end end return 1"
        _ = try await bench.redis("EVAL", script, "1", key)
        let third = try await bench.send("b", cid: cid, to: conversation, by: lower)
        #expect(third.entry.messages == 3)
    }

    @Test("revise.lua: a recall takes the body out of the message and out of every edit, and leaves all else")
    func recall() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        try await bench.send("a", to: conversation, by: lower)
        try await bench.send("b", to: conversation, by: higher)
        for text in ["a2", "a3"] {
            let change = ConversationChange.edit(n: 1, body: ChatBench.body(text))
            _ = try await bench.commit(change, to: conversation, by: lower, at: now + 7).appended()
        }
        #expect(
            try await bench.entries(of: conversation, for: higher)?.entries.map(\.sketch) == [
                "message 1 {\"text\":\"a3\"}", "message 2 {\"text\":\"b\"}", "edited 1 {\"text\":\"a2\"}",
                "edited 1 {\"text\":\"a3\"}",
            ])
        #expect(try await bench.history(of: conversation, for: higher)?.messages[0].editedMilliseconds == now + 7)
        _ = try await bench.commit(.recall(n: 1), to: conversation, by: lower).appended()
        #expect(try await !bench.commit(.recall(n: 1), to: conversation, by: lower).noted().changed)
        #expect(
            try await bench.entries(of: conversation, for: higher)?.entries.map(\.sketch) == [
                "message 1 -", "message 2 {\"text\":\"b\"}", "edited 1 -", "edited 1 -", "recalled 1",
            ])
        #expect(try await bench.log(of: conversation).allSatisfy { !$0.contains("\"a") })
    }

    @Test("revise.lua packs reactions by key, in the order in which they came")
    func reactions() async throws {
        let bench = try ChatBench()
        let users = ChatBench.users(3)
        let (conversation, _) = try await bench.group(users)
        try await bench.send(to: conversation, by: users[0])
        let steps: [(Int, String, Bool)] = [
            (1, "👍", true), (0, "heart", true), (2, "👍", true), (0, "👍", true), (2, "👍", false), (0, "heart", false),
        ]
        for (user, key, on) in steps {
            let change = ConversationChange.react(n: 1, key: key, on: on)
            _ = try await bench.commit(change, to: conversation, by: users[user]).appended()
            #expect(try await !bench.commit(change, to: conversation, by: users[user]).noted().changed)
        }
        let message = try #require(try await bench.history(of: conversation, for: users[2])?.messages.first)
        #expect(message.reactions == [.init(key: "👍", users: [users[1], users[0]])])
        for user in [1, 0] {
            _ = try await bench.commit(.react(n: 1, key: "👍", on: false), to: conversation, by: users[user])
        }
        #expect(try await !bench.keys(of: conversation).contains("r"))
    }

    @Test("revise.lua refuses what is not one's own, too late, recalled, unknown or too much, and writes nothing")
    func refusals() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        try await bench.send("a", to: conversation, by: lower)
        let window = StoreLimits.forTests.editMilliseconds
        func refusal(_ change: ConversationChange, by user: UserID, at now: Int64? = nil) async throws -> ErrorCode? {
            try await bench.commit(change, to: conversation, by: user, at: now ?? self.now).refusal
        }
        let edit = ConversationChange.edit(n: 1, body: ChatBench.body("b"))
        #expect(try await refusal(edit, by: higher) == .forbidden)
        #expect(try await refusal(.recall(n: 1), by: higher) == .forbidden)
        #expect(try await refusal(edit, by: lower, at: now + window + 1) == .forbidden)
        for n in [Int64.min, -1, 0, 2, .max] {
            #expect(try await refusal(.edit(n: n, body: [0x7B, 0x7D]), by: lower) == .notFound)
            #expect(try await refusal(.react(n: n, key: "k", on: true), by: higher) == .notFound)
        }
        #expect(try await refusal(edit, by: RedisFixture.user()) == .notFound)
        #expect(try await refusal(.leave, by: lower) == .badRequest)
        #expect(try await bench.log(of: conversation).count == 1)
        _ = try await bench.commit(edit, to: conversation, by: lower, at: now + window - 1).appended()
        _ = try await bench.commit(.block(on: true), to: conversation, by: higher)
        #expect(try await refusal(edit, by: lower) == .forbidden)
        #expect(try await refusal(.react(n: 1, key: "k", on: true), by: lower) == .forbidden)
        _ = try await bench.commit(.block(on: false), to: conversation, by: higher)
        _ = try await bench.commit(.recall(n: 1), to: conversation, by: lower).appended()
        #expect(try await refusal(edit, by: lower) == .notFound)
        #expect(try await refusal(.react(n: 1, key: "k", on: true), by: higher) == .notFound)
    }

    @Test("revise.lua edits a message so many times")
    func editsMax() async throws {
        let bench = try ChatBench()
        let (conversation, lower, _) = try ChatBench.direct()
        try await bench.send("a", to: conversation, by: lower)
        var last: CommitOutcome?
        for number in 0...Limits.editsPerMessageMax {
            let change = ConversationChange.edit(n: 1, body: ChatBench.body("\(number)"))
            last = try await bench.commit(change, to: conversation, by: lower)
        }
        #expect(last?.refusal == .tooLarge)
        _ = try await bench.commit(.recall(n: 1), to: conversation, by: lower).appended()
        #expect(try await bench.log(of: conversation).allSatisfy { !$0.contains("text") })
    }

    @Test("progress.lua counts the own messages up to any n right, wherever the cursor stands", arguments: 0..<4)
    func ownCounts(seed: UInt64) async throws {
        let bench = try ChatBench()
        var generator = SeededGenerator(seed: seed)
        let (conversation, lower, higher) = try ChatBench.direct()
        var senders: [UserID] = []
        for _ in 0..<60 {
            switch Int.random(in: 0..<4, using: &generator) {
            case 0, 1:
                senders.append(Bool.random(using: &generator) ? lower : higher)
                try await bench.send(to: conversation, by: senders[senders.count - 1])
            case 2 where !senders.isEmpty:
                let n = Int64.random(in: 1...Int64(senders.count), using: &generator)
                let change = ConversationChange.react(n: n, key: "k", on: Bool.random(using: &generator))
                _ = try await bench.commit(change, to: conversation, by: higher)
            default:
                guard !senders.isEmpty else { continue }
                let n = Int.random(in: 0...senders.count, using: &generator)
                let change = ConversationChange.read(n: Int64(n), force: true)
                let own = Int64(senders[..<n].count { $0 == lower })
                switch try await bench.commit(change, to: conversation, by: lower) {
                case .appended(let commit): #expect(commit.entry.content == .read(n: Int64(n), own: own))
                case .cursor(let at, let counted): #expect(at == n && counted == own)
                case let other: Issue.record("\(other)")
                }
            }
        }
    }

    @Test("progress.lua moves cursors forward, and backward by force; never past the newest message")
    func cursors() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        func read(_ n: Int64, _ force: Bool = false) async throws -> CommitOutcome {
            try await bench.commit(.read(n: n, force: force), to: conversation, by: lower)
        }
        for _ in 0..<3 { try await bench.send(to: conversation, by: higher) }
        #expect(try await read(.max).appended().entry.content == .read(n: 3, own: 0))
        #expect(try await read(2) == .cursor(n: 3, own: 0))
        #expect(try await read(3, true) == .cursor(n: 3, own: 0))
        #expect(try await read(-5, true).appended().entry.content == .read(n: 0, own: 0))
        let delivered = ConversationChange.delivered(n: 2)
        #expect(
            try await bench.commit(delivered, to: conversation, by: lower).noted()
                == .init(members: [lower, higher], changed: true, deliveredN: 2))
        #expect(try await !bench.commit(delivered, to: conversation, by: lower).noted().changed)
        #expect(try await bench.commit(.typing, to: conversation, by: lower).noted().members.count == 2)
        let summary = try #require(try await bench.summary(of: conversation, for: higher))
        #expect(summary.others == [.init(user: lower, readN: 0, deliveredN: 2)])
        #expect(summary.own == 3 && summary.readN == 0 && summary.messages == 3)
    }

    @Test("progress.lua appends no cursor in a conversation with more members than are told of it")
    func manyReaders() async throws {
        let bench = try ChatBench()
        let users = ChatBench.users(Limits.receiptMembersMax + 1)
        let (conversation, _) = try await bench.group(users)
        try await bench.send(to: conversation, by: users[0])
        let read = ConversationChange.read(n: 1, force: false)
        #expect(try await bench.commit(read, to: conversation, by: users[1]) == .cursor(n: 1, own: 0))
        #expect(try await bench.summary(of: conversation, for: users[1])?.readN == 1)
        #expect(try await bench.summary(of: conversation, for: users[1])?.others == [])
        _ = try await bench.commit(.remove([users[2]]), to: conversation, by: users[0]).appended()
        #expect(try await bench.commit(read, to: conversation, by: users[3]).appended().entry.sketch == "read 1 0")
    }

    @Test("A block is known before the first message, and is no conversation")
    func blockBefore() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        let block = ConversationChange.block(on: true)
        #expect(
            try await bench.commit(block, to: conversation, by: lower).noted() == .init(members: [lower], changed: true)
        )
        #expect(try await !bench.commit(block, to: conversation, by: lower).noted().changed)
        let send = ConversationChange.send(cid: ChatBench.cid(), body: ChatBench.body("x"))
        #expect(try await bench.commit(send, to: conversation, by: higher).refusal == .forbidden)
        #expect(try await bench.summary(of: conversation, for: lower) == nil)
        #expect(try await bench.entries(of: conversation, for: lower) == nil)
        #expect(try await bench.history(of: conversation, for: lower) == HistoryPage(messages: [], more: false))
        #expect(try await bench.commit(.typing, to: conversation, by: lower).refusal == .notFound)
        _ = try await bench.commit(.block(on: false), to: conversation, by: lower)
        _ = try await bench.commit(send, to: conversation, by: higher).appended()
        _ = try await bench.commit(block, to: conversation, by: lower)
        #expect(try await bench.summary(of: conversation, for: lower)?.isBlocked == true)
        #expect(try await bench.commit(.typing, to: conversation, by: higher).noted().members == [higher])
        #expect(try await bench.commit(.delivered(n: 1), to: conversation, by: higher).noted().members == [higher])
    }

    @Test("history.lua and summary.lua find messages among other entries", arguments: [1, 7, 60])
    func history(limit: Int) async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        for number in 1...23 {
            try await bench.send("\(number)", to: conversation, by: number % 3 == 0 ? higher : lower)
            for step in 0..<(number % 5) {
                let change = ConversationChange.react(n: 1, key: "k\(step)", on: number % 2 == 0)
                _ = try await bench.commit(change, to: conversation, by: higher)
            }
        }
        var (backward, forward): ([Int64], [Int64]) = ([], [])
        var range = HistoryRange.before(nil)
        while true {
            let page = try #require(try await bench.history(of: conversation, for: higher, range, limit: limit))
            backward = page.messages.map(\.n) + backward
            guard page.more, let first = page.messages.first else { break }
            range = .before(first.n)
        }
        range = .after(.min)
        while true {
            let page = try #require(try await bench.history(of: conversation, for: lower, range, limit: limit))
            forward += page.messages.map(\.n)
            #expect(page.messages.allSatisfy { $0.body == ChatBench.body("\($0.n)") })
            guard page.more, let last = page.messages.last else { break }
            range = .after(last.n)
        }
        #expect(backward == Array(1...23) && forward == Array(1...23))
        for edge in [HistoryRange.before(1), .before(.min), .after(23), .after(.max)] {
            let page = try await bench.history(of: conversation, for: lower, edge, limit: limit)
            #expect(page == HistoryPage(messages: [], more: false))
        }
        #expect(try await bench.summary(of: conversation, for: lower)?.last?.body == ChatBench.body("23"))
    }

    @Test("entries.lua says that a log forked, by number and by id")
    func forks() async throws {
        let bench = try ChatBench()
        let (conversation, lower, _) = try ChatBench.direct()
        var last = EntryPosition.start
        for _ in 0..<3 { last = try await bench.send(to: conversation, by: lower).entry.position }
        for position in [
            EntryPosition(number: 4, id: "x"), .init(number: 3, id: "x"), .init(number: .max, id: last.id),
        ] {
            let page = try #require(try await bench.entries(of: conversation, for: lower, after: position))
            #expect(page.isForked && page.entries.isEmpty && page.head == last)
        }
        let page = try #require(try await bench.entries(of: conversation, for: lower, after: .start, limit: 2))
        #expect(!page.isForked && page.entries.map(\.position.number) == [1, 2] && page.from == .start)
        #expect(try await bench.entries(of: conversation, for: lower, after: last)?.entries == [])
        #expect(try await bench.entries(of: conversation, for: RedisFixture.user()) == nil)
    }

    @Test("A full server refuses changes whole")
    func full() async throws {
        try await RedisFixture.with { fixture in
            let bench = try ChatBench(fixture)
            let (conversation, lower, _) = try ChatBench.direct()
            let cid = ChatBench.cid()
            try await bench.send("a", to: conversation, by: lower)
            let before = try await bench.log(of: conversation)
            try await fixture.server.command("CONFIG", "SET", "maxmemory", "1mb")
            let changes: [ConversationChange] = [
                .send(cid: cid, body: ChatBench.body("b")), .edit(n: 1, body: ChatBench.body("b")), .recall(n: 1),
                .react(n: 1, key: "k", on: true), .read(n: 1, force: false), .delivered(n: 1), .block(on: true),
            ]
            for change in changes {
                let error = await #expect(throws: StoreError.self) {
                    try await bench.commit(change, to: conversation, by: lower)
                }
                #expect(error?.outcome == .notStored, "\(change)")
            }
            #expect(try await bench.log(of: conversation) == before)
            try await fixture.server.command("CONFIG", "SET", "maxmemory", "0")
            #expect(try await bench.send("b", cid: cid, to: conversation, by: lower).entry.messages == 2)
        }
    }
}
