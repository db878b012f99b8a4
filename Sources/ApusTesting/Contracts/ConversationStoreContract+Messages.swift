import Chat
import Core
import Testing

// MARK: Edits, recalls, reactions

extension ConversationStoreContract {
    static let changing: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("An edit is an entry, puts the new body into the message, and leaves earlier edits as they are") {
            stores in
            let (a, b, conversation) = ChatSample.pair()
            let first = try await stores.send("one", to: conversation, by: a)
            let bodies = ["two", "three"].map { ChatSample.body($0) }
            for (index, body) in bodies.enumerated() {
                let now = Sample.now + Int64(index + 1) * 1000
                let commit = try await stores.append(.edit(n: 1, body: body), to: conversation, by: a, at: now)
                #expect(commit.entry.content == .edited(n: 1, body: body))
                #expect(commit.entry.messages == 1 && commit.members.sorted() == [a, b])
                let message = try await stores.history(of: conversation, for: b)?.messages.first
                #expect(message?.body == body && message?.editedMilliseconds == now)
                #expect(message?.timestampMilliseconds == Sample.now && message?.id == first.entry.position.id)
                #expect(try await stores.summary(of: conversation, for: b)?.last == message)
            }
            let log = try await stores.log(of: conversation, for: b)
            guard case .message(let cid, _) = first.entry.content else { throw TestFailure("\(first)") }
            #expect(
                log.map(\.content) == [
                    .message(cid: cid, body: bodies[1]), .edited(n: 1, body: bodies[0]), .edited(n: 1, body: bodies[1]),
                ])
        },
        ContractCase("A recall takes the body out of the message and of all its edits, for everyone, and of no other") {
            stores in
            let (a, b, conversation) = ChatSample.pair()
            let first = try await stores.send("secret", to: conversation, by: a)
            try await stores.send("other", to: conversation, by: a)
            try await stores.append(.edit(n: 1, body: ChatSample.body("secret 2")), to: conversation, by: a)
            try await stores.append(.edit(n: 2, body: ChatSample.body("other 2")), to: conversation, by: a)
            try await stores.append(.edit(n: 1, body: ChatSample.body("secret 3")), to: conversation, by: a)
            let recall = try await stores.append(.recall(n: 1), to: conversation, by: a)
            #expect(recall.entry.content == .recalled(n: 1) && recall.entry.messages == 2)
            for user in [a, b] {
                let messages = try #require(await stores.history(of: conversation, for: user)?.messages)
                #expect(messages.map(\.body) == [nil, ChatSample.body("other 2")])
                #expect(messages.map(\.n) == [1, 2] && messages[0].id == first.entry.position.id)
                let log = try await stores.log(of: conversation, for: user)
                try #require(log.count == 6)
                guard case .message(_, nil) = log[0].content, case .message(_, _?) = log[1].content else {
                    Issue.record("\(log[0].content) and \(log[1].content)")
                    continue
                }
                #expect(
                    log.dropFirst(2).map(\.content) == [
                        .edited(n: 1, body: nil), .edited(n: 2, body: ChatSample.body("other 2")),
                        .edited(n: 1, body: nil), .recalled(n: 1),
                    ])
            }
            try await stores.append(.recall(n: 2), to: conversation, by: a)
            #expect(try await stores.summary(of: conversation, for: b)?.last?.body == .some(nil))
        },
        ContractCase("Only the sender may edit or recall a message, and only messages that are there") { stores in
            let (a, b, conversation) = ChatSample.pair()
            let (group, _) = try await stores.group([b, a])
            for target in [conversation, group] {
                try await stores.send("mine", to: target, by: a)
                let before = try await stores.log(of: target, for: a)
                // In the group, b is the owner: that changes nothing.
                try await stores.refuse(.edit(n: 1, body: ChatSample.body("x")), to: target, by: b)
                try await stores.refuse(.recall(n: 1), to: target, by: b)
                for n in [0, 2, -1, 1 << 40] as [Int64] {
                    try await stores.refuse(.edit(n: n, body: ChatSample.body("x")), to: target, by: a)
                    try await stores.refuse(.recall(n: n), to: target, by: a)
                    try await stores.refuse(.react(n: n, key: "x", on: true), to: target, by: a)
                }
                #expect(try await stores.log(of: target, for: a) == before)
            }
        },
        ContractCase("What was recalled cannot be edited or reacted to; recalling it again changes nothing") { stores in
            let (a, b, conversation) = ChatSample.pair()
            try await stores.send("x", to: conversation, by: a)
            try await stores.append(.recall(n: 1), to: conversation, by: a)
            let change = ConversationChange.edit(n: 1, body: ChatSample.body())
            #expect(try await stores.refuse(change, to: conversation, by: a) == .notFound)
            for user in [a, b] {
                let reaction = ConversationChange.react(n: 1, key: "x", on: true)
                #expect(try await stores.refuse(reaction, to: conversation, by: user) == .notFound)
            }
            let audience = try await stores.note(.recall(n: 1), to: conversation, by: a)
            #expect(!audience.changed && audience.members.sorted() == [a, b])
            try await stores.refuse(.recall(n: 1), to: conversation, by: b)
            #expect(try await stores.summary(of: conversation, for: a)?.head.number == 2)
        },
        ContractCase("A message can be edited for as long as the limit says, and recalled at any time") { stores in
            let (a, _, conversation) = ChatSample.pair()
            try await stores.send("x", to: conversation, by: a)
            let end = Sample.now + stores.limits.editMilliseconds
            let edit = ConversationChange.edit(n: 1, body: ChatSample.body("y"))
            try await stores.append(edit, to: conversation, by: a, at: end - 1000)
            // An edit does not begin the time anew.
            try await stores.refuse(
                .edit(n: 1, body: ChatSample.body("z")), to: conversation, by: a, at: end + 1000)
            #expect(try await stores.history(of: conversation, for: a)?.messages[0].body == ChatSample.body("y"))
            try await stores.append(.recall(n: 1), to: conversation, by: a, at: end * 2)
        },
        ContractCase("Reactions stand with the message: keys by first appearance, users as they reacted") { stores in
            let users = ChatSample.users(3)
            let (conversation, _) = try await stores.group(users)
            try await stores.send("x", to: conversation, by: users[0])
            let keys = ["👍", "a b", "x:y|{}[]", "__proto__", "%d", String(repeating: "é", count: 16), "1"]
            var expected: [StoredMessage.Reaction] = []
            for key in keys {
                let order = key == "a b" ? users.reversed() : users
                for user in order {
                    let commit = try await stores.append(
                        .react(n: 1, key: key, on: true), to: conversation, by: user)
                    #expect(commit.entry.content == .reaction(n: 1, key: key, on: true))
                    #expect(commit.entry.author == user && Set(commit.members) == Set(users))
                }
                expected.append(StoredMessage.Reaction(key: key, users: order))
            }
            #expect(try await stores.history(of: conversation, for: users[1])?.messages[0].reactions == expected)
            #expect(try await stores.summary(of: conversation, for: users[1])?.last?.reactions == expected)
            let off = try await stores.append(.react(n: 1, key: "👍", on: false), to: conversation, by: users[1])
            #expect(off.entry.content == .reaction(n: 1, key: "👍", on: false))
            for user in users {
                try await stores.append(.react(n: 1, key: "a b", on: false), to: conversation, by: user)
            }
            expected[0].users = [users[0], users[2]]
            expected.remove(at: 1)
            #expect(try await stores.history(of: conversation, for: users[1])?.messages[0].reactions == expected)
        },
        ContractCase("Setting a reaction that is set, or taking one off that is not, changes nothing") { stores in
            let (a, b, conversation) = ChatSample.pair()
            try await stores.send("x", to: conversation, by: a)
            try await stores.append(.react(n: 1, key: "x", on: true), to: conversation, by: a)
            for (change, user) in [
                (ConversationChange.react(n: 1, key: "x", on: true), a), (.react(n: 1, key: "x", on: false), b),
                (.react(n: 1, key: "X", on: false), a),
            ] {
                let audience = try await stores.note(change, to: conversation, by: user)
                #expect(!audience.changed && audience.members.sorted() == [a, b])
            }
            #expect(try await stores.summary(of: conversation, for: a)?.head.number == 2)
            #expect(
                try await stores.history(of: conversation, for: a)?.messages[0].reactions
                    == [StoredMessage.Reaction(key: "x", users: [a])])
        },
        ContractCase("A message has so many reactions and no more, until one is taken off") { stores in
            let (a, b, conversation) = ChatSample.pair()
            try await stores.send("x", to: conversation, by: a)
            try await stores.send("y", to: conversation, by: a)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<Limits.reactionsPerMessageMax {
                    group.addTask {
                        try await stores.append(
                            .react(n: 1, key: "\(index / 2)", on: true), to: conversation, by: index % 2 == 0 ? a : b)
                    }
                }
                try await group.waitForAll()
            }
            let before = try await stores.summary(of: conversation, for: a)?.head
            try await stores.refuse(.react(n: 1, key: "more", on: true), to: conversation, by: b)
            #expect(try await stores.summary(of: conversation, for: a)?.head == before)
            try await stores.append(.react(n: 2, key: "more", on: true), to: conversation, by: b)
            try await stores.append(.react(n: 1, key: "7", on: false), to: conversation, by: a)
            try await stores.append(.react(n: 1, key: "more", on: true), to: conversation, by: b)
            try await stores.refuse(.react(n: 1, key: "7", on: true), to: conversation, by: a)
            let reactions = try await stores.history(of: conversation, for: a)?.messages[0].reactions
            #expect(reactions?.reduce(0) { $0 + $1.users.count } == Limits.reactionsPerMessageMax)
        },
        ContractCase("A refused change changes nothing and uses no number up") { stores in
            let (a, b, conversation) = ChatSample.pair()
            let cid = ChatSample.cid()
            try await stores.append(.send(cid: cid, body: ChatSample.body("1")), to: conversation, by: a)
            let before = try await stores.history(of: conversation, for: b)
            for change in [
                ConversationChange.send(cid: cid, body: ChatSample.body("2")), .edit(n: 9, body: ChatSample.body()),
                .recall(n: 9), .react(n: 9, key: "x", on: true), .update(title: "x"), .add([Sample.user()]),
                .remove([b]), .leave,
            ] {
                try await stores.refuse(change, to: conversation, by: a)
            }
            #expect(try await stores.history(of: conversation, for: b) == before)
            let next = try await stores.send("next", to: conversation, by: b)
            #expect(next.entry.position.number == 2 && next.entry.messages == 2)
            #expect(try await stores.summary(of: conversation, for: a)?.members.sorted() == [a, b])
        },
    ]
}

