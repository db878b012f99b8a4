import ApusTesting
import Chat
import Core
import Testing

@testable import RedisStore

/// Who is in a group, who was, and what they may see of it.
@Suite("The scripts of a group", .redis())
struct GroupScriptTests {
    private let now = ChatBench.now

    @Test("group.lua makes a group once for one author and cid")
    func creation() async throws {
        let bench = try ChatBench()
        let users = ChatBench.users(3)
        let conversation = ConversationID.group(madeBy: users[0], cid: ChatBench.cid())
        let create = ConversationChange.create(title: "T \u{1F} =", members: [users[1], users[2], users[0], users[1]])
        let made = try await bench.commit(create, to: conversation, by: users[0]).appended()
        #expect(made.entry.content == .group(GroupChange(kind: .created, title: "T \u{1F} =", users: users)))
        #expect(made.members == users && made.isFannedOut && !made.isLarge)
        #expect(try await bench.keys(of: conversation) == ["m", "p", "g", "l"])
        let again = try await bench.commit(.create(title: nil, members: []), to: conversation, by: users[0]).duplicate()
        #expect(
            again
                == Commit(
                    entry: made.entry, previous: .start, members: users, isFannedOut: true, isLarge: false,
                    ticket: again.ticket))
        #expect(try await bench.commit(create, to: conversation, by: users[1]).refusal == .conflict)
        let summary = try #require(try await bench.summary(of: conversation, for: users[1]))
        #expect(summary.members == users && summary.memberCount == 3 && summary.owner == users[0])
        #expect(
            summary.title == "T \u{1F} =" && summary.last == nil && summary.others.map(\.user) == [users[0], users[2]])
    }

    @Test("group.lua changes the title, and who is in it; what was so before is noted")
    func changes() async throws {
        let bench = try ChatBench()
        let users = ChatBench.users(4)
        let (conversation, _) = try await bench.group(Array(users[..<2]))
        func commit(_ change: ConversationChange, by user: Int) async throws -> CommitOutcome {
            try await bench.commit(change, to: conversation, by: users[user])
        }
        let titled = try await commit(.update(title: "T"), by: 1).appended()
        #expect(titled.entry.content == .group(GroupChange(kind: .updated, title: "T")))
        #expect(try await !commit(.update(title: "T"), by: 0).noted().changed)
        let added = try await commit(.add([users[1], users[2], users[3], users[2]]), by: 1).appended()
        #expect(added.entry.content == .group(GroupChange(kind: .added, users: [users[2], users[3]])))
        #expect(added.members == users)
        #expect(try await !commit(.add([users[2]]), by: 3).noted().changed)
        #expect(try await commit(.remove([users[2]]), by: 1).refusal == .forbidden)
        #expect(try await commit(.remove([users[2], users[0]]), by: 0).refusal == .badRequest)
        let removed = try await commit(.remove([users[2], RedisFixture.user()]), by: 0).appended()
        #expect(removed.entry.content == .group(GroupChange(kind: .removed, users: [users[2]])))
        #expect(removed.members == [users[0], users[1], users[3], users[2]])
        #expect(try await commit(.typing, by: 2).refusal == .notFound)
        #expect(try await commit(.block(on: true), by: 2).refusal == .notFound)
        #expect(try await commit(.block(on: true), by: 1).refusal == .badRequest)
        let left = try await commit(.leave, by: 0).appended()
        #expect(left.members == [users[1], users[3], users[0]])
        #expect(try await bench.summary(of: conversation, for: users[3])?.owner == users[1])
        for user in [1, 3] { _ = try await commit(.leave, by: user).appended() }
        #expect(try await commit(.leave, by: 3).refusal == .notFound)
        #expect(
            try await bench.entries(of: conversation, for: nil)?.members == [users[2], users[0], users[1], users[3]])
    }

    @Test("group.lua takes no more members than the limit")
    func members() async throws {
        var limits = StoreLimits.forTests
        limits.groupMembers = 3
        let users = ChatBench.users(5)
        let conversation = ConversationID.newGroup()
        func commit(_ change: ConversationChange) async throws -> CommitOutcome {
            try await run(change, to: conversation, by: users[0], limits)
        }
        #expect(try await commit(.create(title: nil, members: Array(users[1...3]))).refusal == .tooLarge)
        _ = try await commit(.create(title: nil, members: [users[1]])).appended()
        #expect(try await commit(.add([users[2], users[3]])).refusal == .tooLarge)
        _ = try await commit(.add([users[1], users[2]])).appended()
    }

    /// Runs a change with other limits than the store's.
    private func run(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, _ limits: StoreLimits
    ) async throws -> CommitOutcome {
        let store = try RedisFixture.the().store
        let ticket = FanOutTicket(conversation: conversation, mark: "1")
        let call = ScriptCall.commit(
            change, to: conversation, by: author, id: .new(atMilliseconds: now), now: now, limits, ticket: ticket)
        return try await answer { store.run(call, $0) }
    }

    @Test("In a large group only those who come, go or do it are written to")
    func large() async throws {
        let bench = try ChatBench()
        var limits = StoreLimits.forTests
        limits.groupFanOut = 3
        let users = ChatBench.users(6)
        let conversation = ConversationID.newGroup()
        func commit(_ change: ConversationChange) async throws -> Commit {
            try await run(change, to: conversation, by: users[0], limits).appended()
        }
        let made = try await commit(.create(title: nil, members: Array(users[1...2])))
        #expect(!made.isLarge && made.isFannedOut && made.members == Array(users[...2]))
        let added = try await commit(.add([users[3], users[4]]))
        #expect(added.isLarge && added.isFannedOut && added.members == [users[0], users[3], users[4]])
        let message = try await commit(.send(cid: ChatBench.cid(), body: ChatBench.body("x")))
        #expect(message.isLarge && !message.isFannedOut && message.members == Array(users[...4]))
        let titled = try await commit(.update(title: "T"))
        #expect(titled.isLarge && !titled.isFannedOut)
        let removed = try await commit(.remove([users[1]]))
        #expect(removed.isLarge && removed.isFannedOut && removed.members == [users[0], users[1]])
        let small = try await commit(.remove([users[2]]))
        #expect(!small.isLarge && small.members == [users[0], users[3], users[4], users[2]])
        // Long after, only those who came since are to be brought forward.
        for _ in 0..<200 { _ = try await commit(.send(cid: ChatBench.cid(), body: ChatBench.body("x"))) }
        let newest = try await commit(.add([users[5]]))
        let call = ScriptCall.entries(of: conversation, for: nil, after: nil, limit: 0, limits)
        let page = try await answer { bench.store.run(call, $0) }
        #expect(newest.isLarge && page?.members == [users[5]])
    }

    @Test("Those who join see what follows; those who went see up to their going, and soon nothing")
    func views() async throws {
        let bench = try ChatBench()
        let users = ChatBench.users(3)
        let (conversation, _) = try await bench.group(Array(users[..<2]))
        try await bench.send("before", to: conversation, by: users[0])
        let added = try await bench.commit(.add([users[2]]), to: conversation, by: users[0]).appended()
        try await bench.send("between", to: conversation, by: users[2])
        let (joiner, first) = (users[2], added.previous)
        var page = try #require(try await bench.entries(of: conversation, for: joiner))
        #expect(page.from == first && page.entries.map(\.sketch) == ["added 1", "message 2 {\"text\":\"between\"}"])
        page = try #require(
            try await bench.entries(of: conversation, for: joiner, after: EntryPosition(number: 1, id: "any")))
        #expect(page.from == first && !page.isForked)
        #expect(try await bench.history(of: conversation, for: joiner)?.messages.map(\.n) == [2])
        #expect(try await bench.history(of: conversation, for: joiner, .after(0))?.messages.map(\.n) == [2])
        #expect(
            try await bench.commit(.react(n: 1, key: "k", on: true), to: conversation, by: joiner).refusal == .notFound)
        // The cursor does not go back before the joining.
        #expect(
            try await bench.commit(.read(n: 0, force: true), to: conversation, by: joiner) == .cursor(n: 1, own: 0))

        let removed = try await bench.commit(.remove([joiner]), to: conversation, by: users[0]).appended()
        try await bench.send("after", to: conversation, by: users[0])
        page = try #require(try await bench.entries(of: conversation, for: joiner, after: added.entry.position))
        #expect(page.entries.map(\.sketch) == ["message 2 {\"text\":\"between\"}", "removed 1"])
        #expect(page.members == users && page.head.number == 6)
        page = try #require(try await bench.entries(of: conversation, for: joiner, after: removed.entry.position))
        #expect(page.entries.isEmpty && !page.isForked)
        #expect(try await bench.history(of: conversation, for: joiner) == nil)
        #expect(try await bench.summary(of: conversation, for: joiner) == nil)
        // After so many entries they are no part of it any more, and the next change of the membership forgets them.
        for _ in 0..<Limits.departureEntries { try await bench.send(to: conversation, by: users[0]) }
        #expect(try await bench.entries(of: conversation, for: nil)?.members == Array(users[..<2]))
        _ = try await bench.commit(.leave, to: conversation, by: users[1]).appended()
        #expect(try await bench.entries(of: conversation, for: joiner) == nil)
        #expect(try await bench.redis("HLEN", RedisKeys.records(conversation)) == .integer(2))
    }

    @Test("Who joins again begins anew")
    func rejoining() async throws {
        let bench = try ChatBench()
        let users = ChatBench.users(2)
        let (conversation, made) = try await bench.group(users)
        try await bench.deliver(made)
        for user in [1, 1, 0] { try await bench.deliver(bench.send(to: conversation, by: users[user])) }
        try await bench.deliver(bench.commit(.leave, to: conversation, by: users[1]).appended())
        #expect(try await bench.conversations(of: users[1]).memberships.isEmpty)
        try await bench.deliver(bench.send("unseen", to: conversation, by: users[0]))
        try await bench.deliver(bench.commit(.add([users[1]]), to: conversation, by: users[0]).appended())
        for user in [0, 1, 0] { try await bench.deliver(bench.send("new", to: conversation, by: users[user])) }
        let summary = try #require(try await bench.summary(of: conversation, for: users[1]))
        #expect(summary.messages == 7 && summary.readN == 4 && summary.readOwn == 0 && summary.own == 1)
        let membership = try #require(try await bench.conversations(of: users[1]).memberships.first)
        #expect(membership.counts == ConversationCounts(messages: 7, own: 1, readN: 4, readOwn: 0))
        #expect(membership.cursor == summary.head && membership.counts.unread == 2)
        let frames = try await bench.frames(of: users[1])
        #expect(frames.count == 9 && frames.allSatisfy { !$0.contains("unseen") })
        let read = try await bench.commit(.read(n: 6, force: false), to: conversation, by: users[1]).appended()
        #expect(read.entry.content == .read(n: 6, own: 1))
        try await bench.deliver(read)
        #expect(try await bench.state(of: users[1], in: conversation)?.conversationUnread == 1)
        #expect(try await bench.drift(of: users[1]) == 0)
    }
}

