import ApusTesting
import Chat
import Core
import Testing

/// Random walks over two sides that lose their tails, are joined and left, and change while a run is under way.
@Suite("The fan-out over sides that fail")
struct FanOutWalkTests {
    @Test("always ends, and after a last run the member stands at the head with nothing missing or doubled")
    func walks() throws {
        let seed = SeededGenerator.seed()
        for walk in 0..<300 {
            var sides = TwoSides(seed: seed &+ UInt64(walk))
            for _ in 0..<40 { try sides.step() }
            try sides.settle()
            #expect(sides.problems.isEmpty, "seed \(seed &+ UInt64(walk)): \(sides.problems)")
        }
    }

    @Test("finds forks: a lost tail that grew again always ends in a reset")
    func forks() throws {
        let seed = SeededGenerator.seed()
        for walk in 0..<200 {
            var sides = TwoSides(seed: seed &+ UInt64(walk))
            for _ in 0..<20 { sides.append() }
            try sides.settle()
            let (lost, grown) = sides.loseTail()
            try sides.settle()
            #expect(sides.resets == 1, "seed \(seed &+ UInt64(walk)): \(lost) lost, \(grown) grown")
            #expect(sides.problems.isEmpty, "seed \(seed &+ UInt64(walk)): \(sides.problems)")
        }
    }
}

/// A log and one member's side of it, both as plain values, with the rules that the ports promise.
private struct TwoSides {
    private static let member = ChatValues.user("member")
    private static let other = ChatValues.user("other")
    private let conversation = ChatValues.conversation("g:walk")

    private var random: SeededGenerator
    private var log: [LogEntry] = []
    /// The entry that let the member in, and the one that ended it.
    private var joined: Int?
    private var left: Int?
    private var old: [Commit] = []

