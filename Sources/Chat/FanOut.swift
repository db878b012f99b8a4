import Core

/// Brings one member's timeline to one entry of a log: the decisions of it, as a state machine without I/O (DESIGN §3).
///
/// It is told what the member's side and the log answered, and says what to ask next. Any node may run it any number of
/// times and in the middle of another's run: the member's side passes over what it has.
///
///     advance ──► advanced ──────────────────────────────► done
///        ▲  └──► gap, beyond ──► read the log ──┐
///        │  └──► forked ───────► describe ──► reset
///        └──────────────────────────────────────┘
public struct FanOut: Hashable, Sendable {
    /// What is to be done next.
    public enum Action: Hashable, Sendable {
        case advance(AdvanceStep)
        /// Ask the log for what follows; nil: from the member's joining on.
        case read(after: EntryPosition?)
        /// Ask the conversation for the member's counts, to reset from.
        case describe
        /// The member is there. What was appended on the way was already given out.
        case done
    }

    private let target: Int64
    /// Milliseconds since 1970.
    private let oldest: Int64
    /// The last answer of the log, when it was asked because the member is beyond it.
    private var checking: EntryPosition?
    private var isResetting = false
    private var turns = 0

    /// More turns than this mean that the two sides do not agree; the sweeper tries again later.
    private static let turnsMax = 100
    /// A member who is further behind than this reads the conversation afresh instead.
    private static let catchUpMax: Int64 = 1000

    /// Begins with an entry that was just appended: in the usual case the member's cursor stands right before it.
    ///
    /// - Parameter now: Tells which entries are older than a timeline keeps events, for instance imported ones: they are
    ///   not written into it one by one. 0: none is.
    public static func begin(
        _ commit: Commit, for member: UserID, nowMilliseconds now: Int64 = 0
    ) -> (FanOut, Action) {
        let fanOut = FanOut(target: commit.entry.position.number, now: now)
        var mode = commit.isLarge ? AdvanceStep.Mode.join : .follow
        if case .group(let change) = commit.entry.content, change.kind == .created || change.kind == .added,
            change.users.contains(member)
        {
            mode = .join
        }
        return (fanOut, .advance(AdvanceStep(mode: mode, from: commit.previous, entries: [commit.entry])))
    }

    /// Begins without an entry at hand: somebody else did not finish. `now` is as in `begin`.
    public static func catchUp(to head: EntryPosition, nowMilliseconds now: Int64 = 0) -> (FanOut, Action) {
        // A step without entries asks where the member stands.
        (FanOut(target: head.number, now: now), .advance(AdvanceStep(from: head, entries: [])))
    }

    private init(target: Int64, now: Int64) {
        self.target = target
        oldest = now - Int64(Limits.timelineDaysMax) * 86_400_000
    }

    /// The member's side answered. - Returns: nil when this does not end.
    public mutating func advanced(_ outcome: AdvanceOutcome, by step: AdvanceStep) -> Action? {
        turns += 1
        guard turns < Self.turnsMax else { return nil }
        switch outcome {
        case .advanced:
            let reached = step.from.number + Int64(step.entries.count)
            if isResetting || reached >= target { return .done }
            return .read(after: step.entries.last?.position ?? step.from)
        case .gap(let position): return .read(after: position)
        case .beyond(let position):
            checking = position
            return .read(after: position)
        case .forked: return .describe
        }
    }

    /// The log answered.
    public mutating func read(_ page: EntryPage?, after position: EntryPosition?) -> Action {
        // Not a member any more: nothing of it is theirs.
        guard let page else { return .done }
        if page.isForked { return .describe }
        if checking != nil, checking == position {
            // The log has the member's own entry: others were faster.
            checking = nil
            return .done
        }
        guard let first = page.entries.first else { return .done }
        guard first.timestampMilliseconds >= oldest else { return .describe }
        guard page.head.number - page.from.number <= Self.catchUpMax else { return .describe }
        let isJoining = position == nil || page.from.number > (position?.number ?? 0)
        return .advance(AdvanceStep(mode: isJoining ? .join : .follow, from: page.from, entries: page.entries))
    }

    /// The conversation was described. nil: the user is not a member any more.
    public mutating func described(_ summary: ConversationSummary?, resetID: EventID) -> Action {
        guard let summary else { return .done }
        isResetting = true
        let counts = ConversationCounts(
            messages: summary.messages, own: summary.own, readN: summary.readN, readOwn: summary.readOwn)
        return .advance(AdvanceStep(mode: .reset(id: resetID, counts), from: summary.head, entries: []))
    }
}
