import Chat
import Core
import Testing

// MARK: Groups

extension ConversationStoreContract {
    static let grouping: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("A group is there from its creation on, with its title, its owner, and everybody once") { stores in
            let users = ChatSample.users(4)
            let conversation = ConversationID.group(madeBy: users[0], cid: ChatSample.cid())
            let id = EventID.new(atMilliseconds: Sample.now)
            let title = "Größe \"x\" \\ 🐦‍⬛ %d $1"
            let commit = try await stores.append(
                .create(title: title, members: [users[1], users[0], users[2], users[1], users[3]]), to: conversation,
                by: users[0], id: id)
            #expect(commit.entry.position == EntryPosition(number: 1, id: id.text) && commit.previous == .start)
            #expect(commit.entry.author == users[0] && commit.entry.messages == 0)
            guard case .group(let change) = commit.entry.content else { throw TestFailure("\(commit.entry)") }
            #expect(change.kind == .created && change.title == title)
            #expect(change.users.sorted() == users.sorted() && commit.members.sorted() == users.sorted())
            #expect(commit.isFannedOut && !commit.isLarge)
            for user in users {
                let summary = try #require(await stores.summary(of: conversation, for: user))
                #expect(summary.members == users && summary.memberCount == 4 && summary.owner == users[0])
                #expect(summary.title == title && summary.head == commit.entry.position && summary.messages == 0)
                #expect(summary.last == nil && summary.own == 0 && summary.readN == 0 && !summary.isBlocked)
                #expect(Set(summary.others.map(\.user)) == Set(users).subtracting([user]))
                #expect(try await stores.history(of: conversation, for: user) == HistoryPage(messages: [], more: false))
                #expect(try await stores.log(of: conversation, for: user) == [commit.entry])
            }
        },
        ContractCase("A group may have no title and no other members") { stores in
            let owner = Sample.user()
            let (conversation, commit) = try await stores.group([owner], title: nil)
            #expect(commit.entry.content == .group(GroupChange(kind: .created, title: nil, users: [owner])))
            let summary = try await stores.summary(of: conversation, for: owner)
            #expect(summary?.title == nil && summary?.members == [owner] && summary?.others.isEmpty == true)
            #expect(try await stores.send("x", to: conversation, by: owner).members == [owner])
        },
        ContractCase("Making the same group again is a duplicate, whatever happened to it since") { stores in
            let users = ChatSample.users(3)
            let cid = ChatSample.cid()
            let conversation = ConversationID.group(madeBy: users[0], cid: cid)
            let create = ConversationChange.create(title: "x", members: Array(users[1...]))
            let first = try await stores.append(create, to: conversation, by: users[0])
            #expect(try await duplicate(stores, create, conversation, users[0]).entry == first.entry)
            try await stores.append(.update(title: "y"), to: conversation, by: users[1])
            try await stores.append(.remove([users[2]]), to: conversation, by: users[0])
            try await stores.send("x", to: conversation, by: users[0])
            let again = try await duplicate(stores, create, conversation, users[0])
            #expect(again.entry == first.entry && again.previous == .start)
            // One who went since may still be without it.
            #expect(Set(again.members) == Set(users))
            let summary = try await stores.summary(of: conversation, for: users[0])
            #expect(summary?.title == "y" && summary?.members == Array(users[..<2]) && summary?.head.number == 4)
            // Another one with the same cid makes another group; nobody gets hold of this one by its id.
            #expect(ConversationID.group(madeBy: users[1], cid: cid) != conversation)
            try await stores.refuse(create, to: conversation, by: Sample.user())
            #expect(try await stores.summary(of: conversation, for: users[0])?.head.number == 4)
        },
        ContractCase("Whoever was removed may repeat what was sent before, and hears that it is stored") { stores in
            let users = ChatSample.users(3)
            let (group, _) = try await stores.group(users)
            let cid = ChatSample.cid()
            let send = ConversationChange.send(cid: cid, body: ChatSample.body("one"))
            let first = try await stores.append(send, to: group, by: users[1])
            try await stores.append(.remove([users[1]]), to: group, by: users[0])
            let again = try await duplicate(stores, send, group, users[1])
            #expect(again.entry == first.entry && again.members.sorted() == [users[0], users[2]].sorted())
            let other = ConversationChange.send(cid: cid, body: ChatSample.body("two"))
            #expect(try await stores.refuse(other, to: group, by: users[1]) == .conflict)
            let new = ConversationChange.send(cid: ChatSample.cid(), body: ChatSample.body("one"))
            #expect(try await stores.refuse(new, to: group, by: users[1]) == .notFound)
            #expect(try await stores.history(of: group, for: users[0])?.messages.count == 1)
        },
        ContractCase("Every member may change the title and add others; each addition names those who are new") {
            stores in
            let users = ChatSample.users(5)
            let (conversation, _) = try await stores.group(Array(users[..<2]))
            let update = try await stores.append(.update(title: "new"), to: conversation, by: users[1])
            #expect(update.entry.content == .group(GroupChange(kind: .updated, title: "new", users: [])))
            #expect(update.members.sorted() == users[..<2].sorted())
            #expect(try await stores.summary(of: conversation, for: users[0])?.title == "new")
            let add = try await stores.append(
                .add([users[2], users[0], users[2], users[3]]), to: conversation, by: users[1])
            guard case .group(let change) = add.entry.content else { throw TestFailure("\(add.entry)") }
            #expect(change.kind == .added && change.title == nil)
            #expect(change.users.sorted() == users[2...3].sorted())
            #expect(add.members.sorted() == users[..<4].sorted() && add.isFannedOut)
            try await stores.append(.add([users[4]]), to: conversation, by: users[3])
            #expect(try await stores.summary(of: conversation, for: users[4])?.members == users)
            let head = try await stores.summary(of: conversation, for: users[0])?.head
            #expect(try await !stores.note(.add([users[1], users[4]]), to: conversation, by: users[0]).changed)
            #expect(try await stores.summary(of: conversation, for: users[0])?.head == head)
        },
        ContractCase("Only the owner may remove; who was removed is told of it, and sees nothing from then on") {
            stores in
            let users = ChatSample.users(4)
            let (conversation, _) = try await stores.group(users)
            try await stores.send("1", to: conversation, by: users[2])
            try await stores.refuse(.remove([users[2]]), to: conversation, by: users[1])
            try await stores.refuse(.remove([users[0]]), to: conversation, by: users[1])
            let remove = try await stores.append(
                .remove([users[2], users[3], users[2]]), to: conversation, by: users[0])
            guard case .group(let change) = remove.entry.content else { throw TestFailure("\(remove.entry)") }
            #expect(change.kind == .removed && change.users.sorted() == users[2...].sorted())
            #expect(remove.members.sorted() == users.sorted(), "they are told as well")
            let later = try await stores.send("2", to: conversation, by: users[1])
            #expect(Set(later.members).subtracting(users[2...]) == Set(users[..<2]))
            try await sees(stores, nothingOf: conversation, user: users[2], after: remove)
            #expect(try await stores.summary(of: conversation, for: users[0])?.members == Array(users[..<2]))
            // Removing them again is not needed, and removes nobody else.
            _ = try await stores.commit(.remove([users[2]]), to: conversation, by: users[0])
            #expect(try await stores.summary(of: conversation, for: users[1])?.memberCount == 2)
        },
        ContractCase("Whoever leaves is told of it, and sees nothing from then on") { stores in
            let users = ChatSample.users(3)
            let (conversation, _) = try await stores.group(users)
            try await stores.send("1", to: conversation, by: users[1])
            let leave = try await stores.append(.leave, to: conversation, by: users[1])
            #expect(leave.entry.content == .group(GroupChange(kind: .left, users: [users[1]])))
            #expect(leave.members.sorted() == users.sorted() && leave.entry.author == users[1])
            try await stores.send("2", to: conversation, by: users[0])
            try await sees(stores, nothingOf: conversation, user: users[1], after: leave)
            #expect(try await stores.refuse(.leave, to: conversation, by: users[1]) == .notFound)
        },
    ]

    /// Whoever is out gets `not_found`; the log as far as it was theirs may still be read, to bring it to their timeline.
    private static func sees(
        _ stores: ChatStoresUnderTest, nothingOf conversation: ConversationID, user: UserID, after last: Commit
    ) async throws {
        for change in everything(with: user) {
            #expect(try await stores.refuse(change, to: conversation, by: user) == .notFound, "\(change)")
        }
        #expect(try await stores.history(of: conversation, for: user) == nil)
        #expect(try await stores.history(of: conversation, for: user, .after(0)) == nil)
        #expect(try await stores.summary(of: conversation, for: user) == nil)
        let rest = try await stores.entries(of: conversation, for: user, after: last.previous)
        #expect(rest?.entries == [last.entry], "the last entry that is theirs")
        if let page = try await stores.entries(of: conversation, for: user, after: last.entry.position) {
            #expect(page.entries.isEmpty)
        }
        if let page = try await stores.entries(of: conversation, for: user) {
            #expect(page.entries.allSatisfy { $0.position.number <= last.entry.position.number })
        }
    }
}

