import ApusTesting
import Chat
import Core
import Testing
import Timelines

@testable import RedisStore

/// The two ports of conversations on the suite's server, as async functions, with what tests say often.
struct ChatBench: Sendable {
    static let now = RedisFixture.now

    let store: RedisStore

    init(_ fixture: RedisFixture? = nil) throws { store = try (fixture ?? RedisFixture.the()).store }

    static func users(_ count: Int) -> [UserID] { (0..<count).map { _ in RedisFixture.user() } }

    /// A direct conversation of two new users, the lower one first.
    static func direct() throws -> (ConversationID, UserID, UserID) {
        let users = users(2).sorted()
        return (try #require(ConversationID(between: users[0], and: users[1])), users[0], users[1])
    }

    static func cid(_ text: String = RandomToken.make(length: 12)) -> ClientMessageID {
        ClientMessageID(text).unsafelyUnwrapped
    }

    static func body(_ text: String) -> [UInt8] { Array("{\"text\":\"\(text)\"}".utf8) }

    // MARK: The ports

    func commit(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, at now: Int64 = now
    ) async throws -> CommitOutcome {
        try await answer {
            store.commit(
                change, to: conversation, by: author, id: .new(atMilliseconds: now), nowMilliseconds: now, $0)
        }
    }

    /// Sends a message that nobody refuses.
    @discardableResult
    func send(
        _ text: String = "x", cid: ClientMessageID = cid(), to conversation: ConversationID, by author: UserID,
        at now: Int64 = now
    ) async throws -> Commit {
        try await commit(.send(cid: cid, body: Self.body(text)), to: conversation, by: author, at: now).appended()
    }

    /// Makes a group of `users`, whose owner is the first.
    func group(_ users: [UserID], title: String? = nil) async throws -> (ConversationID, Commit) {
        let conversation = ConversationID.newGroup()
        let change = ConversationChange.create(title: title, members: Array(users.dropFirst()))
        return (conversation, try await commit(change, to: conversation, by: users[0]).appended())
    }

    func entries(
        of conversation: ConversationID, for member: UserID?, after position: EntryPosition? = nil, limit: Int = 1000
    ) async throws -> EntryPage? {
        try await answer { store.entries(of: conversation, for: member, after: position, limit: limit, $0) }
    }

    func history(
        of conversation: ConversationID, for member: UserID, _ range: HistoryRange = .before(nil), limit: Int = 200
    ) async throws -> HistoryPage? {
        try await answer { store.history(of: conversation, for: member, range, limit: limit, $0) }
    }

    func summary(of conversation: ConversationID, for member: UserID) async throws -> ConversationSummary? {
        try await answer { store.summaries(of: [conversation], for: member, $0) }[0]
    }

    func advance(
        _ user: UserID, in conversation: ConversationID, by step: AdvanceStep, at now: Int64 = now
    ) async throws -> AdvanceOutcome {
        try await answer { store.advance(user, in: conversation, by: step, nowMilliseconds: now, $0) }
    }

    func state(of user: UserID, in conversation: ConversationID) async throws -> MembershipState? {
        try await answer { store.state(of: user, in: conversation, nowMilliseconds: Self.now, $0) }
    }

    func conversations(of user: UserID, before: String? = nil, limit: Int = 200) async throws -> MembershipPage {
        try await answer { store.conversations(of: user, before: before, limit: limit, $0) }
    }

    func apply(_ change: PersonalChange, of user: UserID) async throws -> PersonalOutcome? {
        try await answer {
            store.apply(change, of: user, id: .new(atMilliseconds: Self.now), nowMilliseconds: Self.now, $0)
        }
    }

    func drift(of user: UserID) async throws -> Int { try await answer { store.messageDrift(of: user, $0) } }

    /// The frames of a timeline, as text.
    func frames(of user: UserID) async throws -> [String] {
        let page = try await answer { store.read(user, after: 0, last: nil, epoch: nil, limit: 1000, $0) }
        #expect(page.resync == nil)
        return page.entries.map { String(decoding: $0.frame, as: UTF8.self) }
    }

    // MARK: Fan-out

    /// Advances everybody whom a commit concerns, as a node does, and takes the mark away.
    @discardableResult
    func deliver(_ commit: Commit) async throws -> [UserID: [AppendedEntry]] {
        var appended: [UserID: [AppendedEntry]] = [:]
        for member in commit.members where commit.isFannedOut {
            let (fanOut, action) = FanOut.begin(commit, for: member)
            appended[member] = try await run(fanOut, action, member, commit.ticket.conversation)
        }
        try await answer { store.finish(commit.ticket, $0) }
        return appended
    }

    /// Brings one member to the head, as a sweeper does.
    @discardableResult
    func catchUp(_ member: UserID, in conversation: ConversationID) async throws -> [AppendedEntry] {
        let page = try #require(try await entries(of: conversation, for: nil))
        let (fanOut, action) = FanOut.catchUp(to: page.head)
        return try await run(fanOut, action, member, conversation)
    }

    private func run(
        _ start: FanOut, _ first: FanOut.Action, _ member: UserID, _ conversation: ConversationID
    ) async throws -> [AppendedEntry] {
        var (fanOut, action, appended) = (start, first, [AppendedEntry]())
        while true {
            switch action {
            case .done: return appended
            case .advance(let step):
                let outcome = try await advance(member, in: conversation, by: step)
                if case .advanced(let advance) = outcome { appended += advance.entries }
                let next = fanOut.advanced(outcome, by: step)
                action = try #require(next, "the fan-out does not end")
            case .read(let position):
                action = fanOut.read(
                    try await entries(
                        of: conversation, for: member, after: position, limit: Limits.advanceEntriesMax),
                    after: position)
            case .describe:
                action = fanOut.described(
                    try await summary(of: conversation, for: member), resetID: .new(atMilliseconds: Self.now))
            }
        }
    }

    // MARK: Redis itself

    func redis(_ words: String...) async throws -> RedisReply {
        var arguments = RedisArguments()
        for word in words { arguments.add(word) }
        return try await answer { store.pool.send(RedisCommand(arguments, key: "apus:{test}"), $0) }
    }

    /// The keys that begin with `prefix`, by what follows it.
    func keys(_ prefix: String) async throws -> Set<String> {
        let keys = try #require(try await redis("KEYS", prefix + "*").list).compactMap(\.string)
        return Set(keys.map { String($0.dropFirst(prefix.count)) })
    }

    func keys(of conversation: ConversationID) async throws -> Set<String> {
        try await keys("apus:{c:\(conversation.text)}:")
    }

    /// The log as it stands in Redis, with bars for 0x1F.
    func log(of conversation: ConversationID) async throws -> [String] {
        let records = try await redis("LRANGE", RedisKeys.log(conversation), "0", "-1").list ?? []
        return records.compactMap { $0.string?.replacing("\u{1F}", with: "|") }
    }

    /// The marks of a conversation's commits that are not finished.
    func marks(of conversation: ConversationID) async throws -> Set<String> {
        let key = RedisKeys.fanOut(RedisKeys.fanOutShard(of: conversation))
        let all = try await redis("ZRANGE", key, "0", "-1").list ?? []
        let tickets = all.compactMap { $0.string.flatMap(FanOutMark.ticket) }
        return Set(tickets.filter { $0.conversation == conversation }.map(\.mark))
    }
}

extension CommitOutcome {
    func appended() throws -> Commit {
        guard case .appended(let commit) = self else { throw TestFailure("expected an entry, got \(self)") }
        return commit
    }

