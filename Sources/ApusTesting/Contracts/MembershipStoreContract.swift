import Chat
import Core
import Notifications
import Testing
import Timelines

/// The promises of `MembershipStore`. Logs are made up here (`SampleLog`): the two ports meet in `ChatModelContract`.
///
/// The other parts stand in `MembershipStoreContract+Recalls.swift`, `+Modes`, `+Leaving`, `+List` and `+Settings`.
public enum MembershipStoreContract {
    public static let cases: [ContractCase<ChatStoresUnderTest>] =
        advancing + fitting + sharing + recalling + joining + asides + resetting + leaving + listing + muting + blocking

    /// A frame as `ChatFrames` writes it; `unread` are the messages when the event changed the totals.
    static func frame(
        _ seq: Int64, _ entry: LogEntry, _ conversation: ConversationID, for user: UserID, unread: Int? = nil,
        notifications: Int = 0, conversationUnread: Int? = nil
    ) -> String {
        ChatFrames.event(
            seq: seq, entry, in: conversation, for: user,
            unread: unread.map { Unread(messages: $0, notifications: notifications) },
            conversationUnread: conversationUnread
        ).text
    }
}

// MARK: One entry after another

extension MembershipStoreContract {
    private static let advancing: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("Whatever happens in a conversation stands in the timeline as ChatFrames writes it") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var log = SampleLog(conversation)
            log.message("1", by: a)
            log.message("2", by: b)
            log.message("3", by: a)
            log.add(.edited(n: 1, body: ChatSample.body("1a")), by: a)
            log.add(.reaction(n: 2, key: "\"x\\ 👍", on: true), by: a)
            log.add(.read(n: 2, own: 1), by: a)
            log.add(.read(n: 1, own: 0), by: b)
            log.add(.reaction(n: 2, key: "\"x\\ 👍", on: false), by: a)
            log.add(.recalled(n: 3), by: a)
            log.add(.read(n: 3, own: 1), by: b)
            let unread: [Int?] = [1, nil, 2, nil, nil, nil, 1, nil, nil, 0]
            let own: [Int?] = [nil, nil, nil, nil, nil, nil, 1, nil, nil, 0]
            var previous = ""
            var (total, readN): (Int, Int64) = (0, 0)
            for (index, entry) in log.entries.enumerated() {
                let number = index + 1
                let advance = try await stores.advanced(b, in: conversation, by: log.step(number...number))
                let appended = try #require(advance.entries.first)
                #expect(advance.entries.count == 1 && appended.seq == Int64(number))
                #expect(appended.id == entry.position.id && appended.previous == previous)
                #expect(
                    appended.frame.text
                        == frame(
                            Int64(number), entry, conversation, for: b, unread: unread[index],
                            conversationUnread: own[index]))
                previous = appended.id
                total = unread[index] ?? total
                if case .read(let n, _) = entry.content, entry.author == b { readN = n }
                let state = MembershipState(
                    readN: readN, conversationUnread: total, unread: Unread(messages: total, notifications: 0))
                #expect(advance.state == state)
                #expect(try await stores.state(of: b, in: conversation) == state)
                #expect(try await stores.messages(of: b) == total)
            }
            let list = try await stores.list(of: b)
            #expect(
                list == [
                    Membership(
                        conversation: conversation, cursor: log.head,
                        counts: ConversationCounts(messages: 3, own: 1, readN: 3, readOwn: 1), isMuted: false)
                ])
            #expect(try await stores.drift(of: b) == 0)
        },
        ContractCase("Changes of groups stand in the timelines of all members") { stores in
            let users = ChatSample.users(3)
            let conversation = ConversationID.newGroup()
            var log = SampleLog(conversation)
            let title = "Größe \"x\" \\"
            log.add(.group(GroupChange(kind: .created, title: title, users: Array(users[..<2]))), by: users[0])
            log.message(by: users[0])
            log.add(.group(GroupChange(kind: .updated, title: "")), by: users[1])
            log.add(.group(GroupChange(kind: .added, users: [users[2]])), by: users[1])
            log.add(.group(GroupChange(kind: .removed, users: [users[2]])), by: users[0])
            log.add(.group(GroupChange(kind: .created, title: nil, users: [users[1]])), by: users[0])
            let advance = try await stores.advanced(users[0], in: conversation, by: log.whole)
            #expect(
                advance.entries.map(\.frame.text)
                    == log.entries.enumerated().map { frame(Int64($0 + 1), $1, conversation, for: users[0]) })
            #expect(try await stores.timeline(of: users[0]).map(\.frame) == advance.entries.map(\.frame))
            #expect(advance.state.unread.messages == 0)
        },
        ContractCase("Bodies reach the timeline as they came, byte for byte") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var log = SampleLog(conversation)
            let bodies = [
                "{}", "{\t\"a\" :\n[ 1.0e+2 ,null ] \r\n}", "{\"a\":\"\\u0000\\ud83d\\ude00\\/\"}", "{\"日本\":\"🐦‍⬛\"}",
                "{\"%d\":\"$1 {0} [[x]] %%\"}", "{\"unread\":{},\"recalled\":true,\"body\":{\"body\":1}}",
                "{\"n\":9007199254740993}",
                "{\"t\":\"" + String(repeating: "ä", count: (Limits.bodyBytesMax - 8) / 2) + "\"}",
            ]
            for body in bodies {
                log.add(.message(cid: ChatSample.cid().text, body: Array(body.utf8)), by: a)
                log.add(.edited(n: log.entries.last?.messages ?? 0, body: Array(body.utf8)), by: a)
            }
            for user in [a, b] {
                try await stores.advanced(user, in: conversation, by: log.whole)
                let expected = log.entries.map { entry in
                    let isCounted = entry.position.number % 2 == 1 && user == b
                    return frame(
                        entry.position.number, entry, conversation, for: user,
                        unread: isCounted ? Int(entry.messages) : nil)
                }
                #expect(try await stores.timeline(of: user).map(\.frame.text) == expected)
            }
        },
        ContractCase("A step may have as many entries as the limit says") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var log = SampleLog(conversation)
            for index in 0..<Limits.advanceEntriesMax { log.message("\(index)", by: a) }
            let advance = try await stores.advanced(b, in: conversation, by: log.whole)
            #expect(advance.entries.map(\.seq) == Array(1...Int64(Limits.advanceEntriesMax)))
            #expect(advance.state.conversationUnread == Limits.advanceEntriesMax)
            #expect(advance.entries.dropFirst().map(\.previous) == advance.entries.dropLast().map(\.id))
        },
    ]
}

