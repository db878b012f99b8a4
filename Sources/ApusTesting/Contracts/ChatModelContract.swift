import Chat
import Core
import Notifications
import Testing
import Timelines

/// What the two ports of chat promise together: commits of one, brought to timelines through the other by `FanOut`.
///
/// The walk against a model stands in `ChatModelContract+Walk.swift`.
public enum ChatModelContract {
    public static let cases: [ContractCase<ChatStoresUnderTest>] = meeting + losing + growing + walking

    /// Reads what is new in a user's timeline and lets the auditor look at it.
    static func audit(
        _ auditor: inout TimelineAuditor, _ record: ChatRecord, _ stores: ChatStoresUnderTest
    ) async throws {
        for _ in 0..<100 {
            let (user, seq) = (auditor.user, Int64(auditor.timeline.count))
            let page = try await answer {
                stores.timelines.read(user, after: seq, last: nil, epoch: nil, limit: 50, $0)
            }
            guard page.resync == nil else { throw TestFailure("the timeline of \(user) cannot be read: \(page)") }
            try auditor.observe(page.entries, of: record)
            if !page.more { break }
        }
        let kept = try await stores.timeline(of: auditor.user)
        guard kept == auditor.timeline.suffix(kept.count) else {
            throw TestFailure("the timeline of \(auditor.user) changed: \(kept.map(\.frame.text))")
        }
    }

    /// Looks at the timelines of all these users, which must be at the head of the conversation.
    static func auditAll(
        _ users: [UserID], in conversation: ConversationID, _ commits: [Commit], _ stores: ChatStoresUnderTest
    ) async throws -> [UserID: TimelineAuditor] {
        var record = ChatRecord()
        for commit in commits { record.add(commit.entry, in: conversation) }
        var auditors: [UserID: TimelineAuditor] = [:]
        for user in users {
            var auditor = TimelineAuditor(user)
            try await audit(&auditor, record, stores)
            #expect(auditor.seat(conversation).number == Int64(commits.count), "\(user)")
            #expect(try await stores.messages(of: user) == auditor.messages)
            auditors[user] = auditor
        }
        return auditors
    }
}

// MARK: Both ports

extension ChatModelContract {
    private static let meeting: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("A commit that was brought to its members is in every timeline, and finished") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var commits: [Commit] = []
            for index in 0..<5 {
                let commit = try await stores.send("\(index)", to: conversation, by: index % 2 == 0 ? a : b)
                let run = try await stores.driver.bring(commit, nowMilliseconds: Sample.now)
                #expect(run.isFinished)
                #expect(run.appended.mapValues { $0.map(\.seq) } == [a: [Int64(index + 1)], b: [Int64(index + 1)]])
                commits.append(commit)
            }
            let read = try await stores.append(.read(n: 3, force: false), to: conversation, by: b)
            try await stores.driver.bring(read, nowMilliseconds: Sample.now)
            let auditors = try await auditAll([a, b], in: conversation, commits + [read], stores)
            #expect(auditors[a]?.messages == 2 && auditors[b]?.messages == 1)
            #expect(try await stores.state(of: b, in: conversation)?.readN == 3)
        },
        ContractCase("Nodes that bring the same commits at once, in any order, bring each once and in the log's order")
        {
            stores in
            let users = ChatSample.users(4)
            let (conversation, created) = try await stores.group(users)
            var commits = [created]
            for index in 0..<12 {
                commits.append(try await stores.send("\(index)", to: conversation, by: users[index % 4]))
            }
            commits.append(
                try await stores.append(.edit(n: 1, body: ChatSample.body()), to: conversation, by: users[0]))
            commits.append(try await stores.append(.recall(n: 2), to: conversation, by: users[1]))
            let (driver, all) = (stores.driver, commits)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        for commit in all.shuffled() { try await driver.bring(commit, nowMilliseconds: Sample.now) }
                    }
                }
                try await group.waitForAll()
            }
            _ = try await auditAll(users, in: conversation, commits, stores)
        },
        ContractCase("A duplicate brings what the first commit did not, and a recall is not undone by it") { stores in
            let (a, b, conversation) = ChatSample.pair()
            let send = ConversationChange.send(cid: ChatSample.cid(), body: ChatSample.body("secret"))
            let first = try await stores.append(send, to: conversation, by: a)
            let again = try await ConversationStoreContract.duplicate(stores, send, conversation, a)
            try await stores.driver.catchUp(again.ticket, nowMilliseconds: Sample.now)
            let recall = try await stores.append(.recall(n: 1), to: conversation, by: a)
            try await stores.driver.bring(recall, nowMilliseconds: Sample.now)
            let late = try await ConversationStoreContract.duplicate(stores, send, conversation, a)
            for commit in [late, first] {
                for user in [a, b] { try await stores.driver.bring(commit, to: user, nowMilliseconds: Sample.now) }
            }
            _ = try await auditAll([a, b], in: conversation, [first, recall], stores)
        },
        ContractCase("Whoever is far behind gets all of it, in pages") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var commits: [Commit] = []
            for index in 0..<60 { commits.append(try await stores.send("\(index)", to: conversation, by: a)) }
            var driver = stores.driver
            driver.pageLimit = 7
            let last = try #require(commits.last)
            let run = try await driver.bring(last, to: b, nowMilliseconds: Sample.now)
            #expect(run.appended[b]?.map(\.seq) == Array(1...60))
            try await driver.bring(last, nowMilliseconds: Sample.now)
            _ = try await auditAll([a, b], in: conversation, commits, stores)
        },
    ]
}