// MARK: Who comes after

extension ConversationStoreContract {
    static let succeeding: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("When the owner leaves, the longest-standing member owns the group") { stores in
            let users = ChatSample.users(4)
            let (conversation, _) = try await stores.group([users[0], users[1]])
            try await stores.append(.add([users[2]]), to: conversation, by: users[1])
            try await stores.append(.add([users[3]]), to: conversation, by: users[1])
            try await stores.append(.leave, to: conversation, by: users[0])
            #expect(try await stores.summary(of: conversation, for: users[3])?.owner == users[1])
            try await stores.append(.add([users[0]]), to: conversation, by: users[3])
            #expect(try await stores.summary(of: conversation, for: users[0])?.owner == users[1])
            #expect(
                try await stores.summary(of: conversation, for: users[0])?.members
                    == [users[1], users[2], users[3], users[0]])
            try await stores.refuse(.remove([users[2]]), to: conversation, by: users[0])
            try await stores.append(.leave, to: conversation, by: users[2])
            try await stores.append(.leave, to: conversation, by: users[1])
            #expect(try await stores.summary(of: conversation, for: users[0])?.owner == users[3])
            try await stores.append(.remove([users[0]]), to: conversation, by: users[3])
            try await stores.append(.leave, to: conversation, by: users[3])
            for user in users { #expect(try await stores.summary(of: conversation, for: user) == nil) }
        },
        ContractCase("One who is added sees messages from then on, and whoever was there sees all") { stores in
            let users = ChatSample.users(3)
            let (conversation, _) = try await stores.group([users[0], users[1]])
            try await stores.send(count: 3, to: conversation, by: users[0])
            let added = try await stores.append(.add([users[2]]), to: conversation, by: users[0])
            let fresh = try #require(await stores.summary(of: conversation, for: users[2]))
            #expect(fresh.last == nil && fresh.messages == 3 && fresh.readN == 3)
            #expect(fresh.own == fresh.readOwn, "nothing is unread for one who has just come")
            #expect(
                try await stores.history(of: conversation, for: users[2]) == HistoryPage(messages: [], more: false))
            try await stores.send(count: 2, to: conversation, by: users[1])
            for range in [HistoryRange.before(nil), .after(0), .after(3), .before(6)] {
                let page = try await stores.history(of: conversation, for: users[2], range)
                #expect(page?.messages.map(\.n) == [4, 5] && page?.more == false, "\(range)")
            }
            let last = try await stores.history(of: conversation, for: users[2], .before(5), limit: 1)
            #expect(last?.messages.map(\.n) == [4] && last?.more == false)
            #expect(try await stores.history(of: conversation, for: users[2], .before(4))?.messages.isEmpty == true)
            #expect(try await stores.history(of: conversation, for: users[0])?.messages.count == 5)
            #expect(try await stores.log(of: conversation, for: users[2]).first == added.entry)
        },
        ContractCase("One who comes back sees messages from coming back on") { stores in
            let users = ChatSample.users(3)
            let (conversation, _) = try await stores.group(users)
            try await stores.send("1", to: conversation, by: users[2])
            try await stores.append(.leave, to: conversation, by: users[2])
            try await stores.send("2", to: conversation, by: users[0])
            let back = try await stores.append(.add([users[2]]), to: conversation, by: users[0])
            try await stores.send("3", to: conversation, by: users[2])
            try await stores.send("4", to: conversation, by: users[0])
            let page = try await stores.history(of: conversation, for: users[2])
            #expect(page?.messages.map(\.n) == [3, 4] && page?.more == false)
            #expect(try await stores.log(of: conversation, for: users[2]).first == back.entry)
            let summary = try #require(await stores.summary(of: conversation, for: users[2]))
            let counts = ConversationCounts(
                messages: summary.messages, own: summary.own, readN: summary.readN, readOwn: summary.readOwn)
            #expect(summary.readN == 2 && counts.unread == 1)
            #expect(summary.members == [users[0], users[1], users[2]])
        },
    ]
}