// MARK: Where the cursor stands

extension MembershipStoreContract {
    private static let fitting: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("The same steps again change nothing, and steps that overlap append what is new") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var log = SampleLog(conversation)
            for index in 0..<6 { log.message("\(index)", by: index == 2 ? b : a) }
            for (numbers, new) in [(1...3, 1...3), (1...3, nil), (2...4, 4...4), (3...3, nil), (1...6, 5...6)]
                as [(ClosedRange<Int>, ClosedRange<Int>?)]
            {
                let outcome = try await stores.advance(b, in: conversation, by: log.step(numbers))
                switch outcome {
                case .advanced(let advance):
                    #expect(advance.entries.map(\.seq) == (new.map { $0.map(Int64.init) } ?? []), "\(numbers)")
                case .beyond(log.position(4)) where numbers == 3...3: break
                default: Issue.record("\(numbers): \(outcome)")
                }
            }
            let timeline = try await stores.timeline(of: b)
            for first in 1...6 {
                for last in first...6 {
                    let outcome = try await stores.advance(b, in: conversation, by: log.step(first...last))
                    guard last == 6 else {
                        #expect(outcome == .beyond(log.head), "\(first)...\(last)")
                        continue
                    }
                    guard case .advanced(let advance) = outcome else { throw TestFailure("\(outcome)") }
                    #expect(advance.entries.isEmpty && advance.state.conversationUnread == 5)
                }
            }
            #expect(try await stores.timeline(of: b) == timeline)
            #expect(timeline.map(\.seq) == Array(1...6))
            #expect(try await stores.messages(of: b) == 5)
            #expect(try await stores.drift(of: b) == 0)
        },
        ContractCase("A step that begins after the cursor is a gap, and changes nothing") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var log = SampleLog(conversation)
            for index in 0..<6 { log.message("\(index)", by: a) }
            #expect(try await stores.advance(b, in: conversation, by: log.step(2...3)) == .gap(after: nil))
            #expect(try await stores.state(of: b, in: conversation) == nil)
            #expect(try await stores.list(of: b).isEmpty)
            try await stores.advanced(b, in: conversation, by: log.step(1...2))
            for numbers in [4...4, 4...6, 6...6] {
                #expect(
                    try await stores.advance(b, in: conversation, by: log.step(numbers))
                        == .gap(after: log.position(2)))
            }
            #expect(try await stores.timeline(of: b).count == 2)
            #expect(try await stores.list(of: b).first?.cursor == log.position(2))
            #expect(try await stores.messages(of: b) == 2)
        },
        ContractCase("A cursor whose id is not the log's is of another log, and nothing is changed") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var (log, other) = (SampleLog(conversation), SampleLog(conversation))
            for index in 0..<5 {
                log.message("\(index)", by: a)
                other.message("\(index)", by: a)
            }
            try await stores.advanced(b, in: conversation, by: log.step(1...3))
            for numbers in [1...3, 1...5, 3...3, 3...5, 4...5, 4...4] {
                #expect(
                    try await stores.advance(b, in: conversation, by: other.step(numbers)) == .forked, "\(numbers)")
                #expect(
                    try await stores.advance(b, in: conversation, by: other.step(numbers, .join)) == .forked,
                    "\(numbers), joining")
            }
            #expect(try await stores.timeline(of: b).count == 3)
            let advance = try await stores.advanced(b, in: conversation, by: log.step(4...5))
            #expect(advance.entries.count == 2 && advance.state.conversationUnread == 5)
        },
        ContractCase("A step without entries asks where the member is") { stores in
            let (a, b, conversation) = ChatSample.pair()
            var log = SampleLog(conversation)
            for index in 0..<4 { log.message("\(index)", by: a) }
            func ask(_ position: EntryPosition) async throws -> AdvanceOutcome {
                try await stores.advance(b, in: conversation, by: AdvanceStep(from: position, entries: []))
            }
            guard case .advanced(let nowhere) = try await ask(.start) else {
                throw TestFailure("a member without a cursor fits the start")
            }
            #expect(nowhere.entries.isEmpty && nowhere.state.unread == Unread(messages: 0, notifications: 0))
            #expect(try await ask(log.position(2)) == .gap(after: nil))
            #expect(try await stores.list(of: b).isEmpty)
            #expect(try await stores.timeline(of: b).isEmpty)
            try await stores.advanced(b, in: conversation, by: log.step(1...3))
            #expect(try await ask(log.position(4)) == .gap(after: log.position(3)))
            #expect(try await ask(log.position(2)) == .beyond(log.position(3)))
            #expect(try await ask(.start) == .beyond(log.position(3)))
            #expect(try await ask(EntryPosition(number: 3, id: "another")) == .forked)
            guard case .advanced(let there) = try await ask(log.position(3)) else { throw TestFailure("not there") }
            #expect(there.entries.isEmpty)
            #expect(
                there.state
                    == MembershipState(
                        readN: 0, conversationUnread: 3, unread: Unread(messages: 3, notifications: 0)))
            #expect(try await stores.timeline(of: b).count == 3)
        },
    ]
}

