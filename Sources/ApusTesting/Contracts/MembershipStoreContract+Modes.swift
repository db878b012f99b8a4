import Chat
import Core
import Testing
import Timelines

// MARK: Joining

extension MembershipStoreContract {
    static let joining: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("One who joins begins there: what was before is neither shown nor unread") { stores in
            let users = ChatSample.users(2)
            let conversation = ConversationID.newGroup()
            var log = SampleLog(conversation)
            log.add(.group(GroupChange(kind: .created, users: [users[0]])), by: users[0])
            for index in 0..<3 { log.message("\(index)", by: users[0]) }
            log.add(.group(GroupChange(kind: .added, users: [users[1]])), by: users[0])
            log.message("seen", by: users[0])
            log.message("own", by: users[1])
            #expect(try await stores.advance(users[1], in: conversation, by: log.step(5...5)) == .gap(after: nil))
            let joined = try await stores.advanced(users[1], in: conversation, by: log.step(5...5, .join))
            #expect(joined.entries.map(\.frame.text) == [frame(1, log.entries[4], conversation, for: users[1])])
            #expect(joined.state.readN == 3 && joined.state.conversationUnread == 0)
            let next = try await stores.advanced(users[1], in: conversation, by: log.step(6...7))
            #expect(
                next.entries.map(\.frame.text) == [
                    frame(2, log.entries[5], conversation, for: users[1], unread: 1),
                    frame(3, log.entries[6], conversation, for: users[1]),
                ])
            let membership = try #require(await stores.list(of: users[1]).first)
            #expect(membership.cursor == log.head && membership.counts.messages == 5)
            #expect(membership.counts.readN == 3 && membership.counts.unread == 1)
            #expect(try await stores.drift(of: users[1]) == 0)
        },
        ContractCase("A joining step again, or later than another, changes nothing") { stores in
            let users = ChatSample.users(2)
            let conversation = ConversationID.newGroup()
            var log = SampleLog(conversation)
            for index in 0..<3 { log.message("\(index)", by: users[0]) }
            log.add(.group(GroupChange(kind: .added, users: [users[1]])), by: users[0])
            for index in 0..<3 { log.message("\(index)", by: users[0]) }
            try await stores.advanced(users[1], in: conversation, by: log.step(4...5, .join))
            let again = try await stores.advanced(users[1], in: conversation, by: log.step(4...5, .join))
            #expect(again.entries.isEmpty && again.state.conversationUnread == 1)
            let overlapping = try await stores.advanced(users[1], in: conversation, by: log.step(4...7, .join))
            #expect(overlapping.entries.map(\.seq) == [3, 4] && overlapping.state.conversationUnread == 3)
            #expect(
                try await stores.advance(users[1], in: conversation, by: log.step(4...4, .join)) == .beyond(log.head))
            #expect(try await stores.timeline(of: users[1]).map(\.id) == log.entries[3...].map(\.position.id))
        },
        ContractCase("In a group too large to follow, a joining step passes over what lies between") { stores in
            let users = ChatSample.users(2)
            let conversation = ConversationID.newGroup()
            var log = SampleLog(conversation)
            log.add(.group(GroupChange(kind: .created, users: users)), by: users[0])
            for index in 0..<5 { log.message("\(index)", by: users[0]) }
            log.add(.group(GroupChange(kind: .removed, users: [users[1]])), by: users[0])
            try await stores.advanced(users[1], in: conversation, by: log.step(1...1, .join))
            let removed = try await stores.advanced(users[1], in: conversation, by: log.step(7...7, .join))
            #expect(removed.entries.map(\.frame.text) == [frame(2, log.entries[6], conversation, for: users[1])])
            #expect(try await stores.list(of: users[1]).isEmpty)
            #expect(try await stores.messages(of: users[1]) == 0)
        },
    ]
}

// MARK: The reader's own cursor

extension MembershipStoreContract {
    /// A group of whose messages the user has read none: entry 1 makes it, 2…6 are messages, of which one is the user's.
    private static func unreadGroup(
        _ stores: ChatStoresUnderTest, _ user: UserID
    ) async throws -> SampleLog {
        let other = Sample.user()
        var log = SampleLog(.newGroup())
        log.add(.group(GroupChange(kind: .created, users: [other, user])), by: other)
        for index in 0..<5 { log.message("\(index)", by: index == 1 ? user : other) }
        try await stores.advanced(user, in: log.conversation, by: log.whole)
        return log
    }

    private static func aside(_ user: UserID, _ n: Int64, own: Int64, force: Bool = false) -> AdvanceStep {
        FanOutDriver.aside(
            of: user, n: n, own: own, force: force, id: .new(atMilliseconds: Sample.now), nowMilliseconds: Sample.now)
    }