// MARK: Losses

extension ChatModelContract {
    private static let losing: [ContractCase<ChatStoresUnderTest>] = [
        ConversationStoreContract.claimCase("What a dead node left is brought by a sweeper, and nothing twice") {
            stores, hour in
            let users = ChatSample.users(3)
            let (conversation, created) = try await stores.group(users)
            try await stores.driver.bring(created, nowMilliseconds: hour)
            let commits = [
                try await stores.send("nobody was told", to: conversation, by: users[0], at: hour),
                try await stores.send("one was told", to: conversation, by: users[1], at: hour + 1),
                try await stores.append(.remove([users[2]]), to: conversation, by: users[0], at: hour + 2),
            ]
            try await stores.driver.bring(commits[1], to: users[1], nowMilliseconds: hour)
            let runs = try await stores.driver.sweep(
                beforeMilliseconds: hour + 3, nowMilliseconds: hour + 3003, wanted: [conversation])
            #expect(!runs.isEmpty && runs.allSatisfy(\.isFinished))
            _ = try await auditAll(users, in: conversation, [created] + commits, stores)
            #expect(try await stores.list(of: users[2]).isEmpty)
            #expect(
                try await stores.claimAll([conversation], before: hour + 600_000, at: hour + 600_000).isEmpty)
        },
        ConversationStoreContract.claimCase(
            "One who was removed by a node that died is told of it, although a later commit was finished"
        ) { stores, hour in
            let users = ChatSample.users(3)
            let (conversation, created) = try await stores.group(users)
            try await stores.driver.bring(created, nowMilliseconds: hour)
            for change in [ConversationChange.remove([users[2]]), .leave] {
                let author = change == .leave ? users[1] : users[0]
                try await stores.append(change, to: conversation, by: author, at: hour)
                let later = try await stores.send("later", to: conversation, by: users[0], at: hour + 1)
                try await stores.driver.bring(later, nowMilliseconds: hour)
            }
            _ = try await stores.driver.sweep(
                beforeMilliseconds: hour + 2, nowMilliseconds: hour + 3002, wanted: [conversation])
            for user in users[1...] { #expect(try await stores.list(of: user).isEmpty, "\(user)") }
        },
        ContractCase("One who was removed and added again before being told counts from coming back on") { stores in
            for wasTold in [true, false] {
                let users = ChatSample.users(2)
                let (conversation, created) = try await stores.group(users)
                if wasTold { try await stores.driver.bring(created, nowMilliseconds: Sample.now) }
                var commits = [
                    created, try await stores.send("own, before", to: conversation, by: users[1]),
                    try await stores.append(.remove([users[1]]), to: conversation, by: users[0]),
                    try await stores.append(.add([users[1]]), to: conversation, by: users[0]),
                    try await stores.send("own, after", to: conversation, by: users[1]),
                    try await stores.send("new", to: conversation, by: users[0]),
                    try await stores.send("newer", to: conversation, by: users[0]),
                ]
                try await stores.driver.bring(commits[6], nowMilliseconds: Sample.now)
                #expect(try await stores.messages(of: users[1]) == 2)
                commits.append(try await stores.append(.read(n: 3, force: false), to: conversation, by: users[1]))
                try await stores.driver.bring(commits[7], nowMilliseconds: Sample.now)
                let auditors = try await auditAll(users, in: conversation, commits, stores)
                #expect(auditors[users[1]]?.messages == 1 && auditors[users[0]]?.messages == 2)
                let summary = try #require(await stores.summary(of: conversation, for: users[1]))
                let counts = ConversationCounts(
                    messages: summary.messages, own: summary.own, readN: summary.readN, readOwn: summary.readOwn)
                #expect(counts.unread == 1, "the conversation's side says the same")
            }
        },
    ]
}