/// Marks of several nodes and sweepers meet in these entries.
@Suite("The scripts of what is not finished", .redis())
struct FanOutScriptTests {
    private let now = ChatBench.now

    private func claim(_ bench: ChatBench, before: Int64, at now: Int64, limit: Int = 1000) async throws
        -> [FanOutTicket]
    {
        try await answer {
            bench.store.claimUnfinished(limit: limit, beforeMilliseconds: before, nowMilliseconds: now, $0)
        }
    }

    @Test("Each commit has a mark of its own, and finishing one leaves the others")
    func marks() async throws {
        let bench = try ChatBench()
        let (conversation, lower, _) = try ChatBench.direct()
        let first = try await bench.send(to: conversation, by: lower)
        let second = try await bench.send(to: conversation, by: lower)
        #expect(try await bench.marks(of: conversation) == [first.ticket.mark, second.ticket.mark])
        try await answer { bench.store.finish(second.ticket, $0) }
        #expect(try await bench.marks(of: conversation) == [first.ticket.mark])
        try await answer { bench.store.finish(first.ticket, $0) }
        #expect(try await bench.marks(of: conversation).isEmpty)
    }

    @Test("A refused change leaves no mark, and takes away no other one")
    func refused() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        let first = try await bench.send(to: conversation, by: lower)
        _ = try await bench.commit(.edit(n: 1, body: ChatBench.body("y")), to: conversation, by: higher)
        try await eventually("only the first mark is left") {
            try await bench.marks(of: conversation) == [first.ticket.mark]
        }
        try await answer { bench.store.finish(first.ticket, $0) }
        _ = try await bench.commit(.typing, to: conversation, by: higher)
        #expect(try await bench.marks(of: conversation).isEmpty)
    }

    @Test("fanout_claim.lua hands out what was marked before a time, for a minute, and again when that is over")
    func claims() async throws {
        try await RedisFixture.with { fixture in
            let bench = try ChatBench(fixture)
            var tickets: Set<FanOutTicket> = []
            for _ in 0..<10 {
                let (conversation, lower, _) = try ChatBench.direct()
                tickets.insert(try await bench.send(to: conversation, by: lower).ticket)
            }
            #expect(try await claim(bench, before: now, at: now + 9).isEmpty)
            let some = try await claim(bench, before: now + 1, at: now + 10, limit: 4)
            let rest = try await claim(bench, before: now + 1, at: now + 10)
            #expect(some.count == 4 && rest.count == 6 && Set(some + rest) == tickets)
            #expect(try await claim(bench, before: now + 100_000, at: now + 60_009).isEmpty)
            // One is finished; to another conversation something was added meanwhile.
            try await answer { bench.store.finish(some[0], $0) }
            let changed = some[1].conversation
            guard case .direct(let lower, _) = changed.kind else { return }
            let later = try await bench.send(to: changed, by: lower, at: now + 20)
            try await answer { bench.store.finish(some[1], $0) }
            #expect(try await bench.marks(of: changed) == [later.ticket.mark])
            let again = try await claim(bench, before: now, at: now + 60_011)
            #expect(Set(again) == tickets.subtracting(some[0...1]))
            #expect(try await claim(bench, before: now + 21, at: now + 60_012) == [later.ticket])
        }
    }

    @Test("A message in a large group leaves no mark")
    func large() async throws {
        var limits = StoreLimits.forTests
        limits.groupFanOut = 1
        try await RedisFixture.with(limits: limits) { fixture in
            let bench = try ChatBench(fixture)
            let users = ChatBench.users(2)
            let (conversation, made) = try await bench.group(users)
            #expect(made.isLarge && made.isFannedOut)
            #expect(try await bench.marks(of: conversation) == [made.ticket.mark])
            try await bench.deliver(made)
            #expect(try await !bench.send(to: conversation, by: users[0]).isFannedOut)
            try await eventually("no mark is left") { try await bench.marks(of: conversation).isEmpty }
        }
    }
}
