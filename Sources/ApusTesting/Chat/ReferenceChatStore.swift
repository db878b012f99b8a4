import Chat
import Core
import Notifications
import Synchronization
import Timelines

/// Both ports of chat in memory, clarity first: what the contract suites are tried on, and a picture of what the ports
/// mean. It is also the timelines of its users, and as much of their inboxes as the suites of chat look at (no collapsing,
/// no expiry, no caps).
public final class ReferenceChatStore: ConversationStore, MembershipStore, TimelineStore, Sendable {
    private struct Mark {
        var atMilliseconds: Int64
        var claimedUntil: Int64 = .min
    }

    private struct State {
        var conversations: [ConversationID: ReferenceConversation] = [:]
        var members: [UserID: ReferenceMember] = [:]
        /// One for every commit that is not finished. Were a later commit's mark to take the place of an earlier one, who
        /// finishes the later one would hide that somebody was removed by the earlier one and never told.
        var marks: [FanOutTicket: Mark] = [:]
        var lastMark = 0
    }

    private static let claimMilliseconds: Int64 = 60_000

    public let limits: StoreLimits
    private let state = Mutex(State())

    public init(limits: StoreLimits = .forTests) { self.limits = limits }

    public var underTest: ChatStoresUnderTest {
        ChatStoresUnderTest(
            conversations: self, memberships: self, timelines: self, inbox: self, presence: nil, limits: limits)
    }

    /// Answers after the lock is given back: a completion may call the store again.
    private func answering<Value>(_ done: Completion<Value>, _ body: (inout sending State) -> Value) {
        let value = state.withLock { Result<Value, StoreError>.success(body(&$0)) }
        done(value)
    }

    private func change<Value>(
        _ user: UserID, _ done: Completion<Value>, _ body: (inout ReferenceMember) -> Value
    ) {
        answering(done) { body(&$0.members[user, default: ReferenceMember(user: user)]) }
    }

    // MARK: Conversations

    public func commit(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, id: EventID,
        nowMilliseconds: Int64, _ done: @escaping Completion<CommitOutcome>
    ) {
        answering(done) { state in
            var subject =
                state.conversations[conversation] ?? ReferenceConversation(id: conversation, limits: self.limits)
            let ticket = FanOutTicket(conversation: conversation, mark: String(state.lastMark + 1))
            let outcome = subject.commit(
                change, by: author, id: id, nowMilliseconds: nowMilliseconds, ticket: ticket)
            switch outcome {
            case .appended, .duplicate:
                state.lastMark += 1
                state.marks[ticket] = Mark(atMilliseconds: nowMilliseconds)
            case .noted, .cursor: break
            case .refused: return outcome
            }
            state.conversations[conversation] = subject
            return outcome
        }
    }

    public func entries(
        of conversation: ConversationID, for member: UserID?, after position: EntryPosition?, limit: Int,
        _ done: @escaping Completion<EntryPage?>
    ) {
        answering(done) { $0.conversations[conversation]?.page(for: member, after: position, limit: limit) }
    }

    public func history(
        of conversation: ConversationID, for member: UserID, _ range: HistoryRange, limit: Int,
        _ done: @escaping Completion<HistoryPage?>
    ) {
        answering(done) {
            ($0.conversations[conversation] ?? ReferenceConversation(id: conversation, limits: self.limits))
                .history(for: member, range, limit: limit)
        }
    }

    public func summaries(
        of conversations: [ConversationID], for member: UserID, _ done: @escaping Completion<[ConversationSummary?]>
    ) {
        answering(done) { state in conversations.map { state.conversations[$0]?.summary(for: member) } }
    }

    public func claimUnfinished(
        limit: Int, beforeMilliseconds: Int64, nowMilliseconds: Int64, _ done: @escaping Completion<[FanOutTicket]>
    ) {
        answering(done) { state in
            let due = state.marks
                .filter { $0.value.atMilliseconds < beforeMilliseconds && $0.value.claimedUntil <= nowMilliseconds }
                .sorted { $0.value.atMilliseconds < $1.value.atMilliseconds }
                .prefix(limit)
                .map(\.key)
            for ticket in due { state.marks[ticket]?.claimedUntil = nowMilliseconds + Self.claimMilliseconds }
            return due
        }
    }

