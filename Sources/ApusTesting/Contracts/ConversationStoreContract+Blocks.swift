import Chat
import Core
import Testing

// MARK: Blocks

extension ConversationStoreContract {
    static let blocking: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("While one of the two blocks the other, neither can send, edit or react, and nothing is stored") {
            stores in
            for blockerIsFirst in [true, false] {
                let (a, b, conversation) = ChatSample.pair()
                for user in [a, b] { try await stores.send("x", to: conversation, by: user) }
                let (blocker, blocked) = blockerIsFirst ? (a, b) : (b, a)
                let before = try await traces(stores, conversation, [a, b])
                let audience = try await stores.note(.block(on: true), to: conversation, by: blocker)
                #expect(audience == CommitOutcome.Audience(members: [blocker], changed: true))
                for user in [blocker, blocked] {
                    let n: Int64 = user == a ? 1 : 2
                    let cid = ChatSample.cid()
                    for change in [
                        ConversationChange.send(cid: cid, body: ChatSample.body()),
                        .edit(n: n, body: ChatSample.body()), .react(n: 1, key: "x", on: true),
                    ] {
                        #expect(try await stores.refuse(change, to: conversation, by: user) == .forbidden)
                    }
                    let typing = try await stores.note(.typing, to: conversation, by: user)
                    #expect(typing.members == [user], "nobody else is told")
                    let delivered = try await stores.note(.delivered(n: 2), to: conversation, by: user)
                    #expect(delivered.members == [user])
                }
                #expect(try await traces(stores, conversation, [a, b]) == before)
                #expect(try await stores.summary(of: conversation, for: blocker)?.isBlocked == true)
                #expect(try await stores.summary(of: conversation, for: blocked)?.isBlocked == false)
            }
        },
        ContractCase("After a block is taken back the numbers go on as if nothing had been tried") { stores in
            let (a, b, conversation) = ChatSample.pair()
            try await stores.send("x", to: conversation, by: a)
            _ = try await stores.note(.block(on: true), to: conversation, by: b)
            let send = ConversationChange.send(cid: ChatSample.cid(), body: ChatSample.body("tried"))
            #expect(try await stores.refuse(send, to: conversation, by: a) == .forbidden)
            let audience = try await stores.note(.block(on: false), to: conversation, by: b)
            #expect(audience.changed && audience.members.sorted() == [a, b])
            #expect(try await stores.summary(of: conversation, for: b)?.isBlocked == false)
            let sent = try await stores.append(send, to: conversation, by: a)
            #expect(sent.entry.position.number == 2 && sent.entry.messages == 2)
        },
        ContractCase("Blocking twice changes nothing, and each of the two takes back only the own block") { stores in
            let (a, b, conversation) = ChatSample.pair()
            try await stores.send("x", to: conversation, by: a)
            #expect(try await !stores.note(.block(on: false), to: conversation, by: a).changed)
            #expect(try await stores.note(.block(on: true), to: conversation, by: a).changed)
            #expect(try await !stores.note(.block(on: true), to: conversation, by: a).changed)
            #expect(try await !stores.note(.block(on: false), to: conversation, by: b).changed)
            let send = ConversationChange.send(cid: ChatSample.cid(), body: ChatSample.body())
            #expect(try await stores.refuse(send, to: conversation, by: b) == .forbidden)
            #expect(try await stores.note(.block(on: true), to: conversation, by: b).changed)
            #expect(try await stores.note(.block(on: false), to: conversation, by: a).changed)
            #expect(try await stores.refuse(send, to: conversation, by: a) == .forbidden)
            #expect(try await stores.note(.block(on: false), to: conversation, by: b).changed)
            try await stores.append(send, to: conversation, by: b)
        },
        ContractCase("One can be blocked before the first message") { stores in
            let (a, b, conversation) = ChatSample.pair()
            #expect(try await stores.note(.block(on: true), to: conversation, by: a).changed)
            let send = ConversationChange.send(cid: ChatSample.cid(), body: ChatSample.body())
            for user in [a, b] {
                #expect(try await stores.refuse(send, to: conversation, by: user) == .forbidden)
                #expect(try await stores.history(of: conversation, for: user)?.messages.isEmpty == true)
            }
            #expect(try await stores.note(.block(on: false), to: conversation, by: a).changed)
            let first = try await stores.append(send, to: conversation, by: b)
            #expect(first.entry.position.number == 1 && first.entry.messages == 1)
        },
        ContractCase("What was sent before a block can still be recalled, for both") { stores in
            let (a, b, conversation) = ChatSample.pair()
            try await stores.send("x", to: conversation, by: a)
            _ = try await stores.note(.block(on: true), to: conversation, by: b)
            let recall = try await stores.append(.recall(n: 1), to: conversation, by: a)
            #expect(recall.members.sorted() == [a, b])
            #expect(try await stores.history(of: conversation, for: b)?.messages.map(\.body) == [nil])
        },
        ContractCase("Nobody can be blocked in a group") { stores in
            let users = ChatSample.users(2)
            let (group, _) = try await stores.group(users)
            try await stores.refuse(.block(on: true), to: group, by: users[0])
            try await stores.send("x", to: group, by: users[1])
        },
    ]

    /// All that could tell of an attempt.
    private static func traces(
        _ stores: ChatStoresUnderTest, _ conversation: ConversationID, _ users: [UserID]
    ) async throws -> [String] {
        var traces: [String] = []
        for user in users {
            traces.append("\(try await stores.log(of: conversation, for: user))")
            traces.append("\(String(describing: try await stores.history(of: conversation, for: user)))")
            let summary = try await stores.summary(of: conversation, for: user)
            traces.append("\(String(describing: summary?.head)) \(summary?.messages ?? 0)")
        }
        return traces
    }
}