// MARK: Large groups

extension ChatModelContract {
    private static let growing: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("A group too large to be written to is in the lists, and counts in no totals") { stores in
            let users = ChatSample.users(stores.limits.groupFanOut + 1)
            let (conversation, created) = try await stores.group(users)
            let run = try await stores.driver.bring(created, nowMilliseconds: Sample.now)
            #expect(run.appended.count == users.count)
            for index in 0..<3 {
                let commit = try await stores.send("\(index)", to: conversation, by: users[0])
                #expect(try await stores.driver.bring(commit, nowMilliseconds: Sample.now).appended.isEmpty)
            }
            let reader = users[5]
            #expect(try await stores.timeline(of: reader).map(\.id) == [created.entry.position.id])
            #expect(try await stores.messages(of: reader) == 0)
            #expect(try await stores.list(of: reader).map(\.conversation) == [conversation])
            let outcome = try await stores.commit(.read(n: 2, force: false), to: conversation, by: reader)
            guard case .cursor(let n, let own) = outcome else { throw TestFailure("\(outcome)") }
            _ = try await stores.driver.moveCursor(
                of: reader, in: conversation, n: n, own: own, force: false, id: .new(atMilliseconds: Sample.now),
                nowMilliseconds: Sample.now)
            #expect(try await stores.state(of: reader, in: conversation)?.readN == 2)
            #expect(try await stores.messages(of: reader) == 0)
            let summary = try #require(await stores.summary(of: conversation, for: reader))
            #expect(summary.messages - summary.readN == 1)
        },
        ContractCase("When a group has become small enough again, its members get what they had to read from the log") {
            stores in
            let users = ChatSample.users(stores.limits.groupFanOut + 1)
            let (conversation, created) = try await stores.group(users)
            var commits = [created]
            for index in 0..<3 { commits.append(try await stores.send("\(index)", to: conversation, by: users[1])) }
            commits.append(try await stores.append(.leave, to: conversation, by: users[2]))
            commits.append(try await stores.send("small", to: conversation, by: users[1]))
            for commit in commits { try await stores.driver.bring(commit, nowMilliseconds: Sample.now) }
            let rest = [users[0], users[1], users[users.count - 1]]
            let auditors = try await auditAll(rest, in: conversation, commits, stores)
            #expect(auditors[users[0]]?.messages == 4 && auditors[users[1]]?.messages == 0)
            #expect(try await stores.list(of: users[2]).isEmpty)
        },
    ]
}
