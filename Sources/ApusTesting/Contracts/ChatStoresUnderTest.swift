import Chat
import Core
import Notifications
import Presence
import Timelines

/// The ports of chat of one adapter on one server, with those that show what they wrote, as the contract suites see them.
///
/// All users are new in every case, so cases may run at the same time on one server, and after each other.
public struct ChatStoresUnderTest: Sendable {
    public let conversations: any ConversationStore
    public let memberships: any MembershipStore
    public let timelines: any TimelineStore
    public let inbox: any InboxStore
    /// nil where nobody can be connected: then the cases that are about routes see nothing.
    public let presence: (any PresenceStore)?
    /// What the adapter was opened with; `StoreLimits.forTests` keeps the suites quick.
    public let limits: StoreLimits

    public init(
        conversations: any ConversationStore, memberships: any MembershipStore, timelines: any TimelineStore,
        inbox: any InboxStore, presence: (any PresenceStore)?, limits: StoreLimits
    ) {
        self.conversations = conversations
        self.memberships = memberships
        self.timelines = timelines
        self.inbox = inbox
        self.presence = presence
        self.limits = limits
    }

    var driver: FanOutDriver { FanOutDriver(conversations: conversations, memberships: memberships) }
}

// The port of conversations as async functions.
extension ChatStoresUnderTest {
    func commit(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID,
        id: EventID = .new(atMilliseconds: Sample.now), at now: Int64 = Sample.now
    ) async throws -> CommitOutcome {
        try await answer {
            conversations.commit(change, to: conversation, by: author, id: id, nowMilliseconds: now, $0)
        }
    }

    /// A change that must become an entry.
    @discardableResult
    func append(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID,
        id: EventID = .new(atMilliseconds: Sample.now), at now: Int64 = Sample.now
    ) async throws -> Commit {
        let outcome = try await commit(change, to: conversation, by: author, id: id, at: now)
        guard case .appended(let commit) = outcome else {
            throw TestFailure("\(change) by \(author) was not appended: \(outcome)")
        }
        return commit
    }

    @discardableResult
    func send(
        _ text: String, to conversation: ConversationID, by author: UserID, at now: Int64 = Sample.now
    ) async throws -> Commit {
        try await append(
            .send(cid: ChatSample.cid(), body: ChatSample.body(text)), to: conversation, by: author, at: now)
    }

    /// Sends that many messages one after another.
    func send(count: Int, to conversation: ConversationID, by author: UserID) async throws {
        for index in 0..<count { try await send("\(index)", to: conversation, by: author) }
    }

    /// A change that must be refused; with which code is for the case to say.
    @discardableResult
    func refuse(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, at now: Int64 = Sample.now
    ) async throws -> ErrorCode {
        let outcome = try await commit(change, to: conversation, by: author, at: now)
        guard case .refused(let error) = outcome else {
            throw TestFailure("\(change) by \(author) was not refused: \(outcome)")
        }
        return error.code
    }

    /// A change that must come to no entry.
    func note(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, at now: Int64 = Sample.now
    ) async throws -> CommitOutcome.Audience {
        let outcome = try await commit(change, to: conversation, by: author, at: now)
        guard case .noted(let audience) = outcome else {
            throw TestFailure("\(change) by \(author) was not noted: \(outcome)")
        }
        return audience
    }

    /// A new group of these users, the first its owner.
    func group(_ users: [UserID], title: String? = "title") async throws -> (ConversationID, Commit) {
        guard let owner = users.first else { throw TestFailure("a group has an owner") }
        let conversation = ConversationID.group(madeBy: owner, cid: ChatSample.cid())
        let change = ConversationChange.create(title: title, members: Array(users.dropFirst()))
        return (conversation, try await append(change, to: conversation, by: owner))
    }

    func entries(
        of conversation: ConversationID, for member: UserID?, after position: EntryPosition? = nil, limit: Int = 100
    ) async throws -> EntryPage? {
        try await answer { conversations.entries(of: conversation, for: member, after: position, limit: limit, $0) }
    }

    /// All of the log that a member may see, page by page.
    func log(of conversation: ConversationID, for member: UserID) async throws -> [LogEntry] {
        var log: [LogEntry] = []
        var position: EntryPosition?
        for _ in 0..<1000 {
            guard let page = try await entries(of: conversation, for: member, after: position), !page.entries.isEmpty
            else { return log }
            log += page.entries
            position = log.last?.position
        }
        throw TestFailure("the log of \(conversation) has no end")
    }

    func history(
        of conversation: ConversationID, for member: UserID, _ range: HistoryRange = .before(nil), limit: Int = 200
    ) async throws -> HistoryPage? {
        try await answer { conversations.history(of: conversation, for: member, range, limit: limit, $0) }
    }