    private var cursor: EntryPosition?
    /// What the timeline has since the last reset or joining.
    private var timeline: [EntryPosition] = []
    private(set) var resets = 0
    private(set) var problems: [String] = []

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        append(.group(GroupChange(kind: .created, users: [Self.other, Self.member])))
    }

    private var head: EntryPosition { log.last?.position ?? .start }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    // MARK: The log

    mutating func append(_ content: LogEntry.Content = .recalled(n: 1)) {
        let previous = head
        let entry = LogEntry(
            position: EntryPosition(number: head.number + 1, id: "\(random.next())"), timestampMilliseconds: 0,
            author: Self.other, messages: 0, content: content)
        log.append(entry)
        if case .group(let change) = content {
            switch change.kind {
            case .created, .added: (joined, left) = (log.count, nil)
            default: left = log.count
            }
        }
        if let left, left < log.count { return }
        old.append(
            Commit(
                entry: entry, previous: previous, members: [Self.member], isFannedOut: true, isLarge: false,
                ticket: FanOutTicket(conversation: conversation, mark: "")))
    }

    /// A fail-over takes entries that were already told of, and others take their numbers.
    /// - Returns: How many were lost, and how many came instead.
    @discardableResult
    mutating func loseTail() -> (Int, Int) {
        let lost = min(number(1...5), log.count - 1)
        // Whoever came or left in the lost part came and left in another place now.
        guard lost > 0, joined ?? 0 <= log.count - lost, left == nil else { return (0, 0) }
        log.removeLast(lost)
        let grown = number(0...8)
        for _ in 0..<grown { append() }
        return (lost, grown)
    }

    private func page(after position: EntryPosition?, limit: Int) -> EntryPage? {
        guard let joined else { return nil }
        let before = joined == 1 ? EntryPosition.start : log[joined - 2].position
        let from = position.map { $0.number < before.number ? before : $0 } ?? before
        var page = EntryPage(from: from, isForked: false, entries: [], head: head, members: [Self.member])
        if from.number > head.number || from.number > 0 && log[Int(from.number) - 1].position != from {
            page.isForked = true
        } else {
            page.entries = Array(log[..<(left ?? log.count)].dropFirst(Int(from.number)).prefix(limit))
        }
        return page
    }

    // MARK: The member's side

    private mutating func advance(_ step: AdvanceStep) -> AdvanceOutcome {
        switch step.mode {
        case .reset:
            (cursor, timeline) = (step.from, [])
            resets += 1
            return advanced()
        case .join where cursor.map { $0.number < step.from.number } ?? true:
            (cursor, timeline) = (step.from, [])
        case .join, .follow, .aside: break
        }
        let position = cursor ?? .start
        if position.number < step.from.number { return .gap(after: cursor) }
        let passed = Int(position.number - step.from.number)
        if passed > step.entries.count { return .beyond(position) }
        if (passed == 0 ? step.from : step.entries[passed - 1].position) != position { return .forked }
        for entry in step.entries[passed...] {
            if let last = timeline.last, entry.position.number != last.number + 1 {
                problems.append("\(entry.position) after \(last)")
            }
            timeline.append(entry.position)
            cursor = entry.position
        }
        return advanced()
    }

    private func advanced() -> AdvanceOutcome {
        .advanced(
            AdvanceOutcome.Advance(
                entries: [], routes: [],
                state: MembershipState(
                    readN: 0, conversationUnread: 0, unread: Unread(messages: 0, notifications: 0))))
    }

    // MARK: Runs

    mutating func step() throws {
        switch number(0...99) {
        case 0..<45: append()
        case 45..<50: loseTail()
        case 50..<54: if left == nil { append(.group(GroupChange(kind: .removed, users: [Self.member]))) }
        case 54..<60: if left != nil { append(.group(GroupChange(kind: .added, users: [Self.member]))) }
        case 60..<64: loseMembersTail()
        case 64..<84:
            // A node that was stopped goes on with what it knew, even of an entry that was lost since.
            guard let commit = chance(60) ? old.last : old.randomElement(using: &random) else { return }
            let (fanOut, action) = FanOut.begin(commit, for: Self.member)
            try run(fanOut, action, changing: chance(50))
        default:
            let (fanOut, action) = FanOut.catchUp(to: head)
            try run(fanOut, action, changing: chance(50))
        }
    }

    /// The member's own store fails over: timeline and cursor go back together.
    private mutating func loseMembersTail() {
        timeline.removeLast(min(timeline.count, number(0...3)))
        cursor = timeline.last ?? cursor
    }

    /// A run from the head, with nothing else going on: after it, everything fits.
    mutating func settle() throws {
        let (fanOut, action) = FanOut.catchUp(to: head)
        try run(fanOut, action, changing: false)
        guard joined != nil else { return }
        if left == nil, cursor != head {
            problems.append("the member is at \(String(describing: cursor)), not at \(head)")
        }
        // What the timeline has since it was last begun anew is a part of the log, up to its end.
        for position in timeline where left == nil && !isPart(position) {
            problems.append("\(position) is no part of the log")
        }
    }

    private func isPart(_ position: EntryPosition) -> Bool {
        position.number <= log.count && log[Int(position.number) - 1].position == position
    }

    private mutating func run(_ begun: FanOut, _ first: FanOut.Action, changing: Bool) throws {
        var (fanOut, action) = (begun, first)
        for _ in 0..<500 {
            if changing, chance(20) { if chance(80) { append() } else { loseTail() } }
            switch action {
            case .done: return
            case .advance(let step):
                guard let next = fanOut.advanced(advance(step), by: step) else {
                    problems.append("a run was given up")
                    return
                }
                action = next
            case .read(let position): action = fanOut.read(page(after: position, limit: number(1...4)), after: position)
            case .describe:
                action = fanOut.described(summary, resetID: .new(atMilliseconds: 0))
            }
        }
        problems.append("a run has no end")
    }

    private var summary: ConversationSummary? {
        guard left == nil, joined != nil else { return nil }
        return ConversationSummary(
            conversation: conversation, members: [Self.other, Self.member], memberCount: 2, owner: Self.other,
            title: nil, head: head, messages: 0, last: nil, readN: 0, readOwn: 0, own: 0, others: [], isBlocked: false)
    }
}
