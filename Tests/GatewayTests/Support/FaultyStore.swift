import Chat
import Core
import Dispatch
import Embedded
import Notifications
import Presence
import Synchronization
import Timelines

/// The embedded store behind a switch: tests take it away and give it back while sockets are up.
final class FaultyStore: Sendable {
    enum Mode: Hashable, Sendable {
        case up
        /// Every call fails at once and nothing is stored, as when a Redis is out of memory.
        case unavailable
        /// No call is answered before the deadline that every store has, as behind a black hole.
        case hanging
        /// Writes work, reads fail at once.
        case readsFail
        /// Writes happen, but their answers are lost.
        case answersLost
        /// Writes work; the answers of reads wait until the mode is another.
        case readsHeld
        /// Everything happens; all answers wait until the mode is another.
        case held
    }

    /// Calls whose number tests look at.
    enum Counted: Hashable, Sendable {
        case open, append, lookup, read, register, heads, unreadDrift, expire, renewLease
    }

    let store: EmbeddedStore
    private let current = Mutex(Mode.up)
    private let waiting = Mutex<[@Sendable () -> Void]>([])
    private let counts = Mutex<[Counted: Int]>([:])

    init(_ store: EmbeddedStore) { self.store = store }

    /// How often the node has called it, whatever became of the call.
    func calls(_ call: Counted) -> Int { counts.withLock { $0[call, default: 0] } }
    private func count(_ call: Counted) { counts.withLock { $0[call, default: 0] += 1 } }

    var mode: Mode {
        get { current.withLock { $0 } }
        set {
            current.withLock { $0 = newValue }
            guard newValue != .readsHeld, newValue != .held else { return }
            let calls = waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            for call in calls { call() }
        }
    }

    /// Passes a call on, or fails it as the mode says. `writes` calls are done even when their answers are lost.
    private func pass<Value: Sendable>(
        writes: Bool = false, _ done: @escaping Completion<Value>, _ call: (@escaping Completion<Value>) -> Void
    ) {
        switch mode {
        case .up: call(done)
        case .readsFail where writes, .readsHeld where writes: call(done)
        case .readsHeld, .held: call { result in self.waiting.withLock { $0.append { done(result) } } }
        case .unavailable, .readsFail: done(.failure(StoreError(.notStored, "switched off")))
        case .hanging: Self.afterDeadline { done(.failure(StoreError(.unknown, "no answer in time"))) }
        case .answersLost:
            if writes { call { _ in } }
            Self.afterDeadline { done(.failure(StoreError(.unknown, "no answer in time"))) }
        }
    }

    private static func afterDeadline(_ body: @escaping @Sendable () -> Void) {
        DispatchQueue.global().asyncAfter(
            deadline: .now() + .milliseconds(Limits.storeDeadlineMilliseconds), execute: body)
    }
}

extension FaultyStore: TimelineStore {
    func open(_ user: UserID, at cursor: Cursor?, limit: Int, _ done: @escaping Completion<TimelineOpening>) {
        count(.open)
        pass(done) { store.open(user, at: cursor, limit: limit, $0) }
    }

    func read(
        _ user: UserID, after seq: Int64, last: String?, epoch: String?, limit: Int,
        _ done: @escaping Completion<TimelinePage>
    ) {
        count(.read)
        pass(done) { store.read(user, after: seq, last: last, epoch: epoch, limit: limit, $0) }
    }

    func heads(_ users: [UserID], _ done: @escaping Completion<[TimelineHead]>) {
        count(.heads)
        pass(done) { store.heads(users, $0) }
    }
}

extension FaultyStore: InboxStore {
    func append(
        _ notification: Notification, to user: UserID, nowMilliseconds: Int64,
        _ done: @escaping Completion<AppendOutcome>
    ) {
        count(.append)
        pass(writes: true, done) { store.append(notification, to: user, nowMilliseconds: nowMilliseconds, $0) }
    }

    func page(_ query: InboxQuery, of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<InboxPage>) {
        pass(done) { store.page(query, of: user, nowMilliseconds: nowMilliseconds, $0) }
    }

    func markRead(
        _ selection: ReadSelection, category: String?, of user: UserID, id: EventID, nowMilliseconds: Int64,
        _ done: @escaping Completion<ReadOutcome>
    ) {
        pass(writes: true, done) {
            store.markRead(selection, category: category, of: user, id: id, nowMilliseconds: nowMilliseconds, $0)
        }
    }

    func counts(of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<InboxCounts>) {
        pass(done) { store.counts(of: user, nowMilliseconds: nowMilliseconds, $0) }
    }

