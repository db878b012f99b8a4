import ApusTesting
import Chat
import Core
import Testing

@Suite("The fan-out to one member")
struct FanOutTests {
    private let member = ChatValues.user("b")
    private let other = ChatValues.user("a")
    private let conversation = ConversationID.newGroup()

    private func position(_ number: Int64) -> EntryPosition {
        number == 0 ? .start : EntryPosition(number: number, id: "e\(number)")
    }

    private func entry(_ number: Int64, _ content: LogEntry.Content = .recalled(n: 1)) -> LogEntry {
        LogEntry(
            position: position(number), timestampMilliseconds: 0, author: other, messages: 0, content: content)
    }

    private func entries(_ numbers: ClosedRange<Int64>) -> [LogEntry] { numbers.map { entry($0) } }

    private func commit(_ number: Int64, _ content: LogEntry.Content = .recalled(n: 1), isLarge: Bool = false) -> Commit
    {
        Commit(
            entry: entry(number, content), previous: position(number - 1), members: [other, member],
            isFannedOut: true, isLarge: isLarge, ticket: FanOutTicket(conversation: conversation, mark: "m"))
    }

    private func page(
        from: Int64, _ numbers: ClosedRange<Int64>? = nil, head: Int64, isForked: Bool = false
    ) -> EntryPage {
        EntryPage(
            from: position(from), isForked: isForked, entries: numbers.map { entries($0) } ?? [],
            head: position(head), members: [other, member])
    }

    private func summary(head: Int64, _ counts: ConversationCounts) -> ConversationSummary {
        ConversationSummary(
            conversation: conversation, members: [other, member], memberCount: 2, owner: other, title: nil,
            head: position(head), messages: counts.messages, last: nil, readN: counts.readN, readOwn: counts.readOwn,
            own: counts.own, others: [], isBlocked: false)
    }

    private func step(of action: FanOut.Action) throws -> AdvanceStep {
        guard case .advance(let step) = action else { throw TestFailure("\(action) is no step") }
        return step
    }

    private let there = AdvanceOutcome.advanced(
        AdvanceOutcome.Advance(
            entries: [], routes: [],
            state: MembershipState(
                readN: 0, conversationUnread: 0, unread: Unread(messages: 0, notifications: 0))))

    // MARK: Beginning

    @Test("begins with the entry itself, right after the one before it, and is done when that fits")
    func usual() {
        var (fanOut, action) = FanOut.begin(commit(7), for: member)
        let step = AdvanceStep(from: position(6), entries: [entry(7)])
        #expect(action == .advance(step))
        #expect(fanOut.advanced(there, by: step) == .done)
    }

