import Chat
import Core
import Testing

// MARK: Leaving and coming back

extension MembershipStoreContract {
    static let leaving: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("Who was removed or left gets that event, and has the conversation no longer") { stores in
            for kind in [GroupChange.Kind.removed, .left] {
                let users = ChatSample.users(3)
                let kept = ChatSample.direct(users[0], users[1])
                var (log, other) = (SampleLog(.newGroup()), SampleLog(kept))
                log.add(.group(GroupChange(kind: .created, users: users)), by: users[0])
                for index in 0..<4 { log.message("\(index)", by: users[2]) }
                other.message("x", by: users[0])
                log.add(
                    .group(GroupChange(kind: kind, users: [users[1]])), by: kind == .left ? users[1] : users[0])
                try await stores.advanced(users[1], in: kept, by: other.whole)
                try await stores.advanced(users[1], in: log.conversation, by: log.step(1...5))
                #expect(try await stores.messages(of: users[1]) == 5)
                let out = try await stores.advanced(users[1], in: log.conversation, by: log.step(6...6))
                #expect(
                    out.entries.map(\.frame.text)
                        == [frame(7, log.entries[5], log.conversation, for: users[1], unread: 1)])
                #expect(out.state.unread.messages == 1 && out.state.conversationUnread == 0)
                #expect(try await stores.list(of: users[1]).map(\.conversation) == [kept])
                #expect(try await stores.state(of: users[1], in: log.conversation) == nil)
                #expect(try await stores.apply(.mute(log.conversation, on: true), of: users[1]) == nil)
                #expect(try await stores.messages(of: users[1]) == 1)

                // The others have it as before.
                try await stores.advanced(users[2], in: log.conversation, by: log.whole)
                #expect(try await stores.list(of: users[2]).map(\.conversation) == [log.conversation])
            }
        },
        ContractCase("After that, the same steps again change nothing") { stores in
            let users = ChatSample.users(2)
            var log = SampleLog(.newGroup())
            log.add(.group(GroupChange(kind: .created, users: users)), by: users[0])
            log.message("x", by: users[0])
            log.add(.group(GroupChange(kind: .removed, users: [users[1]])), by: users[0])
            try await stores.advanced(users[1], in: log.conversation, by: log.whole)
            let timeline = try await stores.timeline(of: users[1])
            for step in [log.whole, log.step(1...1), log.step(1...1, .join), log.step(2...3), log.step(3...3, .join)] {
                switch try await stores.advance(users[1], in: log.conversation, by: step) {
                case .advanced(let advance): #expect(advance.entries.isEmpty && advance.state.unread.messages == 0)
                case .beyond(let position): #expect(position == log.head)
                case let other: Issue.record("\(other)")
                }
            }
            #expect(try await stores.timeline(of: users[1]) == timeline)
            #expect(try await stores.list(of: users[1]).isEmpty)
            #expect(try await stores.messages(of: users[1]) == 0)
        },
        ContractCase("One who comes back counts from coming back on") { stores in
            let users = ChatSample.users(2)
            for misses in [0, 3] {
                var log = SampleLog(.newGroup())
                log.add(.group(GroupChange(kind: .created, users: users)), by: users[0])
                log.message("1", by: users[0])
                log.message("2", by: users[1])
                log.add(.group(GroupChange(kind: .left, users: [users[1]])), by: users[1])
                for index in 0..<misses { log.message("\(index)", by: users[0]) }
                log.add(.group(GroupChange(kind: .added, users: [users[1]])), by: users[0])
                let back = log.entries.count
                log.message("seen", by: users[0])
                try await stores.advanced(users[1], in: log.conversation, by: log.step(1...4))
                let seq = try await stores.open(users[1]).head.seq
                let joined = try await stores.advanced(
                    users[1], in: log.conversation, by: log.step(back...back, .join))
                #expect(joined.entries.map(\.seq) == [seq + 1])
                #expect(joined.state.readN == Int64(2 + misses) && joined.state.conversationUnread == 0)
                let next = try await stores.advanced(
                    users[1], in: log.conversation, by: log.step(back + 1...back + 1))
                #expect(next.state.conversationUnread == 1)
                #expect(try await stores.list(of: users[1]).first?.conversation == log.conversation)
                #expect(try await stores.drift(of: users[1]) == 0)
            }
            #expect(try await stores.list(of: users[1]).count == 2)
            #expect(try await stores.messages(of: users[1]) == 2)
        },
    ]
}
