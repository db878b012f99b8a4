import Chat
import Core
import Testing

/// The promises of `ConversationStore`.
///
/// The other parts stand in `ConversationStoreContract+Messages.swift`, `+Reading`, `+Blocks`, `+Groups`, `+GroupSizes`,
/// `+Log` and `+Unfinished`. Where the port leaves the code of a refusal open, so do the cases.
public enum ConversationStoreContract {
    public static let cases: [ContractCase<ChatStoresUnderTest>] =
        numbering + deduplicating + changing + showing + reading + blocking + grouping + succeeding + sizing + logging
        + unfinished
}

// MARK: Numbers

extension ConversationStoreContract {
    private static let numbering: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("A conversation of two is not there before its first message, and there for both after it") {
            stores in
            let (a, b, conversation) = ChatSample.pair()
            for user in [a, b] {
                #expect(try await stores.history(of: conversation, for: user) == HistoryPage(messages: [], more: false))
                #expect(try await stores.summary(of: conversation, for: user) == nil)
            }
            let id = EventID.new(atMilliseconds: Sample.now)
            let cid = ChatSample.cid()
            let body = ChatSample.body()
            let commit = try await stores.append(
                .send(cid: cid, body: body), to: conversation, by: b, id: id, at: Sample.now + 5)
            #expect(
                commit.entry
                    == LogEntry(
                        position: EntryPosition(number: 1, id: id.text), timestampMilliseconds: Sample.now + 5,
                        author: b, messages: 1, content: .message(cid: cid.text, body: body)))
            #expect(commit.previous == .start)
            #expect(commit.members.sorted() == [a, b])
            #expect(commit.isFannedOut && !commit.isLarge)
            #expect(commit.ticket.conversation == conversation)
            let message = StoredMessage(
                n: 1, id: id.text, timestampMilliseconds: Sample.now + 5, sender: b, cid: cid.text, body: body)
            for user in [a, b] {
                #expect(
                    try await stores.history(of: conversation, for: user)
                        == HistoryPage(messages: [message], more: false))
                #expect(try await stores.log(of: conversation, for: user) == [commit.entry])
                #expect(try await stores.summary(of: conversation, for: user)?.last == message)
            }
        },
        ContractCase("Entries and messages are numbered 1, 2, 3 … each on its own, and each entry names the one before")
        {
            stores in
            let (a, b, conversation) = ChatSample.pair()
            let changes: [(ConversationChange, UserID, Int64)] = [
                (.send(cid: ChatSample.cid(), body: ChatSample.body("1")), a, 1),
                (.send(cid: ChatSample.cid(), body: ChatSample.body("2")), b, 2),
                (.read(n: 1, force: false), b, 2),
                (.edit(n: 1, body: ChatSample.body("1a")), a, 2),
                (.react(n: 2, key: "👍", on: true), a, 2),
                (.send(cid: ChatSample.cid(), body: ChatSample.body("3")), b, 3),
                (.recall(n: 2), b, 3),
                (.send(cid: ChatSample.cid(), body: ChatSample.body("4")), a, 4),
            ]
            var previous = EntryPosition.start
            for (index, (change, author, messages)) in changes.enumerated() {
                let id = EventID.new(atMilliseconds: Sample.now)
                let commit = try await stores.append(change, to: conversation, by: author, id: id)
                #expect(commit.previous == previous)
                #expect(commit.entry.position == EntryPosition(number: Int64(index + 1), id: id.text))
                #expect(commit.entry.messages == messages && commit.entry.author == author)
                #expect(commit.members.sorted() == [a, b])
                previous = commit.entry.position
            }
            #expect(try await stores.history(of: conversation, for: a)?.messages.map(\.n) == [1, 2, 3, 4])
            #expect(try await stores.summary(of: conversation, for: a)?.head == previous)
            #expect(try await stores.summary(of: conversation, for: b)?.messages == 4)
        },
        ContractCase("Commits from many tasks get consecutive numbers, and none is lost") { stores in
            let (a, b, conversation) = ChatSample.pair()
            let commits = try await withThrowingTaskGroup(of: Commit.self) { group in
                for index in 0..<40 {
                    group.addTask { try await stores.send("\(index)", to: conversation, by: index % 2 == 0 ? a : b) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }.sorted { $0.entry.position.number < $1.entry.position.number }
            #expect(commits.map(\.entry.position.number) == Array(1...40))
            #expect(commits.map(\.entry.messages) == Array(1...40))
            #expect(commits.map(\.previous) == [.start] + commits.dropLast().map(\.entry.position))
            #expect(try await stores.log(of: conversation, for: a) == commits.map(\.entry))
        },
        ContractCase("Commits made one after another without waiting are applied in that order") { stores in
            let (a, _, conversation) = ChatSample.pair()
            let bodies = (0..<40).map { ChatSample.body("\($0)") }
            let page = try await answer { (done: @escaping Completion<HistoryPage?>) in
                for body in bodies {
                    stores.conversations.commit(
                        .send(cid: ChatSample.cid(), body: body), to: conversation, by: a,
                        id: .new(atMilliseconds: Sample.now), nowMilliseconds: Sample.now
                    ) { _ in }
                }
                stores.conversations.history(of: conversation, for: a, .before(nil), limit: 200, done)
            }
            #expect(page?.messages.map(\.body) == bodies)
        },
        ContractCase("Time does not run backwards in a log") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var times: [Int64] = []
            for offset in [5000, 3000, -100_000, 5001, 5000] as [Int64] {
                let commit = try await stores.send("x", to: conversation, by: a, at: Sample.now + offset)
                times.append(commit.entry.timestampMilliseconds - Sample.now)
            }
            #expect(times == [5000, 5000, 5000, 5001, 5001])
            #expect(
                try await stores.history(of: conversation, for: b)?.messages
                    .map { $0.timestampMilliseconds - Sample.now } == times)
        },
        ContractCase("Bodies are kept as they came, byte for byte") { stores in
            let (a, b, conversation) = ChatSample.pair()
            let texts = [
                "{}", "{ }", "{\t\"a\" :\n[ 1.0e+2 ,null ] \r\n}", "{\"a\":\"\\u0000\\ud83d\\ude00\\/\"}",
                "{\"日本\":\"🐦‍⬛ é e\u{301}\"}", "{\"%d\":\"$1 {0} [[x]] %%\"}", "{\"body\":{\"body\":1},\"ev\":\"x\"}",
                "{\"n\":9007199254740993,\"z\":-0.0}",
                "{\"t\":\"" + String(repeating: "ä", count: (Limits.bodyBytesMax - 8) / 2) + "\"}",
            ]
            let bodies = texts.map { Array($0.utf8) }
            #expect(bodies.allSatisfy { $0.count <= Limits.bodyBytesMax })
            for body in bodies {
                let commit = try await stores.append(
                    .send(cid: ChatSample.cid(), body: body), to: conversation, by: a)
                guard case .message(_, body) = commit.entry.content else {
                    Issue.record("\(body.text.prefix(60)) became \(commit.entry.content)")
                    continue
                }
            }
            #expect(try await stores.history(of: conversation, for: b)?.messages.map(\.body) == bodies)
            try await stores.append(.edit(n: 1, body: bodies[2]), to: conversation, by: a)
            #expect(try await stores.history(of: conversation, for: b, limit: 200)?.messages[0].body == bodies[2])
        },
        ContractCase("Conversations of users with colons in their ids are told apart") { stores in
            let token = RandomToken.make(length: 10)
            let names = [
                (token, "\(token)b:c"), ("\(token):\(token)b", "c"), ("\(token):", "\(token)::"), (":\(token)", "::"),
                ("@\(token)~", "+=\(token)."),
            ]
            let pairs = try names.map { (try #require(UserID($0)), try #require(UserID($1))) }
            for (index, (one, other)) in pairs.enumerated() {
                try await stores.send("\(index)", to: ChatSample.direct(one, other), by: one)
            }
            for (index, (one, other)) in pairs.enumerated() {
                for user in [one, other] {
                    let page = try await stores.history(of: ChatSample.direct(one, other), for: user)
                    #expect(page?.messages.map(\.body) == [ChatSample.body("\(index)")])
                    let summary = try await stores.summary(of: ChatSample.direct(one, other), for: user)
                    #expect(summary?.members.sorted() == [one, other].sorted())
                }
            }
        },
        ContractCase("A stranger gets not_found for everything, as if the conversation did not exist") { stores in
            let (a, b, direct) = ChatSample.pair()
            try await stores.send("x", to: direct, by: a)
            let (group, _) = try await stores.group([a, b])
            try await stores.send("x", to: group, by: b)
            let nowhere = ConversationID.newGroup()
            let stranger = Sample.user()
            for conversation in [direct, group, nowhere] {
                for change in everything(with: b) {
                    #expect(try await stores.refuse(change, to: conversation, by: stranger) == .notFound, "\(change)")
                }
                #expect(try await stores.history(of: conversation, for: stranger) == nil)
                #expect(try await stores.history(of: conversation, for: stranger, .after(0)) == nil)
                #expect(try await stores.summary(of: conversation, for: stranger) == nil)
                #expect(try await stores.entries(of: conversation, for: stranger) == nil)
                #expect(try await stores.entries(of: conversation, for: stranger, after: .start) == nil)
            }
            #expect(try await stores.entries(of: nowhere, for: nil) == nil)
            #expect(try await stores.summary(of: direct, for: a)?.head.number == 1)
            #expect(try await stores.summary(of: group, for: a)?.head.number == 2)
            #expect(try await stores.summary(of: group, for: a)?.members == [a, b])
        },
    ]

    /// One change of each kind, but for `create`.
    static func everything(with user: UserID) -> [ConversationChange] {
        [
            .send(cid: ChatSample.cid(), body: ChatSample.body()), .edit(n: 1, body: ChatSample.body()), .recall(n: 1),
            .react(n: 1, key: "x", on: true), .react(n: 1, key: "x", on: false), .read(n: 1, force: false),
            .read(n: 0, force: true), .delivered(n: 1), .typing, .block(on: true), .update(title: "x"), .add([user]),
            .remove([user]), .leave,
        ]
    }
}

