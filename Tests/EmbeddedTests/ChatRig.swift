import ApusTesting
import Chat
import Core
import Foundation
import Timelines

@testable import Embedded

// The chat ports as async functions, and a fan-out as a node runs it.
extension EmbeddedStore {
    @discardableResult
    func commit(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, at now: Int64 = Sample.now
    ) async throws -> CommitOutcome {
        let id = EventID.new(atMilliseconds: now)
        return try await answer { commit(change, to: conversation, by: author, id: id, nowMilliseconds: now, $0) }
    }

    /// Commits what must become an entry.
    @discardableResult
    func append(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, at now: Int64 = Sample.now
    ) async throws -> Commit {
        let outcome = try await commit(change, to: conversation, by: author, at: now)
        guard case .appended(let commit) = outcome else { throw TestFailure("not appended: \(outcome)") }
        return commit
    }

    /// Commits what must become an entry, and brings it to everybody.
    @discardableResult
    func spread(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, at now: Int64 = Sample.now
    ) async throws -> Commit {
        let commit = try await append(change, to: conversation, by: author, at: now)
        guard commit.isFannedOut else { return commit }
        for member in commit.members {
            try await run(FanOut.begin(commit, for: member), member, conversation, at: now)
        }
        try await answer { finish(commit.ticket, $0) }
        return commit
    }

    /// Finishes what others have left.
    func sweep(_ tickets: [FanOutTicket], at now: Int64 = Sample.now) async throws {
        for ticket in tickets {
            let conversation = ticket.conversation
            guard let page = try await entries(of: conversation, for: nil, after: nil) else { continue }
            for member in page.members {
                try await run(FanOut.catchUp(to: page.head), member, conversation, at: now)
            }
            try await answer { finish(ticket, $0) }
        }
    }

    private func run(
        _ begin: (FanOut, FanOut.Action), _ member: UserID, _ conversation: ConversationID, at now: Int64
    ) async throws {
        var (fanOut, action) = begin
        while true {
            switch action {
            case .done: return
            case .advance(let step):
                let outcome = try await advance(member, in: conversation, by: step, at: now)
                guard let next = fanOut.advanced(outcome, by: step) else { throw TestFailure("no end") }
                action = next
            case .read(let position):
                let page = try await entries(of: conversation, for: member, after: position)
                action = fanOut.read(page, after: position)
            case .describe:
                let summary = try await summary(of: conversation, for: member)
                action = fanOut.described(summary, resetID: .new(atMilliseconds: now))
            }
        }
    }

    func advance(
        _ user: UserID, in conversation: ConversationID, by step: AdvanceStep, at now: Int64 = Sample.now
    ) async throws -> AdvanceOutcome {
        try await answer { advance(user, in: conversation, by: step, nowMilliseconds: now, $0) }
    }

    func entries(
        of conversation: ConversationID, for member: UserID?, after position: EntryPosition?, limit: Int = 100
    ) async throws -> EntryPage? {
        try await answer { entries(of: conversation, for: member, after: position, limit: limit, $0) }
    }

    func history(
        of conversation: ConversationID, for member: UserID, _ range: HistoryRange = .before(nil), limit: Int = 100
    ) async throws -> HistoryPage? {
        try await answer { history(of: conversation, for: member, range, limit: limit, $0) }
    }

    func summary(of conversation: ConversationID, for member: UserID) async throws -> ConversationSummary? {
        try await answer { summaries(of: [conversation], for: member, $0) }.first ?? nil
    }

    func unfinished(at now: Int64 = Sample.now + 1, limit: Int = 100) async throws -> [FanOutTicket] {
        try await answer { claimUnfinished(limit: limit, beforeMilliseconds: now, nowMilliseconds: now, $0) }
    }

    func conversations(of user: UserID, before cursor: String? = nil, limit: Int = 100) async throws -> MembershipPage {
        try await answer { conversations(of: user, before: cursor, limit: limit, $0) }
    }

    func state(of user: UserID, in conversation: ConversationID) async throws -> MembershipState? {
        try await answer { state(of: user, in: conversation, nowMilliseconds: Sample.now, $0) }
    }

    @discardableResult
    func apply(_ change: PersonalChange, of user: UserID) async throws -> PersonalOutcome? {
        let id = EventID.new(atMilliseconds: Sample.now)
        return try await answer { apply(change, of: user, id: id, nowMilliseconds: Sample.now, $0) }
    }

    func drift(of user: UserID) async throws -> Int { try await answer { messageDrift(of: user, $0) } }

    /// The frames of a timeline, all of them.
    func frames(of user: UserID) async throws -> [String] {
        try await answer { read(user, after: 0, last: nil, epoch: nil, limit: 10_000, $0) }.entries
            .map { String(decoding: $0.frame, as: UTF8.self) }
    }
}

extension Sample {
    /// Two users and their conversation.
    static func pair() throws -> (a: UserID, b: UserID, conversation: ConversationID) {
        let (a, b) = (try user(), try user())
        guard let conversation = ConversationID(between: a, and: b) else { throw TestFailure("the same user twice") }
        return (a, b, conversation)
    }

    static func send(_ text: String, cid: String = RandomToken.make(length: 10)) throws -> ConversationChange {
        guard let cid = ClientMessageID(cid) else { throw TestFailure("not a cid") }
        return .send(cid: cid, body: body(text))
    }

    static func body(_ text: String) -> [UInt8] { Array("{\"text\":\"\(text)\"}".utf8) }
}
