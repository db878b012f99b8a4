import Chat
import Core
import Testing

// MARK: The list

extension MembershipStoreContract {
    static let listing: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("A user without conversations has an empty list, no blocks and no unread messages") { stores in
            let user = Sample.user()
            let page = try await stores.page(of: user)
            #expect(page == MembershipPage(memberships: [], cursor: nil))
            #expect(try await stores.state(of: user, in: ChatSample.direct(user, Sample.user())) == nil)
            #expect(try await stores.blocks(of: user).isEmpty)
            #expect(try await stores.messages(of: user) == 0)
        },
        ContractCase("The list has the newest message, or joining, first; nothing else moves a conversation up") {
            stores in
            let user = Sample.user()
            var logs: [SampleLog] = []
            for other in ChatSample.users(4) {
                logs.append(SampleLog(ChatSample.direct(user, other)))
                logs[logs.count - 1].message(by: other)
            }
            var group = SampleLog(.newGroup())
            group.add(.group(GroupChange(kind: .created, users: [user])), by: Sample.user())
            for log in logs[..<2] { try await stores.advanced(user, in: log.conversation, by: log.whole) }
            try await stores.advanced(user, in: group.conversation, by: group.whole)
            for log in logs[2...] { try await stores.advanced(user, in: log.conversation, by: log.whole) }
            var expected = [3, 2].map { logs[$0].conversation } + [group.conversation]
            expected += [1, 0].map { logs[$0].conversation }
            #expect(try await stores.list(of: user).map(\.conversation) == expected)
            let partner = logs[0].entries[0].author
            for content in [
                LogEntry.Content.edited(n: 1, body: ChatSample.body()), .reaction(n: 1, key: "x", on: true),
                .recalled(n: 1),
            ] {
                logs[0].add(content, by: partner)
            }
            logs[0].add(.read(n: 1, own: 0), by: user)
            try await stores.advanced(user, in: logs[0].conversation, by: logs[0].whole)
            group.add(.group(GroupChange(kind: .updated, title: "x")), by: user)
            group.add(.group(GroupChange(kind: .added, users: [Sample.user()])), by: user)
            try await stores.advanced(user, in: group.conversation, by: group.whole)
            _ = try await stores.apply(.mute(logs[1].conversation, on: true), of: user)
            #expect(try await stores.list(of: user).map(\.conversation) == expected)
            logs[1].message(by: user)
            try await stores.advanced(user, in: logs[1].conversation, by: logs[1].whole)
            expected = [logs[1].conversation] + expected.filter { $0 != logs[1].conversation }
            #expect(try await stores.list(of: user).map(\.conversation) == expected, "the own message counts too")
        },
        ContractCase("Pages go through the list without doubles or holes, full ones until the last") { stores in
            let (user, conversations) = try await filled(stores, 10)
            for limit in [1, 3, 4, 10, 200] {
                var (got, cursor): ([ConversationID], String?) = ([], nil)
                repeat {
                    let page = try await stores.page(of: user, before: cursor, limit: limit)
                    #expect(page.memberships.count == min(limit, 10 - got.count))
                    got += page.memberships.map(\.conversation)
                    #expect((page.cursor == nil) == (got.count == 10), "after \(got.count) by \(limit)")
                    cursor = page.cursor
                } while cursor != nil && got.count <= 10
                #expect(got == conversations, "pages of \(limit)")
            }
        },
        ContractCase("A page goes on where it was, whatever moves up meanwhile") { stores in
            let (user, conversations) = try await filled(stores, 8)
            let first = try await stores.page(of: user, limit: 3)
            #expect(first.memberships.map(\.conversation) == Array(conversations[..<3]))
            // The last of the page, and one that was to come, move to the front.
            for conversation in [conversations[2], conversations[5]] {
                let membership = try #require(
                    await stores.list(of: user).first { $0.conversation == conversation })
                let entry = LogEntry(
                    position: EntryPosition(number: membership.cursor.number + 1, id: RandomToken.make(length: 20)),
                    timestampMilliseconds: Sample.now, author: user, messages: membership.counts.messages + 1,
                    content: .message(cid: "c", body: ChatSample.body()))
                try await stores.advanced(
                    user, in: conversation, by: AdvanceStep(from: membership.cursor, entries: [entry]))
            }
            let rest = try await stores.page(of: user, before: first.cursor, limit: 200)
            #expect(rest.memberships.map(\.conversation) == [3, 4, 6, 7].map { conversations[$0] })
            #expect(rest.cursor == nil)
        },
        ContractCase("A cursor that no page gave is answered, and does no harm") { stores in
            let (user, conversations) = try await filled(stores, 3)
            for cursor in ["", "x", "-1", "1e9x", "9223372036854775808", "'; DROP", "nan", "+inf", "(1", "é"] {
                let page = try await stores.page(of: user, before: cursor, limit: 2)
                #expect(page.memberships.count <= 2)
                #expect(page.memberships.allSatisfy { conversations.contains($0.conversation) })
            }
            #expect(try await stores.list(of: user).map(\.conversation) == conversations)
        },
        ContractCase("The list tells of each conversation where the user stands in it") { stores in
            let user = Sample.user()
            var logs: [SampleLog] = []
            for index in 1...3 {
                let other = Sample.user()
                var log = SampleLog(ChatSample.direct(user, other))
                for number in 0..<index * 2 { log.message("\(number)", by: number % 2 == 0 ? user : other) }
                log.add(.read(n: Int64(index), own: Int64(index + 1) / 2), by: user)
                try await stores.advanced(user, in: log.conversation, by: log.whole)
                logs.append(log)
            }
            _ = try await stores.apply(.mute(logs[1].conversation, on: true), of: user)
            let expected = (1...3).reversed().map { index in
                let counts = ConversationCounts(
                    messages: Int64(index * 2), own: Int64(index), readN: Int64(index), readOwn: Int64(index + 1) / 2)
                return Membership(
                    conversation: logs[index - 1].conversation, cursor: logs[index - 1].head, counts: counts,
                    isMuted: index == 2)
            }
            #expect(try await stores.list(of: user) == expected)
            for membership in expected {
                let state = try await stores.state(of: user, in: membership.conversation)
                #expect(state?.readN == membership.counts.readN)
                #expect(state?.conversationUnread == membership.counts.unread)
                #expect(state?.unread == Unread(messages: 3, notifications: 0), "the second is muted")
            }
            #expect(try await stores.drift(of: user) == 0)
        },
    ]

    /// A user with that many conversations of one message each; newest first.
    private static func filled(
        _ stores: ChatStoresUnderTest, _ count: Int
    ) async throws -> (UserID, [ConversationID]) {
        let user = Sample.user()
        var conversations: [ConversationID] = []
        for _ in 0..<count {
            let other = Sample.user()
            var log = SampleLog(ChatSample.direct(user, other))
            log.message(by: other)
            try await stores.advanced(user, in: log.conversation, by: log.whole)
            conversations.insert(log.conversation, at: 0)
        }
        return (user, conversations)
    }
}