// MARK: Deduplication

extension ConversationStoreContract {
    private static let deduplicating: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("The same cid with the same body is the first message again; with another body it is a conflict") {
            stores in
            let (a, b, conversation) = ChatSample.pair()
            let cid = ChatSample.cid()
            try await stores.send("before", to: conversation, by: b)
            let send = ConversationChange.send(cid: cid, body: ChatSample.body("one"))
            let first = try await stores.append(send, to: conversation, by: a)
            try await stores.send("after", to: conversation, by: b)
            let again = try await duplicate(stores, send, conversation, a)
            #expect(again.entry == first.entry && again.previous == first.previous)
            #expect(again.members.sorted() == [a, b] && again.isFannedOut && !again.isLarge)
            for other in ["two", "one ", ""] {
                let change = ConversationChange.send(cid: cid, body: ChatSample.body(other))
                #expect(try await stores.refuse(change, to: conversation, by: a) == .conflict)
            }
            #expect(try await stores.history(of: conversation, for: a)?.messages.map(\.n) == [1, 2, 3])
            #expect(try await stores.summary(of: conversation, for: a)?.head.number == 3)
            #expect(try await duplicate(stores, send, conversation, a).entry == first.entry)
        },
        ContractCase("A cid is the sender's own, and the conversation's") { stores in
            let (a, b, conversation) = ChatSample.pair()
            let c = Sample.user()
            let cid = ChatSample.cid()
            let (group, _) = try await stores.group([a, b])
            try await stores.append(.send(cid: cid, body: ChatSample.body("1")), to: conversation, by: a)
            try await stores.append(.send(cid: cid, body: ChatSample.body("2")), to: conversation, by: b)
            try await stores.append(.send(cid: cid, body: ChatSample.body("3")), to: group, by: a)
            try await stores.append(
                .send(cid: cid, body: ChatSample.body("4")), to: ChatSample.direct(a, c), by: a)
            #expect(try await stores.history(of: conversation, for: a)?.messages.map(\.cid) == [cid.text, cid.text])
        },
        ContractCase("A duplicate stays one after its message was edited or recalled, and brings nothing back") {
            stores in
            let (a, b, conversation) = ChatSample.pair()
            let (edited, recalled) = (ChatSample.cid(), ChatSample.cid())
            for cid in [edited, recalled] {
                try await stores.append(.send(cid: cid, body: ChatSample.body("one")), to: conversation, by: a)
            }
            try await stores.append(.edit(n: 1, body: ChatSample.body("two")), to: conversation, by: a)
            try await stores.append(.recall(n: 2), to: conversation, by: a)
            let history = try await stores.history(of: conversation, for: b)
            let log = try await stores.log(of: conversation, for: b)
            for (cid, n) in [(edited, 1), (recalled, 2)] {
                let send = ConversationChange.send(cid: cid, body: ChatSample.body("one"))
                #expect(try await duplicate(stores, send, conversation, a).entry == log[n - 1])
                let other = ConversationChange.send(cid: cid, body: ChatSample.body("two"))
                #expect(try await stores.refuse(other, to: conversation, by: a) == .conflict)
            }
            #expect(log[1].content == .message(cid: recalled.text, body: nil))
            #expect(try await stores.history(of: conversation, for: b) == history)
            #expect(try await stores.log(of: conversation, for: b) == log)
        },
        ContractCase("A cid is remembered for the whole horizon, whatever comes between, and not for ever") { stores in
            let (a, b, conversation) = ChatSample.pair()
            let send = ConversationChange.send(cid: ChatSample.cid(), body: ChatSample.body("one"))
            let horizon = stores.limits.dedupMilliseconds
            let first = try await stores.append(send, to: conversation, by: a)
            for offset in [-60_000, 0, horizon / 2, horizon - 1] {
                try await stores.send("\(offset)", to: conversation, by: b, at: Sample.now + offset)
                let again = try await duplicate(stores, send, conversation, a, at: Sample.now + offset)
                #expect(again.entry == first.entry, "\(offset) ms after")
            }
            let late = try await stores.append(send, to: conversation, by: a, at: Sample.now + 3 * horizon)
            #expect(late.entry.messages == 6)
            #expect(
                try await duplicate(stores, send, conversation, a, at: Sample.now + 3 * horizon).entry == late.entry)
        },
        ContractCase("The same message from many tasks is stored once, and all get the one answer") { stores in
            let (a, b, conversation) = ChatSample.pair()
            let send = ConversationChange.send(cid: ChatSample.cid(), body: ChatSample.body("one"))
            let outcomes = try await withThrowingTaskGroup(of: CommitOutcome.self) { group in
                for _ in 0..<20 { group.addTask { try await stores.commit(send, to: conversation, by: a) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            var appended: [LogEntry] = []
            var duplicates: [LogEntry] = []
            for outcome in outcomes {
                switch outcome {
                case .appended(let commit): appended.append(commit.entry)
                case .duplicate(let commit): duplicates.append(commit.entry)
                default: Issue.record("\(outcome)")
                }
            }
            #expect(appended.count == 1 && duplicates.count == 19)
            #expect(Set(appended + duplicates).count == 1)
            #expect(try await stores.history(of: conversation, for: b)?.messages.count == 1)
        },
    ]

    static func duplicate(
        _ stores: ChatStoresUnderTest, _ change: ConversationChange, _ conversation: ConversationID, _ author: UserID,
        at now: Int64 = Sample.now
    ) async throws -> Commit {
        let outcome = try await stores.commit(change, to: conversation, by: author, at: now)
        guard case .duplicate(let commit) = outcome else { throw TestFailure("not a duplicate: \(outcome)") }
        return commit
    }
}
