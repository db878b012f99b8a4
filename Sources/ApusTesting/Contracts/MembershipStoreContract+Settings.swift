import Chat
import Core
import Testing

// MARK: Mute

extension MembershipStoreContract {
    static let muting: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("A muted conversation does not count in the totals, and says so to the user's other devices") {
            stores in
            let user = Sample.user()
            let others = ChatSample.users(2)
            var logs = others.map { SampleLog(ChatSample.direct(user, $0)) }
            for (index, other) in others.enumerated() {
                for _ in 0...index { logs[index].message(by: other) }
                try await stores.advanced(user, in: logs[index].conversation, by: logs[index].whole)
            }
            let muted = logs[1].conversation
            var seq: Int64 = 3
            for (on, total) in [(true, 1), (false, 3), (true, 1)] {
                let id = EventID.new(atMilliseconds: Sample.now)
                let before = try await stores.timeline(of: user).last?.id
                let outcome = try #require(
                    await stores.apply(.mute(muted, on: on), of: user, id: id, at: Sample.now + 9))
                seq += 1
                let unread = Unread(messages: total, notifications: 0)
                let frame = ChatFrames.mute(
                    seq: seq, id: id.text, timestamp: Sample.now + 9, conversation: muted, on: on, unread: unread)
                #expect(
                    outcome.entry == AppendedEntry(seq: seq, id: id.text, previous: before ?? "", frame: frame))
                #expect(try await stores.timeline(of: user).last?.frame.text == frame.text)
                let state = MembershipState(readN: 0, conversationUnread: 2, unread: unread)
                #expect(try await stores.state(of: user, in: muted) == state)
                #expect(try await stores.messages(of: user) == total)
                #expect(
                    try await stores.list(of: user).map { $0.isMuted } == [on, false])
                let again = try #require(await stores.apply(.mute(muted, on: on), of: user))
                #expect(again.entry == nil)
            }
            #expect(try await stores.open(user).head.seq == seq)
        },
        ContractCase("Messages of a muted conversation change no totals, nor does reading them") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var log = SampleLog(conversation)
            log.message("1", by: a)
            try await stores.advanced(b, in: conversation, by: log.whole)
            _ = try await stores.apply(.mute(conversation, on: true), of: b)
            log.message("2", by: a)
            log.add(.read(n: 1, own: 0), by: b)
            let advance = try await stores.advanced(b, in: conversation, by: log.whole)
            #expect(
                advance.entries.map(\.frame.text) == [
                    frame(3, log.entries[1], conversation, for: b),
                    frame(4, log.entries[2], conversation, for: b, conversationUnread: 1),
                ])
            let zero = Unread(messages: 0, notifications: 0)
            #expect(advance.state == MembershipState(readN: 1, conversationUnread: 1, unread: zero))
            #expect(try await stores.apply(.mute(conversation, on: false), of: b)?.entry != nil)
            #expect(try await stores.messages(of: b) == 1)
        },
        ContractCase("What is not in the list cannot be muted") { stores in
            let (a, b, conversation) = ChatSample.pair()
            for id in [conversation, .newGroup()] {
                #expect(try await stores.apply(.mute(id, on: true), of: a) == nil)
                #expect(try await stores.apply(.mute(id, on: false), of: a) == nil)
            }
            var log = SampleLog(conversation)
            log.message(by: b)
            try await stores.advanced(a, in: conversation, by: log.whole)
            #expect(try await stores.timeline(of: a).map(\.seq) == [1])
            #expect(try await stores.messages(of: a) == 1, "what was refused was not remembered")
        },
    ]
}

// MARK: Blocked users

extension MembershipStoreContract {
    static let blocking: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("Blocked users are listed in the order of blocking, and every change is an event") { stores in
            let user = Sample.user()
            let others = try ["x", "a:b@c", "=~+", "b"].map { try #require(UserID($0 + RandomToken.make(length: 8))) }
            var blocked: [UserID] = []
            var seq: Int64 = 0
            var previous = ""
            for (index, on) in [(2, true), (0, true), (3, true), (0, false), (1, true), (0, true), (2, false)] {
                let other = others[index]
                let id = EventID.new(atMilliseconds: Sample.now)
                let outcome = try #require(
                    await stores.apply(.block(other, on: on), of: user, id: id, at: Sample.now + seq))
                seq += 1
                let frame = ChatFrames.block(
                    seq: seq, id: id.text, timestamp: Sample.now + seq - 1, user: other, on: on)
                #expect(outcome.entry?.frame.text == frame.text)
                #expect(outcome.entry == AppendedEntry(seq: seq, id: id.text, previous: previous, frame: frame))
                previous = id.text
                if on { blocked.append(other) } else { blocked.removeAll { $0 == other } }
                #expect(try await stores.blocks(of: user) == blocked)
                let again = try #require(await stores.apply(.block(other, on: on), of: user))
                #expect(again.entry == nil)
            }
            #expect(try await stores.blocks(of: user) == blocked)
            #expect(try await stores.timeline(of: user).map(\.seq) == Array(1...seq))
            for other in others { #expect(try await stores.blocks(of: other).isEmpty) }
            #expect(try await stores.messages(of: user) == 0)
            #expect(try await stores.list(of: user).isEmpty)
        }
    ]
}