    static let asides: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("A cursor aside of the log moves forward only, and does not move the place in the log") { stores in
            let user = Sample.user()
            let log = try await unreadGroup(stores, user)
            var seq: Int64 = 6
            for (n, own, unread) in [(1, 0, 3), (3, 1, 2), (3, 1, nil), (2, 1, nil), (5, 1, 0), (0, 0, nil)]
                as [(Int64, Int64, Int?)]
            {
                let step = aside(user, n, own: own)
                let advance = try await stores.advanced(user, in: log.conversation, by: step)
                guard let unread else {
                    #expect(advance.entries.isEmpty, "\(n)")
                    continue
                }
                seq += 1
                #expect(
                    advance.entries.map(\.frame.text) == [
                        frame(
                            seq, step.entries[0], log.conversation, for: user, unread: unread,
                            conversationUnread: unread)
                    ])
                #expect(advance.entries.first?.id == step.entries[0].position.id)
                #expect(
                    advance.state
                        == MembershipState(
                            readN: n, conversationUnread: unread,
                            unread: Unread(messages: unread, notifications: 0)))
                let again = try await stores.advanced(user, in: log.conversation, by: step)
                #expect(again.entries.isEmpty && again.state == advance.state)
            }
            let membership = try #require(await stores.list(of: user).first)
            #expect(membership.cursor == log.head)
            #expect(membership.counts == ConversationCounts(messages: 5, own: 1, readN: 5, readOwn: 1))
            #expect(try await stores.timeline(of: user).map(\.seq) == Array(1...9))
            #expect(try await stores.messages(of: user) == 0)
        },
        ContractCase("With force the cursor aside moves back") { stores in
            let user = Sample.user()
            var log = try await unreadGroup(stores, user)
            for (n, own, unread) in [(5, 1, 0), (1, 0, 3), (0, 0, 4), (4, 1, 1)] as [(Int64, Int64, Int)] {
                let step = aside(user, n, own: own, force: true)
                let advance = try await stores.advanced(user, in: log.conversation, by: step)
                #expect(advance.entries.count == 1 && advance.state.readN == n)
                #expect(advance.state.conversationUnread == unread && advance.state.unread.messages == unread)
                let again = try await stores.advanced(user, in: log.conversation, by: step)
                #expect(again.entries.isEmpty && again.state == advance.state)
            }
            log.message("next", by: user)
            log.message("next", by: log.entries[0].author)
            let next = try await stores.advanced(user, in: log.conversation, by: log.step(7...8))
            #expect(next.entries.count == 2 && next.state.conversationUnread == 2)
        },
    ]
}

// MARK: Another log

extension MembershipStoreContract {
    static let resetting: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("A reset takes cursor and counts from the conversation and says so in the timeline") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var (log, other) = (SampleLog(conversation), SampleLog(conversation))
            for index in 0..<6 { log.message("\(index)", by: a) }
            for index in 0..<4 { other.message("\(index)", by: index == 0 ? b : a) }
            try await stores.advanced(b, in: conversation, by: log.whole)
            #expect(try await stores.advance(b, in: conversation, by: other.step(4...4)) == .beyond(log.head))
            let counts = ConversationCounts(messages: 4, own: 1, readN: 2, readOwn: 1)
            let id = EventID.new(atMilliseconds: Sample.now)
            let reset = AdvanceStep(mode: .reset(id: id, counts), from: other.head, entries: [])
            let advance = try await stores.advanced(b, in: conversation, by: reset, at: Sample.now + 77)
            let unread = Unread(messages: 2, notifications: 0)
            #expect(
                advance.entries.map(\.frame.text) == [
                    ChatFrames.reset(
                        seq: 7, id: id.text, timestamp: Sample.now + 77, conversation: conversation, unread: unread
                    ).text
                ])
            #expect(advance.entries.first?.id == id.text)
            #expect(advance.state == MembershipState(readN: 2, conversationUnread: 2, unread: unread))
            #expect(
                try await stores.list(of: b) == [
                    Membership(conversation: conversation, cursor: other.head, counts: counts, isMuted: false)
                ])
            #expect(try await stores.messages(of: b) == 2)
            other.message("next", by: a)
            let next = try await stores.advanced(b, in: conversation, by: other.step(5...5))
            #expect(
                next.entries.map(\.frame.text) == [frame(8, other.entries[4], conversation, for: b, unread: 3)])
            #expect(try await stores.advance(b, in: conversation, by: log.step(6...6)) == .forked)
        },
        ContractCase("A reset puts one who had no cursor there, and leaves a mute as it is") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var log = SampleLog(conversation)
            for index in 0..<3 { log.message("\(index)", by: a) }
            let counts = ConversationCounts(messages: 3, own: 0, readN: 1, readOwn: 0)
            func reset() -> AdvanceStep {
                AdvanceStep(
                    mode: .reset(id: .new(atMilliseconds: Sample.now), counts), from: log.head, entries: [])
            }
            let first = try await stores.advanced(b, in: conversation, by: reset())
            #expect(first.entries.count == 1 && first.state.conversationUnread == 2)
            #expect(try await stores.list(of: b).map(\.cursor) == [log.head])
            #expect(try await stores.apply(.mute(conversation, on: true), of: b)?.entry != nil)
            log.message("4", by: a)
            let second = try await stores.advanced(b, in: conversation, by: reset())
            #expect(second.entries.count == 1)
            #expect(second.state.conversationUnread == 2 && second.state.unread.messages == 0)
            #expect(try await stores.list(of: b).map(\.isMuted) == [true])
            #expect(try await stores.drift(of: b) == 0)
        },
    ]
}