    func duplicate() throws -> Commit {
        guard case .duplicate(let commit) = self else { throw TestFailure("expected a duplicate, got \(self)") }
        return commit
    }

    func noted() throws -> Audience {
        guard case .noted(let audience) = self else { throw TestFailure("expected `noted`, got \(self)") }
        return audience
    }

    var refusal: ErrorCode? { if case .refused(let error) = self { error.code } else { nil } }
}

extension AdvanceOutcome {
    func advanced() throws -> Advance {
        guard case .advanced(let advance) = self else { throw TestFailure("expected an advance, got \(self)") }
        return advance
    }
}

extension LogEntry {
    /// Content in a few letters, for lists that a person can read.
    var sketch: String {
        func text(_ body: [UInt8]?) -> String { body.map { String(decoding: $0, as: UTF8.self) } ?? "-" }
        switch content {
        case .message(_, let body): return "message \(messages) \(text(body))"
        case .edited(let n, let body): return "edited \(n) \(text(body))"
        case .recalled(let n): return "recalled \(n)"
        case .reaction(let n, let key, let on): return "\(on ? "+" : "-")\(key) \(n)"
        case .read(let n, let own): return "read \(n) \(own)"
        case .group(let change): return "\(change.kind.rawValue) \(change.users.count)"
        }
    }
}