    @Test("lets those begin anew whom the entry makes members, and nobody else")
    func joins() {
        for kind in GroupChange.Kind.allCases {
            for users in [[member], [other], [other, member], []] {
                let content = LogEntry.Content.group(GroupChange(kind: kind, users: users))
                let (_, action) = FanOut.begin(commit(7, content), for: member)
                let joins = [.created, .added].contains(kind) && users.contains(member)
                #expect(
                    action
                        == .advance(
                            AdvanceStep(
                                mode: joins ? .join : .follow, from: position(6), entries: [entry(7, content)])),
                    "\(kind) of \(users)")
            }
        }
    }

    @Test("passes over what a large group did not write")
    func large() {
        let content = LogEntry.Content.group(GroupChange(kind: .removed, users: [member]))
        let (_, action) = FanOut.begin(commit(7, content, isLarge: true), for: member)
        #expect(action == .advance(AdvanceStep(mode: .join, from: position(6), entries: [entry(7, content)])))
    }

    @Test("asks where the member stands when there is no entry at hand")
    func sweeping() {
        var (fanOut, action) = FanOut.catchUp(to: position(9))
        let step = AdvanceStep(from: position(9), entries: [])
        #expect(action == .advance(step))
        #expect(fanOut.advanced(there, by: step) == .done)
    }

    // MARK: Catching up

    @Test("reads the log where the member stands, and goes on until the entry is there")
    func gap() throws {
        var (fanOut, action) = FanOut.begin(commit(7), for: member)
        let first = try step(of: action)
        #expect(fanOut.advanced(.gap(after: position(2)), by: first) == .read(after: position(2)))
        let second = AdvanceStep(from: position(2), entries: entries(3...5))
        #expect(fanOut.read(page(from: 2, 3...5, head: 8), after: position(2)) == .advance(second))
        #expect(fanOut.advanced(there, by: second) == .read(after: position(5)))
        let third = AdvanceStep(from: position(5), entries: entries(6...8))
        #expect(fanOut.read(page(from: 5, 6...8, head: 8), after: position(5)) == .advance(third))
        #expect(fanOut.advanced(there, by: third) == .done)
    }

    @Test("lets a member without a cursor, or with one from before the joining, begin with the joining")
    func joining() throws {
        for before in [nil, position(1)] {
            var (fanOut, action) = FanOut.begin(commit(7), for: member)
            let first = try step(of: action)
            #expect(fanOut.advanced(.gap(after: before), by: first) == .read(after: before))
            let step = AdvanceStep(mode: .join, from: position(4), entries: entries(5...7))
            #expect(fanOut.read(page(from: 4, 5...7, head: 7), after: before) == .advance(step))
            #expect(fanOut.advanced(there, by: step) == .done)
        }
        var (fanOut, _) = FanOut.begin(commit(2), for: member)
        let whole = page(from: 0, 1...2, head: 2)
        #expect(
            fanOut.read(whole, after: nil)
                == .advance(AdvanceStep(mode: .join, from: .start, entries: entries(1...2))))
    }

    @Test("is done when the log has nothing for the member: one who is out, or who has it all")
    func nothing() throws {
        var (fanOut, action) = FanOut.begin(commit(7), for: member)
        let step = try step(of: action)
        #expect(fanOut.advanced(.gap(after: position(3)), by: step) == .read(after: position(3)))
        var (stranger, former) = (fanOut, fanOut)
        #expect(stranger.read(nil, after: position(3)) == .done)
        #expect(former.read(page(from: 3, head: 9), after: position(3)) == .done)
    }

    // MARK: Another's run, another's log

    @Test("is done when the member is further on in the same log")
    func beyond() throws {
        for entries in [nil, 10...11] as [ClosedRange<Int64>?] {
            var (fanOut, action) = FanOut.begin(commit(7), for: member)
            let step = try step(of: action)
            #expect(fanOut.advanced(.beyond(position(9)), by: step) == .read(after: position(9)))
            #expect(fanOut.read(page(from: 9, entries, head: 11), after: position(9)) == .done)
        }
    }

    @Test("resets a member that is further on in another log")
    func lostTail() throws {
        var (fanOut, action) = FanOut.begin(commit(7), for: member)
        let step = try step(of: action)
        #expect(fanOut.advanced(.beyond(position(9)), by: step) == .read(after: position(9)))
        #expect(fanOut.read(page(from: 9, head: 7, isForked: true), after: position(9)) == .describe)
    }

    @Test("resets a member of another log to the counts of the conversation, and is done, wherever the head is")
    func forked() throws {
        let reset = try #require(EventID("r-1"))
        for head in [3, 7, 20] as [Int64] {
            var (fanOut, action) = FanOut.begin(commit(7), for: member)
            let first = try step(of: action)
            #expect(fanOut.advanced(.forked, by: first) == .describe)
            let counts = ConversationCounts(messages: 5, own: 2, readN: 3, readOwn: 1)
            let step = AdvanceStep(mode: .reset(id: reset, counts), from: position(head), entries: [])
            #expect(fanOut.described(summary(head: head, counts), resetID: reset) == .advance(step))
            #expect(fanOut.advanced(there, by: step) == .done)
        }
        var (fanOut, _) = FanOut.begin(commit(7), for: member)
        #expect(fanOut.described(nil, resetID: reset) == .done)
    }

    @Test("resets a member whose place the log does not know")
    func forkedBehind() throws {
        var (fanOut, action) = FanOut.begin(commit(7), for: member)
        let step = try step(of: action)
        #expect(fanOut.advanced(.gap(after: position(3)), by: step) == .read(after: position(3)))
        #expect(fanOut.read(page(from: 3, head: 7, isForked: true), after: position(3)) == .describe)
    }

    @Test("lets a member that is very far behind read afresh, rather than write all of it")
    func farBehind() {
        for (head, isTooFar) in [(1003, false), (1004, true)] as [(Int64, Bool)] {
            var (fanOut, _) = FanOut.catchUp(to: position(head))
            let action = fanOut.read(page(from: 3, 4...4, head: head), after: position(3))
            let step = AdvanceStep(from: position(3), entries: entries(4...4))
            #expect(action == (isTooFar ? .describe : .advance(step)))
        }
    }

    @Test("gives up when the two sides never agree")
    func endless() throws {
        var (fanOut, action) = FanOut.begin(commit(7), for: member)
        for turn in 0..<1000 {
            let step = try step(of: action)
            guard let next = fanOut.advanced(.gap(after: position(2)), by: step) else {
                #expect(turn >= 50, "not at the first doubt")
                return
            }
            #expect(next == .read(after: position(2)))
            action = fanOut.read(page(from: 2, 3...3, head: 7), after: position(2))
        }
        Issue.record("it goes on for ever")
    }
}