    public func finish(_ ticket: FanOutTicket, _ done: @escaping Completion<Void>) {
        answering(done) { $0.marks[ticket] = nil }
    }

    // MARK: Members

    public func advance(
        _ user: UserID, in conversation: ConversationID, by step: AdvanceStep, nowMilliseconds: Int64,
        _ done: @escaping Completion<AdvanceOutcome>
    ) {
        change(user, done) { $0.advance(in: conversation, by: step, now: nowMilliseconds) }
    }

    public func conversations(
        of user: UserID, before cursor: String?, limit: Int, _ done: @escaping Completion<MembershipPage>
    ) {
        change(user, done) { $0.list(before: cursor, limit: limit) }
    }

    public func state(
        of user: UserID, in conversation: ConversationID, nowMilliseconds: Int64,
        _ done: @escaping Completion<MembershipState?>
    ) {
        change(user, done) { $0.state(in: conversation) }
    }

    public func apply(
        _ change: PersonalChange, of user: UserID, id: EventID, nowMilliseconds: Int64,
        _ done: @escaping Completion<PersonalOutcome?>
    ) {
        self.change(user, done) { $0.apply(change, id: id, now: nowMilliseconds) }
    }

    public func blocks(of user: UserID, _ done: @escaping Completion<[UserID]>) { change(user, done) { $0.blocks } }

    public func messageDrift(of user: UserID, _ done: @escaping Completion<Int>) { change(user, done) { _ in 0 } }

    // MARK: Timelines

    public func open(_ user: UserID, at cursor: Cursor?, limit: Int, _ done: @escaping Completion<TimelineOpening>) {
        change(user, done) { member in
            let verdict = ResumeVerdict.judge(cursor, head: member.head, oldest: 1) { member.entries[Int($0) - 1].id }
            let following = verdict == .resumed ? member.entries.dropFirst(Int(cursor?.seq ?? 0)) : []
            return TimelineOpening(
                head: member.head, unread: member.unread, verdict: verdict, entries: Array(following.prefix(limit)))
        }
    }

    public func read(
        _ user: UserID, after seq: Int64, last: String?, epoch: String?, limit: Int,
        _ done: @escaping Completion<TimelinePage>
    ) {
        change(user, done) { member in
            let cursor = Cursor(epoch: epoch ?? member.head.epoch, seq: seq, last: last)
            let verdict = ResumeVerdict.judge(cursor, head: member.head, oldest: 1) { member.entries[Int($0) - 1].id }
            if case .resync(let reason) = verdict {
                return TimelinePage(head: member.head, resync: reason, entries: [])
            }
            return TimelinePage(
                head: member.head, resync: nil, entries: Array(member.entries.dropFirst(Int(seq)).prefix(limit)))
        }
    }

    public func heads(_ users: [UserID], _ done: @escaping Completion<[TimelineHead]>) {
        answering(done) { state in
            users.map { state.members[$0]?.head ?? TimelineHead(epoch: "", seq: 0, last: "") }
        }
    }
}

extension ReferenceChatStore: InboxStore {
    public func append(
        _ notification: Notification, to user: UserID, nowMilliseconds: Int64,
        _ done: @escaping Completion<AppendOutcome>
    ) {
        change(user, done) { $0.notify(notification) }
    }

    public func page(
        _ query: InboxQuery, of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<InboxPage>
    ) {
        change(user, done) { $0.inbox(query) }
    }

    /// Whatever is selected, all of it is marked.
    public func markRead(
        _ selection: ReadSelection, category: String?, of user: UserID, id: EventID, nowMilliseconds: Int64,
        _ done: @escaping Completion<ReadOutcome>
    ) {
        change(user, done) { $0.markAllRead(category: category, id: id, now: nowMilliseconds) }
    }

    public func counts(of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<InboxCounts>) {
        change(user, done) { $0.counts }
    }

    public func expire(limit: Int, nowMilliseconds: Int64, _ done: @escaping Completion<[ExpiryOutcome]>) {
        done(.success([]))
    }

    public func unreadDrift(of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<Int>) {
        done(.success(0))
    }
}
