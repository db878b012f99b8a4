import Chat
import Core
import Testing

// MARK: Cursors

extension ConversationStoreContract {
    static let reading: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("A read cursor is an entry that tells how many of the messages up to it are the reader's own") {
            stores in
            let (a, b, conversation) = ChatSample.pair()
            for author in [a, b, a, a, b] { try await stores.send("x", to: conversation, by: author) }
            for (reader, n, own) in [(a, 2, 1), (a, 4, 3), (b, 1, 0), (b, 5, 2), (a, 5, 3)] as [(UserID, Int64, Int64)]
            {
                let commit = try await stores.append(.read(n: n, force: false), to: conversation, by: reader)
                #expect(commit.entry.content == .read(n: n, own: own) && commit.entry.author == reader)
                #expect(commit.members.sorted() == [a, b] && commit.isFannedOut && commit.entry.messages == 5)
            }
            let summary = try #require(await stores.summary(of: conversation, for: a))
            #expect(summary.messages == 5 && summary.own == 3 && summary.readN == 5 && summary.readOwn == 3)
            #expect(
                summary.others == [ConversationSummary.MemberProgress(user: b, readN: 5, deliveredN: 0)]
                    || summary.others == [ConversationSummary.MemberProgress(user: b, readN: 5, deliveredN: 5)])
        },
        ContractCase("A cursor moves forward only; where it stands already, the reader's own side is told again") {
            stores in
            let (a, b, conversation) = ChatSample.pair()
            for author in [a, b, b, a] { try await stores.send("x", to: conversation, by: author) }
            try await stores.append(.read(n: 3, force: false), to: conversation, by: a)
            let head = try await stores.summary(of: conversation, for: a)?.head
            for force in [false, true] {
                #expect(
                    try await stores.commit(.read(n: 3, force: force), to: conversation, by: a)
                        == .cursor(n: 3, own: 1))
            }
            for n in [2, 0] as [Int64] {
                switch try await stores.commit(.read(n: n, force: false), to: conversation, by: a) {
                case .cursor(n: 3, own: 1): break
                case .noted(let audience) where !audience.changed: break
                case let other: Issue.record("reading \(n) after 3 came to \(other)")
                }
            }
            let summary = try await stores.summary(of: conversation, for: a)
            #expect(summary?.head == head && summary?.readN == 3 && summary?.readOwn == 1)
        },
        ContractCase("With force a cursor moves back, and forward again") { stores in
            let (a, b, conversation) = ChatSample.pair()
            for author in [a, b, b, a] { try await stores.send("x", to: conversation, by: author) }
            for (n, own) in [(4, 2), (1, 1), (3, 1), (0, 0), (2, 1)] as [(Int64, Int64)] {
                let commit = try await stores.append(.read(n: n, force: true), to: conversation, by: a)
                #expect(commit.entry.content == .read(n: n, own: own))
                let summary = try await stores.summary(of: conversation, for: a)
                #expect(summary?.readN == n && summary?.readOwn == own)
                #expect(try await stores.summary(of: conversation, for: b)?.others.first?.readN == n)
            }
        },
        ContractCase("Sending does not move the sender's cursor, and a cursor never stands beyond the newest message") {
            stores in
            let (a, b, conversation) = ChatSample.pair()
            try await stores.send("x", to: conversation, by: a)
            var summary = try await stores.summary(of: conversation, for: a)
            #expect(summary?.readN == 0 && summary?.readOwn == 0 && summary?.own == 1)
            _ = try await stores.commit(.read(n: 9, force: false), to: conversation, by: b)
            _ = try await stores.commit(.read(n: 9, force: true), to: conversation, by: b)
            for _ in 0..<3 { try await stores.send("x", to: conversation, by: a) }
            summary = try await stores.summary(of: conversation, for: b)
            #expect(summary?.readN ?? 0 <= 1, "what was sent later is unread")
        },
        ContractCase("delivered moves forward only, is no entry, and shows to the others") { stores in
            let (a, b, conversation) = ChatSample.pair()
            for _ in 0..<4 { try await stores.send("x", to: conversation, by: a) }
            let steps: [(Int64, Bool, Int64)] = [(2, true, 2), (2, false, 2), (1, false, 2), (.max, true, 4)]
            for (n, changed, at) in steps {
                let audience = try await stores.note(.delivered(n: n), to: conversation, by: b)
                #expect(audience.changed == changed && audience.members.sorted() == [a, b], "\(n)")
                #expect(audience.deliveredN == at, "\(n)")
                #expect(
                    try await stores.summary(of: conversation, for: a)?.others
                        == [ConversationSummary.MemberProgress(user: b, readN: 0, deliveredN: at)])
            }
            #expect(try await stores.summary(of: conversation, for: a)?.head.number == 4)
            #expect(try await stores.summary(of: conversation, for: b)?.others.first?.deliveredN == 0)
        },
        ContractCase("typing tells who may know, and stores nothing") { stores in
            let (a, b, conversation) = ChatSample.pair()
            let users = ChatSample.users(4)
            let (group, created) = try await stores.group(users)
            try await stores.send("x", to: conversation, by: a)
            #expect(try await stores.note(.typing, to: conversation, by: b).members.sorted() == [a, b])
            let audience = try await stores.note(.typing, to: group, by: users[2])
            #expect(audience.members.sorted() == users.sorted())
            #expect(try await stores.summary(of: conversation, for: a)?.head.number == 1)
            #expect(try await stores.summary(of: group, for: users[0])?.head == created.entry.position)
        },
        ContractCase("Reading and sending at the same time count every message once") { stores in
            let (a, b, conversation) = ChatSample.pair()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<30 {
                    group.addTask { try await stores.send("\(index)", to: conversation, by: index % 3 == 0 ? a : b) }
                    group.addTask {
                        _ = try await stores.commit(.read(n: Int64(index), force: false), to: conversation, by: a)
                    }
                }
                try await group.waitForAll()
            }
            let log = try await stores.log(of: conversation, for: a)
            #expect(log.map(\.position.number) == Array(1...Int64(log.count)))
            var (messages, own): (Int64, [Int64]) = (0, [0])
            for entry in log {
                if case .message = entry.content {
                    messages += 1
                    own.append((own.last ?? 0) + (entry.author == a ? 1 : 0))
                }
                #expect(entry.messages == messages)
                if case .read(let n, let counted) = entry.content {
                    #expect(n <= messages && counted == own[Int(n)])
                }
            }
            #expect(messages == 30 && own.last == 10)
            let summary = try #require(await stores.summary(of: conversation, for: a))
            #expect(summary.own == 10 && summary.readOwn == own[Int(summary.readN)])
        },
    ]
}
