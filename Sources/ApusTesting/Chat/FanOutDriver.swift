import Chat
import Core

/// Brings commits to their members by the decisions of `FanOut`, one call after another, as a node does; with faults on
/// request, as nodes and networks have them.
public struct FanOutDriver: Sendable {
    /// What befalls one call of a run.
    public enum Fault: Hashable, Sendable, CaseIterable {
        case none
        /// The call never arrives; the run is given up, as when a node dies.
        case lostRequest
        /// The call is carried out, but its answer is lost; the run is given up.
        case lostAnswer
        /// The call is carried out twice; the second answer counts.
        case repeated
    }

    /// How far a run came.
    public struct Run: Hashable, Sendable {
        /// What was appended to whose timeline, in that order; without what an answer was lost of.
        public var appended: [UserID: [AppendedEntry]] = [:]
        /// Members whose run was given up: the mark stays, and the sweeper goes on.
        public var givenUp: [UserID] = []

        public var isFinished: Bool { givenUp.isEmpty }
    }

    public let conversations: any ConversationStore
    public let memberships: any MembershipStore
    /// Entries asked of a log at a time.
    public var pageLimit: Int
    /// Asked before every call that is made for a member.
    public var fault: @Sendable (UserID, FanOut.Action) -> Fault

    public init(
        conversations: any ConversationStore, memberships: any MembershipStore,
        pageLimit: Int = Limits.advanceEntriesMax,
        fault: @escaping @Sendable (UserID, FanOut.Action) -> Fault = { _, _ in .none }
    ) {
        self.conversations = conversations
        self.memberships = memberships
        self.pageLimit = pageLimit
        self.fault = fault
    }

    private struct Lost: Error {}

    // MARK: Runs

    /// Brings a commit that was just appended to all its members, one after another, and takes its mark away when all
    /// are there. A duplicate is for `catchUp`: its ticket may have taken the place of the mark of a later entry, whose
    /// node died, and must not be given back before everybody is at the head.
    @discardableResult
    public func bring(_ commit: Commit, nowMilliseconds now: Int64) async throws -> Run {
        var run = Run()
        for member in commit.isFannedOut ? commit.members : [] {
            try await bring(commit, to: member, &run, now)
        }
        if run.isFinished { try await finish(commit.ticket) }
        return run
    }

    /// Brings a commit to one of its members and leaves the mark as it is.
    @discardableResult
    public func bring(_ commit: Commit, to member: UserID, nowMilliseconds now: Int64) async throws -> Run {
        var run = Run()
        try await bring(commit, to: member, &run, now)
        return run
    }

    private func bring(_ commit: Commit, to member: UserID, _ run: inout Run, _ now: Int64) async throws {
        let (fanOut, action) = FanOut.begin(commit, for: member)
        try await perform(fanOut, action, for: member, in: commit.ticket.conversation, &run, now)
    }

    /// Brings everybody to the head of the log and takes the mark away: what a sweeper does with a mark that it claimed,
    /// and a node with that of a duplicate.
    @discardableResult
    public func catchUp(_ ticket: FanOutTicket, nowMilliseconds now: Int64) async throws -> Run {
        var run = Run()
        let page = try await answer {
            conversations.entries(of: ticket.conversation, for: nil, after: nil, limit: 1, $0)
        }
        // A mark without a conversation: its first change was refused, or is under way.
        if let page {
            for member in page.members {
                let (fanOut, action) = FanOut.catchUp(to: page.head)
                try await perform(fanOut, action, for: member, in: ticket.conversation, &run, now)
            }
        }
        if run.isFinished { try await finish(ticket) }
        return run
    }

    /// Claims what was marked before a time and catches up, until there is nothing more to claim.
    /// - Parameter wanted: The others are left claimed: they are those of cases that run beside this one.
    public func sweep(
        beforeMilliseconds: Int64, nowMilliseconds now: Int64, wanted: Set<ConversationID>
    ) async throws -> [Run] {
        var runs: [Run] = []
        for _ in 0..<1000 {
            let tickets = try await answer {
                conversations.claimUnfinished(
                    limit: 50, beforeMilliseconds: beforeMilliseconds, nowMilliseconds: now, $0)
            }
            if tickets.isEmpty { return runs }
            for ticket in tickets where wanted.contains(ticket.conversation) {
                runs.append(try await catchUp(ticket, nowMilliseconds: now))
            }
        }
        throw TestFailure("claimUnfinished has no end")
    }

    /// Moves a reader's own cursor without an entry, after `CommitOutcome.cursor`. `id` becomes the id of the event.
    public func moveCursor(
        of reader: UserID, in conversation: ConversationID, n: Int64, own: Int64, force: Bool, id: EventID,
        nowMilliseconds now: Int64
    ) async throws -> AdvanceOutcome {
        let step = Self.aside(of: reader, n: n, own: own, force: force, id: id, nowMilliseconds: now)
        return try await answer { memberships.advance(reader, in: conversation, by: step, nowMilliseconds: now, $0) }
    }

    /// The step that moves a reader's own cursor.
    public static func aside(
        of reader: UserID, n: Int64, own: Int64, force: Bool, id: EventID, nowMilliseconds now: Int64
    ) -> AdvanceStep {
        let entry = LogEntry(
            position: EntryPosition(number: 0, id: id.text), timestampMilliseconds: now, author: reader, messages: 0,
            content: .read(n: n, own: own))
        return AdvanceStep(mode: .aside(force: force), from: .start, entries: [entry])
    }

    private func finish(_ ticket: FanOutTicket) async throws { try await answer { conversations.finish(ticket, $0) } }

    // MARK: One member

    private func perform(
        _ begun: FanOut, _ first: FanOut.Action, for member: UserID, in conversation: ConversationID,
        _ run: inout Run, _ now: Int64
    ) async throws {
        var (fanOut, action) = (begun, first)
        do {
            while true {
                switch action {
                case .done: return
                case .advance(let step):
                    let outcome = try await faultily(member, action) {
                        try await answer {
                            memberships.advance(member, in: conversation, by: step, nowMilliseconds: now, $0)
                        }
                    } seeing: {
                        if case .advanced(let advance) = $0 { run.appended[member, default: []] += advance.entries }
                    }
                    guard let next = fanOut.advanced(outcome, by: step) else {
                        throw TestFailure("the fan-out to \(member) in \(conversation) does not end")
                    }
                    action = next
                case .read(let position):
                    let page = try await faultily(member, action) {
                        try await answer {
                            conversations.entries(
                                of: conversation, for: member, after: position, limit: pageLimit, $0)
                        }
                    }
                    action = fanOut.read(page, after: position)
                case .describe:
                    let summary = try await faultily(member, action) {
                        try await answer { conversations.summaries(of: [conversation], for: member, $0) }
                    }
                    action = fanOut.described(summary.first ?? nil, resetID: .new(atMilliseconds: now))
                }
            }
        } catch is Lost {
            run.givenUp.append(member)
        }
    }

    private func faultily<Value>(
        _ member: UserID, _ action: FanOut.Action, _ call: () async throws -> Value,
        seeing: (Value) -> Void = { _ in }
    ) async throws -> Value {
        switch fault(member, action) {
        case .none: break
        case .lostRequest: throw Lost()
        case .lostAnswer:
            _ = try await call()
            throw Lost()
        case .repeated: seeing(try await call())
        }
        let value = try await call()
        seeing(value)
        return value
    }
}