    func expire(limit: Int, nowMilliseconds: Int64, _ done: @escaping Completion<[ExpiryOutcome]>) {
        count(.expire)
        pass(done) { store.expire(limit: limit, nowMilliseconds: nowMilliseconds, $0) }
    }

    func unreadDrift(of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<Int>) {
        count(.unreadDrift)
        pass(done) { store.unreadDrift(of: user, nowMilliseconds: nowMilliseconds, $0) }
    }
}

extension FaultyStore: PresenceStore {
    func register(
        _ record: SessionRecord, of user: UserID, limit: Int, _ done: @escaping Completion<[SessionRecord]>
    ) {
        count(.register)
        pass(writes: true, done) { store.register(record, of: user, limit: limit, $0) }
    }

    func remove(_ sessions: [SessionID], of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<Void>) {
        pass(writes: true, done) { store.remove(sessions, of: user, nowMilliseconds: nowMilliseconds, $0) }
    }

    func lookup(_ users: [UserID], withBlocked: Bool, _ done: @escaping Completion<[UserSessions]>) {
        count(.lookup)
        pass(done) { store.lookup(users, withBlocked: withBlocked, $0) }
    }

    func renewLease(_ node: NodeRecord, seconds: Int, _ done: @escaping Completion<LeaseRenewal>) {
        count(.renewLease)
        pass(writes: true, done) { store.renewLease(node, seconds: seconds, $0) }
    }

    func dropLease(_ node: Incarnation, _ done: @escaping Completion<Void>) {
        pass(writes: true, done) { store.dropLease(node, $0) }
    }
}

extension FaultyStore: ConversationStore {
    func commit(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, id: EventID,
        nowMilliseconds: Int64, _ done: @escaping Completion<CommitOutcome>
    ) {
        pass(writes: true, done) {
            store.commit(change, to: conversation, by: author, id: id, nowMilliseconds: nowMilliseconds, $0)
        }
    }

    func entries(
        of conversation: ConversationID, for member: UserID?, after position: EntryPosition?, limit: Int,
        _ done: @escaping Completion<EntryPage?>
    ) {
        pass(done) { store.entries(of: conversation, for: member, after: position, limit: limit, $0) }
    }

    func history(
        of conversation: ConversationID, for member: UserID, _ range: HistoryRange, limit: Int,
        _ done: @escaping Completion<HistoryPage?>
    ) {
        pass(done) { store.history(of: conversation, for: member, range, limit: limit, $0) }
    }

    func summaries(
        of conversations: [ConversationID], for member: UserID, _ done: @escaping Completion<[ConversationSummary?]>
    ) {
        pass(done) { store.summaries(of: conversations, for: member, $0) }
    }

    func claimUnfinished(
        limit: Int, beforeMilliseconds: Int64, nowMilliseconds: Int64, _ done: @escaping Completion<[FanOutTicket]>
    ) {
        pass(writes: true, done) {
            store.claimUnfinished(
                limit: limit, beforeMilliseconds: beforeMilliseconds, nowMilliseconds: nowMilliseconds, $0)
        }
    }

    func finish(_ ticket: FanOutTicket, _ done: @escaping Completion<Void>) {
        pass(writes: true, done) { store.finish(ticket, $0) }
    }
}

extension FaultyStore: MembershipStore {
    func advance(
        _ user: UserID, in conversation: ConversationID, by step: AdvanceStep, nowMilliseconds: Int64,
        _ done: @escaping Completion<AdvanceOutcome>
    ) {
        pass(writes: true, done) {
            store.advance(user, in: conversation, by: step, nowMilliseconds: nowMilliseconds, $0)
        }
    }

    func conversations(
        of user: UserID, before cursor: String?, limit: Int, _ done: @escaping Completion<MembershipPage>
    ) {
        pass(done) { store.conversations(of: user, before: cursor, limit: limit, $0) }
    }

    func state(
        of user: UserID, in conversation: ConversationID, nowMilliseconds: Int64,
        _ done: @escaping Completion<MembershipState?>
    ) {
        pass(done) { store.state(of: user, in: conversation, nowMilliseconds: nowMilliseconds, $0) }
    }

    func apply(
        _ change: PersonalChange, of user: UserID, id: EventID, nowMilliseconds: Int64,
        _ done: @escaping Completion<PersonalOutcome?>
    ) {
        pass(writes: true, done) { store.apply(change, of: user, id: id, nowMilliseconds: nowMilliseconds, $0) }
    }

    func blocks(of user: UserID, _ done: @escaping Completion<[UserID]>) {
        pass(done) { store.blocks(of: user, $0) }
    }

    func messageDrift(of user: UserID, _ done: @escaping Completion<Int>) {
        pass(done) { store.messageDrift(of: user, $0) }
    }
}
