import Chat
import Core
import Testing

// MARK: The log

extension ConversationStoreContract {
    static let logging: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("Entries follow any position of the log, page by page, with the head and everybody concerned") {
            stores in
            let (a, b, conversation) = ChatSample.pair()
            var log: [LogEntry] = []
            for index in 0..<9 {
                log.append(try await stores.send("\(index)", to: conversation, by: index % 2 == 0 ? a : b).entry)
            }
            let positions = [EntryPosition.start] + log.map(\.position)
            for user in [a, b] {
                for position in positions {
                    for limit in [1, 4, 100] {
                        let page = try #require(
                            await stores.entries(of: conversation, for: user, after: position, limit: limit))
                        #expect(page.from == position && !page.isForked && page.head == positions[9])
                        #expect(page.entries == Array(log.dropFirst(Int(position.number)).prefix(limit)))
                        #expect(page.members.sorted() == [a, b])
                    }
                }
                let page = try #require(await stores.entries(of: conversation, for: user, limit: 4))
                #expect(page.from == .start && page.entries == Array(log[..<4]) && page.head == positions[9])
            }
            let alone = try #require(await stores.entries(of: conversation, for: nil))
            #expect(alone.entries.isEmpty && alone.head == positions[9] && alone.members.sorted() == [a, b])
        },
        ContractCase("A position with another id, or beyond the head, is of another log") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var log: [LogEntry] = []
            for index in 0..<5 { log.append(try await stores.send("\(index)", to: conversation, by: a).entry) }
            let foreign = [
                EntryPosition(number: 3, id: "another"), EntryPosition(number: 5, id: log[3].position.id),
                EntryPosition(number: 6, id: log[4].position.id), EntryPosition(number: 6, id: "another"),
                EntryPosition(number: 900, id: "x"), EntryPosition(number: 1, id: ""),
            ]
            for position in foreign {
                let page = try #require(await stores.entries(of: conversation, for: b, after: position))
                #expect(page.isForked && page.entries.isEmpty, "\(position)")
                #expect(page.head == log[4].position)
            }
        },
        ContractCase("A member's log begins with the entry that let the member in") { stores in
            let users = ChatSample.users(3)
            let (conversation, created) = try await stores.group([users[0], users[1]])
            try await stores.send("1", to: conversation, by: users[0])
            let before = try await stores.send("2", to: conversation, by: users[0])
            let added = try await stores.append(.add([users[2]]), to: conversation, by: users[0])
            let after = try await stores.send("3", to: conversation, by: users[0])
            for position in [nil, .start, created.entry.position, before.entry.position] as [EntryPosition?] {
                let page = try #require(await stores.entries(of: conversation, for: users[2], after: position))
                #expect(page.from == before.entry.position && !page.isForked)
                #expect(page.entries == [added.entry, after.entry] && page.head == after.entry.position)
            }
            let rest = try await stores.entries(of: conversation, for: users[2], after: added.entry.position)
            #expect(rest?.from == added.entry.position && rest?.entries == [after.entry])
            let own = try await stores.entries(of: conversation, for: users[1])
            #expect(own?.from == .start && own?.entries.first == created.entry && own?.entries.count == 5)
        },
        ContractCase("Somebody who comes back begins again there, wherever the timeline stood") { stores in
            let users = ChatSample.users(2)
            let (conversation, created) = try await stores.group(users)
            let removed = try await stores.append(.remove([users[1]]), to: conversation, by: users[0])
            let between = try await stores.send("between", to: conversation, by: users[0])
            let added = try await stores.append(.add([users[1]]), to: conversation, by: users[0])
            let positions =
                [
                    nil, .start, created.entry.position, removed.entry.position, between.entry.position,
                ] as [EntryPosition?]
            for position in positions {
                let page = try #require(await stores.entries(of: conversation, for: users[1], after: position))
                #expect(page.from == between.entry.position && page.entries == [added.entry] && !page.isForked)
            }
        },
        ContractCase("Who was just removed has the log up to that entry, and is among those to be advanced") { stores in
            let users = ChatSample.users(3)
            let (conversation, created) = try await stores.group(users)
            let message = try await stores.send("1", to: conversation, by: users[0])
            let removed = try await stores.append(.remove([users[1]]), to: conversation, by: users[0])
            let everybody = try #require(await stores.entries(of: conversation, for: nil))
            #expect(Set(everybody.members) == Set(users), "a sweeper must bring the removal to the removed one too")
            let later = try await stores.send("2", to: conversation, by: users[0])
            let whole = try #require(
                await stores.entries(of: conversation, for: users[1], after: created.entry.position))
            #expect(whole.from == created.entry.position && whole.entries == [message.entry, removed.entry])
            #expect(whole.head == later.entry.position)
            let page = try #require(
                await stores.entries(of: conversation, for: users[1], after: message.entry.position, limit: 1))
            #expect(page.entries == [removed.entry])
        },
    ]
}

