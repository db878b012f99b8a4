import Chat
import Core
import Testing
import Timelines

// MARK: Recalls

extension MembershipStoreContract {
    static let recalling: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase(
            "A recall takes the body out of what the timeline holds of the message and its edits, and no other"
        ) {
            stores in
            let (a, b, conversation) = ChatSample.pair()
            let foreign = ChatSample.direct(b, Sample.user())
            var (log, other) = (SampleLog(conversation), SampleLog(foreign))
            log.message("secret", by: a)
            other.message("kept", by: b)
            log.add(.edited(n: 1, body: ChatSample.body("secret 2")), by: a)
            log.message("kept", by: a)
            log.add(.edited(n: 2, body: ChatSample.body("kept 2")), by: a)
            log.add(.edited(n: 1, body: Array("{\"body\":{\"secret\":3},\"n\":2}".utf8)), by: a)
            log.add(.reaction(n: 1, key: "x", on: true), by: b)
            try await stores.advanced(b, in: conversation, by: log.step(1...6))
            try await stores.advanced(b, in: foreign, by: other.whole)
            let before = try await stores.timeline(of: b)
            try #require(before.count == 7)
            log.add(.recalled(n: 1), by: a)
            let recall = try await stores.advanced(b, in: conversation, by: log.step(7...7))
            #expect(recall.entries.map(\.frame.text) == [frame(8, log.entries[6], conversation, for: b)])
            var expected = before.map(\.frame.text)
            for index in [0, 1, 4] {
                #expect(expected[index].contains("secret"))
                expected[index] = ChatFrames.withoutBody(before[index].frame).text
            }
            let after = try await stores.timeline(of: b)
            #expect(after.dropLast().map(\.frame.text) == expected)
            #expect(after.allSatisfy { !$0.frame.text.contains("secret") })
            #expect(after.map(\.id) == before.map(\.id) + [log.entries[6].position.id])
            // The totals stay: a message that was recalled is one that was sent.
            #expect(recall.state.conversationUnread == 2)
            #expect(try await stores.messages(of: b) == 2)
            let cursor = Cursor(epoch: try await stores.open(b).head.epoch, seq: 0, last: nil)
            let resumed = try await answer { stores.timelines.open(b, at: cursor, limit: 100, $0) }
            #expect(resumed.verdict == .resumed && resumed.entries == after)
        },
        ContractCase("A message and its recall in one step leave no body behind") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var log = SampleLog(conversation)
            log.message("secret", by: a)
            log.add(.edited(n: 1, body: ChatSample.body("secret 2")), by: a)
            log.add(.recalled(n: 1), by: a)
            for user in [a, b] {
                try await stores.advanced(user, in: conversation, by: log.whole)
                let timeline = try await stores.timeline(of: user)
                #expect(timeline.count == 3)
                #expect(timeline.allSatisfy { !$0.frame.text.contains("secret") })
                // A node that is late repeats what it knows: nothing comes back.
                for step in [log.whole, log.step(1...2), log.step(1...1)] {
                    _ = try await stores.advance(user, in: conversation, by: step)
                }
                #expect(try await stores.timeline(of: user) == timeline)
            }
        },
        ContractCase("What was recalled before it was brought here comes without its body") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var log = SampleLog(conversation)
            log.add(.message(cid: "c-1", body: nil), by: a)
            log.add(.edited(n: 1, body: nil), by: a)
            log.add(.recalled(n: 1), by: a)
            let expected = [
                frame(1, log.entries[0], conversation, for: b, unread: 1),
                frame(2, log.entries[1], conversation, for: b),
                frame(3, log.entries[2], conversation, for: b),
            ]
            try await stores.advanced(b, in: conversation, by: log.whole)
            #expect(try await stores.timeline(of: b).map(\.frame.text) == expected)
            #expect(expected[0].contains(",\"recalled\":true,\"unread\""))
        },
        ContractCase("A recall of a message that the timeline no longer holds is an event like others") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var log = SampleLog(conversation)
            let count = stores.limits.timelineEvents * 2
            for index in 0..<count { log.message("\(index)", by: a) }
            log.add(.recalled(n: 1), by: a)
            log.add(.recalled(n: Int64(count)), by: a)
            var first = 1
            while first <= log.entries.count {
                let last = min(first + Limits.advanceEntriesMax - 1, log.entries.count)
                try await stores.advanced(b, in: conversation, by: log.step(first...last))
                first = last + 1
            }
            let timeline = try await stores.timeline(of: b, limit: 4)
            #expect(timeline.map(\.seq) == (count - 1...count + 2).map { Int64($0) })
            #expect(timeline[0].frame.text.contains("\"body\""))
            #expect(!timeline[1].frame.text.contains("\"body\""))
            #expect(
                timeline[2].frame.text == frame(Int64(count + 1), log.entries[count], conversation, for: b))
        },
    ]
}