// MARK: One timeline for everything

extension MembershipStoreContract {
    private static let sharing: [ContractCase<ChatStoresUnderTest>] = [
        ContractCase("Conversations and notifications share one timeline, and every total has both") { stores in
            let user = Sample.user()
            let partners = ChatSample.users(2)
            let conversations = partners.map { ChatSample.direct(user, $0) }
            var logs = conversations.map { SampleLog($0) }
            func say(_ which: Int, seq: Int64, messages: Int, notifications: Int) async throws {
                let entry = logs[which].message("\(seq)", by: partners[which])
                let step = logs[which].step(logs[which].entries.count...logs[which].entries.count)
                let advance = try await stores.advanced(user, in: conversations[which], by: step)
                #expect(
                    advance.entries.map(\.frame.text) == [
                        frame(
                            seq, entry, conversations[which], for: user, unread: messages, notifications: notifications)
                    ])
                #expect(advance.state.unread == Unread(messages: messages, notifications: notifications))
                #expect(advance.state.conversationUnread == logs[which].entries.count)
            }
            func notify(seq: Int64, messages: Int, notifications: Int) async throws {
                let notification = Sample.notification()
                let outcome = try await answer {
                    stores.inbox.append(notification, to: user, nowMilliseconds: Sample.now, $0)
                }
                let frame = EventFrames.notification(
                    seq: seq, notification, item: notification.id.text, updated: false,
                    unread: Unread(messages: messages, notifications: notifications))
                #expect(outcome.entry?.frame.text == frame.text)
            }
            try await say(0, seq: 1, messages: 1, notifications: 0)
            try await notify(seq: 2, messages: 1, notifications: 1)
            try await say(1, seq: 3, messages: 2, notifications: 1)
            try await say(0, seq: 4, messages: 3, notifications: 1)
            try await notify(seq: 5, messages: 3, notifications: 2)
            let id = EventID.new(atMilliseconds: Sample.now)
            let marked = try await answer {
                stores.inbox.markRead(.all, category: nil, of: user, id: id, nowMilliseconds: Sample.now, $0)
            }
            let unread = Unread(messages: 3, notifications: 0)
            #expect(marked.counts.unread == unread)
            #expect(
                marked.entry?.frame.text
                    == EventFrames.inboxRead(
                        seq: 6, id: id, timestamp: Sample.now, selection: .all, category: nil, unread: unread
                    ).text)
            try await say(1, seq: 7, messages: 4, notifications: 0)
            #expect(try await stores.timeline(of: user).map(\.seq) == Array(1...7))
            #expect(try await stores.open(user).unread == Unread(messages: 4, notifications: 0))
            #expect(try await stores.messages(of: user) == 4)
            let page = try await answer {
                stores.inbox.page(InboxQuery(limit: 1), of: user, nowMilliseconds: Sample.now, $0)
            }
            #expect(page.counts.unread.messages == 4)
        },
        ContractCase("The same steps by many tasks at once append each entry once, in order") { stores in
            let users = ChatSample.users(3)
            let conversations = users[1...].map { ChatSample.direct(users[0], $0) }
            let logs = conversations.enumerated().map { index, conversation in
                var log = SampleLog(conversation)
                for number in 0..<12 { log.message("\(number)", by: users[number % 3 == 0 ? 0 : index + 1]) }
                return log
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for log in logs {
                    for first in stride(from: 1, through: 12, by: 3) {
                        for last in [first, min(first + 4, 12), 12] {
                            for _ in 0..<2 {
                                group.addTask {
                                    _ = try await stores.advance(
                                        users[0], in: log.conversation, by: log.step(first...last))
                                }
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            for log in logs { _ = try await stores.advance(users[0], in: log.conversation, by: log.whole) }
            let timeline = try await stores.timeline(of: users[0])
            #expect(timeline.map(\.seq) == Array(1...24))
            for log in logs {
                let ids = Set(log.entries.map(\.position.id))
                #expect(timeline.map(\.id).filter(ids.contains) == log.entries.map(\.position.id))
            }
            #expect(try await stores.messages(of: users[0]) == 16)
            #expect(try await stores.drift(of: users[0]) == 0)
        },
        ContractCase(
            "Calls made one after another without waiting are applied in that order, with those of other ports"
        ) {
            stores in
            let (a, b, conversation) = ChatSample.pair()
            var log = SampleLog(conversation)
            for index in 0..<20 { log.message("\(index)", by: a) }
            let steps = (1...20).map { log.step($0...$0) }
            let sent = (0..<20).map { _ in Sample.notification() }
            let opening = try await answer { (done: @escaping Completion<TimelineOpening>) in
                for (step, notification) in zip(steps, sent) {
                    stores.memberships.advance(b, in: conversation, by: step, nowMilliseconds: Sample.now) { _ in }
                    stores.inbox.append(notification, to: b, nowMilliseconds: Sample.now) { _ in }
                }
                stores.timelines.open(b, at: nil, limit: 1, done)
            }
            #expect(opening.head.seq == 40 && opening.unread == Unread(messages: 20, notifications: 20))
            let expected = zip(log.entries, sent).flatMap { [$0.position.id, $1.id.text] }
            #expect(try await stores.timeline(of: b).map(\.id) == expected)
        },
        ContractCase("An advance tells which sessions are to hear of it") { stores in
            guard let presence = stores.presence else { return }
            let (a, b, conversation) = ChatSample.pair()
            var log = SampleLog(conversation)
            log.message(by: a)
            log.message(by: a)
            #expect(try await stores.advanced(b, in: conversation, by: log.step(1...1)).routes.isEmpty)
            let holder = Sample.incarnation()
            let record = Sample.session(on: holder)
            _ = try await answer { presence.register(record, of: b, limit: 0, $0) }
            let routes = [SessionRoute(session: record.session.text, holder: holder)]
            #expect(try await stores.advanced(b, in: conversation, by: log.step(2...2)).routes == routes)
            #expect(try await stores.apply(.mute(conversation, on: true), of: b)?.routes == routes)
        },
    ]
}