// MARK: What is not finished

extension ConversationStoreContract {
    /// Marks are handed out to whoever asks first, so these cases take turns, and each has an hour of its own that lies
    /// before all marks of others.
    private static let turns = Turnstile()

    static func claimCase(
        _ promise: String, _ check: @escaping @Sendable (ChatStoresUnderTest, Int64) async throws -> Void
    ) -> ContractCase<ChatStoresUnderTest> {
        ContractCase(promise) { stores in
            try await turns.alone { try await check(stores, ChatSample.earlierHour()) }
        }
    }

    static let unfinished: [ContractCase<ChatStoresUnderTest>] = [
        claimCase("A conversation that is not finished is handed out once its mark is old enough, for a minute") {
            stores, hour in
            let (a, b, conversation) = ChatSample.pair()
            let commit = try await stores.send("x", to: conversation, by: a, at: hour)
            #expect(try await stores.claimAll([conversation], before: hour, at: hour).isEmpty, "not old enough")
            let tickets = try await stores.claimAll([conversation], before: hour + 1, at: hour + 3000)
            #expect(tickets.count == 1 && tickets.first?.conversation == conversation)
            for later in [3001, 20_000, 62_000] as [Int64] {
                #expect(
                    try await stores.claimAll([conversation], before: hour + later - 3000, at: hour + later).isEmpty,
                    "claimed by another, \(later) ms after")
            }
            let again = try await stores.claimAll([conversation], before: hour + 117_000, at: hour + 120_000)
            #expect(again.count == 1, "the sweeper that had it is gone")
            for ticket in again { try await stores.finish(ticket) }
            #expect(try await stores.claimAll([conversation], before: hour + 600_000, at: hour + 600_000).isEmpty)
            #expect(try await stores.log(of: conversation, for: b) == [commit.entry])
        },
        claimCase("What is finished is not handed out") { stores, hour in
            let (a, b, conversation) = ChatSample.pair()
            for index in 0..<3 {
                let commit = try await stores.send("\(index)", to: conversation, by: a, at: hour + Int64(index))
                try await stores.finish(commit.ticket)
                try await stores.finish(commit.ticket)
            }
            let read = try await stores.append(.read(n: 2, force: false), to: conversation, by: b, at: hour + 5)
            try await stores.finish(read.ticket)
            #expect(try await stores.claimAll([conversation], before: hour + 9000, at: hour + 9000).isEmpty)
            let next = try await stores.send("next", to: conversation, by: b, at: hour + 9001)
            #expect(try await stores.claimAll([conversation], before: hour + 9002, at: hour + 12_000).count == 1)
            try await stores.finish(next.ticket)
        },
        claimCase("An old ticket does not take a newer mark away") { stores, hour in
            let (a, b, conversation) = ChatSample.pair()
            let first = try await stores.send("1", to: conversation, by: a, at: hour)
            let second = try await stores.send("2", to: conversation, by: b, at: hour)
            try await stores.finish(first.ticket)
            let claimed = try await stores.claimAll([conversation], before: hour + 1, at: hour + 3000)
            #expect(claimed.count == 1, "the second commit is not finished")
            // And what is appended while a sweeper works is not lost by the sweeper's finishing.
            let third = try await stores.send("3", to: conversation, by: b, at: hour + 4000)
            for ticket in claimed + [second.ticket] { try await stores.finish(ticket) }
            let rest = try await stores.claimAll([conversation], before: hour + 120_000, at: hour + 123_000)
            #expect(rest.count == 1)
            for ticket in rest + [third.ticket] { try await stores.finish(ticket) }
            #expect(try await stores.claimAll([conversation], before: hour + 600_000, at: hour + 600_000).isEmpty)
        },
        claimCase("Whoever finishes an entry does not take away the mark of a later one, whichever was marked first") {
            stores, hour in
            for _ in 0..<25 {
                let (a, b, conversation) = ChatSample.pair()
                let commits = try await withThrowingTaskGroup(of: Commit.self) { group in
                    for user in [a, b, a, b] {
                        group.addTask { try await stores.send("x", to: conversation, by: user, at: hour) }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }.sorted { $0.entry.position.number < $1.entry.position.number }
                // The node of the last one is dead: nobody knows of that entry but by its mark.
                for commit in commits.dropLast() { try await stores.finish(commit.ticket) }
                let claimed = try await stores.claimAll([conversation], before: hour + 1, at: hour + 3000)
                #expect(!claimed.isEmpty, "the last entry is not finished")
                for ticket in claimed + commits.suffix(1).map(\.ticket) { try await stores.finish(ticket) }
            }
        },
        claimCase("A duplicate is finished as a commit is") { stores, hour in
            let (a, _, conversation) = ChatSample.pair()
            let users = ChatSample.users(2)
            let send = ConversationChange.send(cid: ChatSample.cid(), body: ChatSample.body())
            let group = ConversationID.group(madeBy: users[0], cid: ChatSample.cid())
            let create = ConversationChange.create(title: nil, members: [users[1]])
            for (change, target, author) in [(send, conversation, a), (create, group, users[0])] {
                let first = try await stores.append(change, to: target, by: author, at: hour)
                let again = try await duplicate(stores, change, target, author, at: hour + 10)
                for commit in [first, again] { try await stores.finish(commit.ticket) }
            }
            #expect(
                try await stores.claimAll([conversation, group], before: hour + 9000, at: hour + 9000).isEmpty)
        },
        claimCase("Several sweepers at once get each conversation once, at most as many as they asked for") {
            stores, hour in
            var conversations: [ConversationID] = []
            for index in 0..<12 {
                let (a, _, conversation) = ChatSample.pair()
                conversations.append(conversation)
                try await stores.send("x", to: conversation, by: a, at: hour + Int64(index))
            }
            let claimed = try await withThrowingTaskGroup(of: [FanOutTicket].self) { group in
                for _ in 0..<8 {
                    group.addTask { try await stores.claim(limit: 2, before: hour + 1000, at: hour + 4000) }
                }
                return try await group.reduce(into: [[FanOutTicket]]()) { $0.append($1) }
            }
            #expect(claimed.allSatisfy { $0.count <= 2 })
            var tickets = claimed.flatMap { $0 }
            tickets += try await stores.claimAll(conversations, limit: 2, before: hour + 1000, at: hour + 4000)
            let names = tickets.map(\.conversation).filter(conversations.contains)
            #expect(names.count == 12 && Set(names) == Set(conversations))
            for ticket in tickets { try await stores.finish(ticket) }
            #expect(try await stores.claimAll(conversations, before: hour + 600_000, at: hour + 600_000).isEmpty)
        },
    ]
}
