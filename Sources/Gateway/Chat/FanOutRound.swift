import Chat
import Core

/// One entry on its way to all members: when the last one is there, the mark is taken away. Where a step fails, the mark
/// stays, and the sweeper does it again.
final class FanOutRound: Sendable {
    private let node: NodeContext
    private let ticket: FanOutTicket
    private let missing: AtomicCounter
    private let hasFailed = AtomicCounter()
    private let acceptedMicroseconds: Int64

    init(node: NodeContext, ticket: FanOutTicket, members: Int) {
        self.node = node
        self.ticket = ticket
        missing = AtomicCounter()
        missing.add(members)
        acceptedMicroseconds = node.time.wallMilliseconds() * 1000
    }

    /// Runs the machine for one member to its end.
    func run(
        _ machine: FanOut, _ action: FanOut.Action, for member: UserID,
        _ done: @escaping Completion<MembershipState?>
    ) {
        perform(action, machine, member, nil, done)
    }

    private func perform(
        _ action: FanOut.Action?, _ machine: FanOut, _ member: UserID, _ state: MembershipState?,
        _ done: @escaping Completion<MembershipState?>
    ) {
        switch action {
        case nil:
            end(member, .failure(StoreError(.notStored, "the fan-out of \(ticket.conversation) has no end")), done)
        case .done: end(member, .success(state), done)
        case .advance(let step): advance(step, machine, member, done)
        case .read(let position):
            node.metrics.fanOutReads.increment()
            node.conversations.entries(
                of: ticket.conversation, for: member, after: position, limit: Limits.advanceEntriesMax
            ) { result in
                self.go(on: result, machine, member, state, done) { $0.read($1, after: position) }
            }
        case .describe:
            node.metrics.conversationResets.increment()
            node.conversations.summaries(of: [ticket.conversation], for: member) { result in
                self.go(on: result, machine, member, state, done) {
                    $0.described($1.first ?? nil, resetID: .short())
                }
            }
        }
    }

    /// Gives an answer to the machine and does what it says next.
    private func go<Answer>(
        on result: Result<Answer, StoreError>, _ machine: FanOut, _ member: UserID, _ state: MembershipState?,
        _ done: @escaping Completion<MembershipState?>, _ input: (inout FanOut, Answer) -> FanOut.Action?
    ) {
        switch result {
        case .failure(let error): end(member, .failure(error), done)
        case .success(let answer):
            var machine = machine
            let action = input(&machine, answer)
            perform(action, machine, member, state, done)
        }
    }

    private func advance(
        _ step: AdvanceStep, _ machine: FanOut, _ member: UserID, _ done: @escaping Completion<MembershipState?>
    ) {
        CrashPoint.reach("advance.before")
        let now = node.time.wallMilliseconds()
        node.memberships.advance(member, in: ticket.conversation, by: step, nowMilliseconds: now) { result in
            CrashPoint.reach("advance.after")
            var state: MembershipState?
            if case .success(.advanced(let advance)) = result {
                state = advance.state
                self.node.router.route(
                    advance.entries, of: member, to: advance.routes, acceptedMicroseconds: self.acceptedMicroseconds)
            }
            self.go(on: result, machine, member, state, done) { $0.advanced($1, by: step) }
        }
    }

    private func end(
        _ member: UserID, _ result: Result<MembershipState?, StoreError>, _ done: Completion<MembershipState?>
    ) {
        if case .failure(let error) = result {
            hasFailed.add()
            node.metrics.storeFailures.increment()
            if error.outcome == .unknown { node.router.uncertain(member) }
        }
        done(result)
        guard missing.subtract() == 0, hasFailed.current == 0 else { return }
        CrashPoint.reach("finish.before")
        node.conversations.finish(ticket) { _ in }
    }
}