    func summary(of conversation: ConversationID, for member: UserID) async throws -> ConversationSummary? {
        try await answer { conversations.summaries(of: [conversation], for: member, $0) }.first ?? nil
    }

    func summaries(of list: [ConversationID], for member: UserID) async throws -> [ConversationSummary?] {
        try await answer { conversations.summaries(of: list, for: member, $0) }
    }

    func claim(limit: Int = 100, before: Int64, at now: Int64) async throws -> [FanOutTicket] {
        try await answer {
            conversations.claimUnfinished(limit: limit, beforeMilliseconds: before, nowMilliseconds: now, $0)
        }
    }

    /// Claims until there is nothing more; gives the tickets of `wanted`.
    func claimAll(_ wanted: [ConversationID], limit: Int = 100, before: Int64, at now: Int64) async throws
        -> [FanOutTicket]
    {
        var found: [FanOutTicket] = []
        for _ in 0..<1000 {
            let tickets = try await claim(limit: limit, before: before, at: now)
            if tickets.isEmpty { return found.filter { wanted.contains($0.conversation) } }
            found += tickets
        }
        throw TestFailure("claimUnfinished has no end")
    }

    func finish(_ ticket: FanOutTicket) async throws { try await answer { conversations.finish(ticket, $0) } }
}

// The port of memberships, and what shows in the others.
extension ChatStoresUnderTest {
    func advance(
        _ user: UserID, in conversation: ConversationID, by step: AdvanceStep, at now: Int64 = Sample.now
    ) async throws -> AdvanceOutcome {
        try await answer { memberships.advance(user, in: conversation, by: step, nowMilliseconds: now, $0) }
    }

    /// A step that must fit.
    @discardableResult
    func advanced(
        _ user: UserID, in conversation: ConversationID, by step: AdvanceStep, at now: Int64 = Sample.now
    ) async throws -> AdvanceOutcome.Advance {
        let outcome = try await advance(user, in: conversation, by: step, at: now)
        guard case .advanced(let advance) = outcome else { throw TestFailure("the step does not fit: \(outcome)") }
        return advance
    }

    func page(of user: UserID, before cursor: String? = nil, limit: Int = 200) async throws -> MembershipPage {
        try await answer { memberships.conversations(of: user, before: cursor, limit: limit, $0) }
    }

    /// The whole list, page by page.
    func list(of user: UserID, limit: Int = 3) async throws -> [Membership] {
        var list: [Membership] = []
        var cursor: String?
        for _ in 0..<1000 {
            let page = try await page(of: user, before: cursor, limit: limit)
            list += page.memberships
            guard let next = page.cursor else { return list }
            cursor = next
        }
        throw TestFailure("the list of \(user) has no end")
    }

    func state(of user: UserID, in conversation: ConversationID) async throws -> MembershipState? {
        try await answer { memberships.state(of: user, in: conversation, nowMilliseconds: Sample.now, $0) }
    }

    func apply(
        _ change: PersonalChange, of user: UserID, id: EventID = .new(atMilliseconds: Sample.now),
        at now: Int64 = Sample.now
    ) async throws -> PersonalOutcome? {
        try await answer { memberships.apply(change, of: user, id: id, nowMilliseconds: now, $0) }
    }

    func blocks(of user: UserID) async throws -> [UserID] { try await answer { memberships.blocks(of: user, $0) } }

    func drift(of user: UserID) async throws -> Int { try await answer { memberships.messageDrift(of: user, $0) } }

    /// What the timeline keeps, at most the newest `limit` events.
    func timeline(of user: UserID, limit: Int = 90) async throws -> [TimelineEntry] {
        let head = try await open(user).head
        let page = try await answer {
            timelines.read(
                user, after: max(0, head.seq - Int64(limit)), last: nil, epoch: nil, limit: limit, $0)
        }
        guard page.resync == nil else { throw TestFailure("the timeline of \(user) cannot be read: \(page)") }
        return page.entries
    }

    func open(_ user: UserID) async throws -> TimelineOpening {
        try await answer { timelines.open(user, at: nil, limit: 1, $0) }
    }

    /// The total of unread messages, which all ports must agree on, and which must be what the cursors add up to.
    func messages(of user: UserID) async throws -> Int {
        let counts = try await answer { inbox.counts(of: user, nowMilliseconds: Sample.now, $0) }
        let opening = try await open(user)
        guard counts.unread == opening.unread else {
            throw TestFailure("the inbox of \(user) says \(counts.unread), the timeline \(opening.unread)")
        }
        let drift = try await drift(of: user)
        guard drift == 0 else {
            throw TestFailure("the total of \(user) is \(counts.unread), with a drift of \(drift)")
        }
        return counts.unread.messages
    }
}
