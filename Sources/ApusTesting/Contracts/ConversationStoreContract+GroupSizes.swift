import Chat
import Core
import Testing

// MARK: Large groups

extension ConversationStoreContract {
    static let sizing: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("A group has so many members and no more; an addition that goes beyond adds nobody") { stores in
            let max = stores.limits.groupMembers
            let users = ChatSample.users(max + 2)
            let tooLarge = ConversationID.group(madeBy: users[0], cid: ChatSample.cid())
            try await stores.refuse(
                .create(title: nil, members: Array(users[1...max])), to: tooLarge, by: users[0])
            #expect(try await stores.summary(of: tooLarge, for: users[0]) == nil)
            #expect(try await stores.entries(of: tooLarge, for: nil) == nil)
            let (conversation, _) = try await stores.group(Array(users[..<(max - 1)]))
            try await stores.refuse(.add(Array(users[(max - 1)...max])), to: conversation, by: users[0])
            #expect(try await stores.summary(of: conversation, for: users[0])?.memberCount == max - 1)
            #expect(try await stores.summary(of: conversation, for: users[max]) == nil)
            // Those who are in it already take no new place.
            try await stores.append(.add([users[0], users[1], users[max]]), to: conversation, by: users[0])
            try await stores.refuse(.add([users[max + 1]]), to: conversation, by: users[0])
            let summary = try #require(await stores.summary(of: conversation, for: users[max]))
            #expect(summary.memberCount == max && summary.members.count == min(max, Limits.membersShownMax))
            #expect(summary.members == Array((users[..<(max - 1)] + [users[max]]).prefix(Limits.membersShownMax)))
            try await stores.append(.leave, to: conversation, by: users[1])
            try await stores.append(.add([users[max + 1]]), to: conversation, by: users[0])
        },
        ContractCase("Read cursors are entries in conversations of few members, and the reader's own in others") {
            stores in
            let few = Limits.receiptMembersMax
            let users = ChatSample.users(few + 1)
            let (conversation, _) = try await stores.group(Array(users[..<few]))
            try await stores.send(count: 3, to: conversation, by: users[1])
            let read = try await stores.append(.read(n: 1, force: false), to: conversation, by: users[0])
            #expect(read.members.count == few)
            #expect(try await stores.summary(of: conversation, for: users[1])?.others.count == few - 1)
            try await stores.append(.add([users[few]]), to: conversation, by: users[0])
            let head = try await stores.summary(of: conversation, for: users[0])?.head
            #expect(
                try await stores.commit(.read(n: 3, force: false), to: conversation, by: users[1])
                    == .cursor(n: 3, own: 3))
            for (n, force, at) in [(2, false, 2), (2, false, 2), (3, false, 3), (1, true, 1)] as [(Int64, Bool, Int64)]
            {
                #expect(
                    try await stores.commit(.read(n: n, force: force), to: conversation, by: users[0])
                        == .cursor(n: at, own: 0))
                #expect(try await stores.summary(of: conversation, for: users[0])?.readN == at)
            }
            let summary = try #require(await stores.summary(of: conversation, for: users[0]))
            #expect(summary.head == head && summary.others.isEmpty && summary.memberCount == few + 1)
            let author = try #require(await stores.summary(of: conversation, for: users[1]))
            #expect(author.readN == 3 && author.readOwn == 3 && author.own == 3)
        },
        ContractCase("Messages of a group are written to its members' timelines up to the limit, and not beyond") {
            stores in
            let max = stores.limits.groupFanOut
            let users = ChatSample.users(max + 1)
            let (fitting, made) = try await stores.group(Array(users[..<max]))
            #expect(made.isFannedOut && !made.isLarge && made.members.count == max)
            let small = try await stores.send("x", to: fitting, by: users[1])
            #expect(small.isFannedOut && !small.isLarge && Set(small.members) == Set(users[..<max]))
            let (large, created) = try await stores.group(users)
            #expect(created.isFannedOut && created.isLarge && Set(created.members) == Set(users))
            let message = try await stores.send("x", to: large, by: users[1])
            #expect(!message.isFannedOut && message.isLarge && message.entry.messages == 1)
            for change in [
                ConversationChange.edit(n: 1, body: ChatSample.body()), .react(n: 1, key: "x", on: true),
                .update(title: "y"), .recall(n: 1),
            ] {
                let commit = try await stores.append(change, to: large, by: users[1])
                #expect(!commit.isFannedOut && commit.isLarge, "\(change)")
            }
            #expect(try await stores.history(of: large, for: users[max])?.messages.map(\.n) == [1])
        },
        ContractCase("In a large group those are told of a change of membership whom it concerns") { stores in
            let users = ChatSample.users(stores.limits.groupFanOut + 4)
            let (conversation, _) = try await stores.group(Array(users.dropLast(2)))
            let (owner, newcomer, other) = (users[0], users[users.count - 2], users[users.count - 1])
            try await stores.send("x", to: conversation, by: owner)
            let add = try await stores.append(.add([newcomer, other]), to: conversation, by: owner)
            #expect(add.isFannedOut && add.isLarge && Set(add.members).isSuperset(of: [newcomer, other]))
            let remove = try await stores.append(.remove([newcomer]), to: conversation, by: owner)
            #expect(remove.isFannedOut && remove.isLarge && remove.members.contains(newcomer))
            let leave = try await stores.append(.leave, to: conversation, by: other)
            #expect(leave.isFannedOut && leave.members.contains(other))
        },
    ]
}