// MARK: History

extension ConversationStoreContract {
    static let showing: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("History is read in both directions, ascending, page by page, and says whether there is more") {
            stores in
            let (a, b, conversation) = ChatSample.pair()
            for index in 1...11 {
                try await stores.send("\(index)", to: conversation, by: index % 3 == 0 ? b : a)
                try await stores.append(.react(n: Int64(index), key: "x", on: true), to: conversation, by: b)
            }
            func check(_ range: HistoryRange, _ limit: Int, _ expected: ClosedRange<Int64>?, more: Bool) async throws {
                let page = try await stores.history(of: conversation, for: a, range, limit: limit)
                #expect(page?.messages.map(\.n) == expected.map(Array.init) ?? [], "\(range), \(limit)")
                #expect(page?.more == more, "\(range), \(limit)")
            }
            try await check(.before(nil), 4, 8...11, more: true)
            try await check(.before(8), 4, 4...7, more: true)
            try await check(.before(4), 4, 1...3, more: false)
            try await check(.before(4), 3, 1...3, more: false)
            try await check(.before(5), 3, 2...4, more: true)
            try await check(.before(1), 4, nil, more: false)
            try await check(.before(100), 1, 11...11, more: true)
            try await check(.before(nil), 11, 1...11, more: false)
            try await check(.before(nil), 200, 1...11, more: false)
            try await check(.after(0), 4, 1...4, more: true)
            try await check(.after(4), 4, 5...8, more: true)
            try await check(.after(8), 4, 9...11, more: false)
            try await check(.after(7), 4, 8...11, more: false)
            try await check(.after(11), 4, nil, more: false)
            try await check(.after(100), 4, nil, more: false)
        },
        ContractCase("Edits, recalls and reactions show in every page that has their message") { stores in
            let (a, b, conversation) = ChatSample.pair()
            for index in 1...6 { try await stores.send("\(index)", to: conversation, by: a) }
            try await stores.append(.edit(n: 2, body: ChatSample.body("2a")), to: conversation, by: a)
            try await stores.append(.react(n: 3, key: "k", on: true), to: conversation, by: b)
            try await stores.append(.recall(n: 5), to: conversation, by: a)
            let whole = try #require(await stores.history(of: conversation, for: b)?.messages)
            #expect(
                whole.map(\.body) == [
                    ChatSample.body("1"), ChatSample.body("2a"), ChatSample.body("3"), ChatSample.body("4"), nil,
                    ChatSample.body("6"),
                ])
            #expect(whole.map { $0.editedMilliseconds != nil } == [false, true, false, false, false, false])
            #expect(whole[2].reactions == [StoredMessage.Reaction(key: "k", users: [b])])
            #expect(whole.allSatisfy { $0.sender == a })
            for limit in 1...6 {
                var (down, up): ([StoredMessage], [StoredMessage]) = ([], [])
                while let page = try await stores.history(
                    of: conversation, for: a, .before(down.first?.n), limit: limit)
                {
                    down = page.messages + down
                    if !page.more { break }
                }
                while let page = try await stores.history(
                    of: conversation, for: a, .after(up.last?.n ?? 0), limit: limit)
                {
                    up += page.messages
                    if !page.more { break }
                }
                #expect(down == whole && up == whole, "pages of \(limit)")
            }
        },
        ContractCase("Summaries come in the order of the question, nil where the user is no member") { stores in
            let (a, b, direct) = ChatSample.pair()
            let (group, _) = try await stores.group([a, b])
            let (foreign, _) = try await stores.group([Sample.user(), b])
            try await stores.send("x", to: direct, by: a)
            let unknown = ChatSample.direct(a, Sample.user())
            let asked = [unknown, group, foreign, direct, .newGroup(), group]
            let answered = try await stores.summaries(of: asked, for: a)
            #expect(answered.map { $0?.conversation } == [nil, group, nil, direct, nil, group])
            #expect(try await stores.summaries(of: [], for: a).isEmpty)
        },
    ]
}
