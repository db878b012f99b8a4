import Chat
import Core

extension RedisStore: ConversationStore {
    public func commit(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, id: EventID,
        nowMilliseconds: Int64, _ done: @escaping Completion<CommitOutcome>
    ) {
        if conversation.excludes(author) { return done(.success(.refused(.noConversation))) }
        if change.isForGroups, !conversation.isGroup { return done(.success(.refused(.groupOnly))) }
        let ticket = FanOutTicket(conversation: conversation, mark: RandomToken.make(length: 10))
        let call = ScriptCall.commit(
            change, to: conversation, by: author, id: id, now: nowMilliseconds, limits, ticket: ticket)
        guard change.mayAppend else { return run(call, done) }
        guard let digest = pool.digest(of: call.script) else { return done(.failure(Self.neverConnected)) }
        // The mark before the entry: should only one of the two be done, a mark too many does no harm.
        let mark = FanOutMark.put(ticket, now: nowMilliseconds, lane: call.keys.first)
        pool.sendEach([mark, call.command(digest)]) { [self] answers in
            let outcome = answers[1].flatMap { call.answer($0) }
            switch (answers[0], outcome) {
            case (.failure, .success(let commit)) where commit.isToBeFannedOut:
                // Nothing is ok of which nobody would know after a crash.
                return markElsewhere(conversation, now: nowMilliseconds) { done($0.flatMap { outcome }) }
            case (.failure, .failure(let error)) where error.outcome == .unknown:
                // It may be done all the same.
                markElsewhere(conversation, now: nowMilliseconds) { _ in }
            case (.success, .success(let outcome)) where !outcome.isToBeFannedOut: finish(ticket) { _ in }
            case (.success, .failure(let error)) where error.outcome == .notStored: finish(ticket) { _ in }
            default: break
            }
            done(outcome)
        }
    }

    /// In a Cluster the shard of the mark may be away while the conversation's is there: a mark goes to another one, for a
    /// sweeper. Claims look at all of them.
    ///
    /// - Parameter done: Fails as unknown, for the entry is there, when no shard of some can be reached.
    private func markElsewhere(
        _ conversation: ConversationID, now: Int64, tried: Int = 1, _ done: @escaping Completion<Void>
    ) {
        let ticket = FanOutMark.spare(of: conversation, shardsOn: tried)
        pool.send(FanOutMark.put(ticket, now: now)) { [self] result in
            switch result {
            case .success: done(.success(()))
            case .failure where tried < Self.sparesMax:
                markElsewhere(conversation, now: now, tried: tried + 1, done)
            case .failure(let error):
                done(.failure(StoreError(.unknown, "it is stored, and not marked for the sweepers: \(error.message)")))
            }
        }
    }

    /// Shards are spread over masters by the hash of their names: so many are not all on one.
    private static let sparesMax = 8

    public func entries(
        of conversation: ConversationID, for member: UserID?, after position: EntryPosition?, limit: Int,
        _ done: @escaping Completion<EntryPage?>
    ) {
        if let member, conversation.excludes(member) { return done(.success(nil)) }
        run(.entries(of: conversation, for: member, after: position, limit: limit, limits), done)
    }

    public func history(
        of conversation: ConversationID, for member: UserID, _ range: HistoryRange, limit: Int,
        _ done: @escaping Completion<HistoryPage?>
    ) {
        if conversation.excludes(member) { return done(.success(nil)) }
        run(.history(of: conversation, for: member, range, limit: limit), done)
    }

    public func summaries(
        of conversations: [ConversationID], for member: UserID, _ done: @escaping Completion<[ConversationSummary?]>
    ) {
        guard let digest = pool.digest(of: .summary) else { return done(.failure(Self.neverConnected)) }
        let known = conversations.indices.filter { !conversations[$0].excludes(member) }
        let calls = known.map { ScriptCall.summary(of: conversations[$0], for: member) }
        pool.send(calls.map { $0.command(digest) }) { result in
            done(
                result.flatMap { replies in
                    var summaries: [ConversationSummary?] = Array(repeating: nil, count: conversations.count)
                    for (place, index) in known.enumerated() {
                        switch calls[place].answer(replies[place]) {
                        case .success(let summary): summaries[index] = summary
                        case .failure(let error): return .failure(error)
                        }
                    }
                    return .success(summaries)
                })
        }
    }
}

// MARK: What is not finished

extension RedisStore {
    public func claimUnfinished(
        limit: Int, beforeMilliseconds: Int64, nowMilliseconds: Int64, _ done: @escaping Completion<[FanOutTicket]>
    ) {
        // Order does not matter here, as in `expire`.
        Task {
            do {
                done(.success(try await claim(limit, before: beforeMilliseconds, now: nowMilliseconds)))
            } catch {
                done(.failure(error as? StoreError ?? StoreError(.unknown, "\(error)")))
            }
        }
    }

    public func finish(_ ticket: FanOutTicket, _ done: @escaping Completion<Void>) {
        pool.send(FanOutMark.remove(ticket)) { done($0.map { _ in }) }
    }

    /// Goes through the shards, beginning anywhere so that a small limit does not favour the first ones.
    ///
    /// - Throws: When a shard could not be asked and there is nothing to tell of the others.
    private func claim(_ limit: Int, before: Int64, now: Int64) async throws -> [FanOutTicket] {
        var tickets: [FanOutTicket] = []
        var failure: (any Error)?
        let first = Int.random(in: 0..<RedisKeys.fanOutShards)
        for step in 0..<RedisKeys.fanOutShards where tickets.count < limit {
            let shard = (first + step) % RedisKeys.fanOutShards
            let call = ScriptCall.fanOutClaim(shard: shard, now: now, before: before, limit: limit - tickets.count)
            do { tickets += try await answer { run(call, $0) } } catch {
                // In a Cluster the others may be there.
                failure = error
            }
        }
        if let failure, tickets.isEmpty { throw failure }
        return tickets
    }
}

extension ConversationChange {
    /// Whether it can become an entry of the log.
    fileprivate var mayAppend: Bool {
        switch self {
        case .delivered, .typing, .block: false
        case .send, .edit, .recall, .react, .read, .create, .update, .add, .remove, .leave: true
        }
    }

    fileprivate var isForGroups: Bool {
        switch self {
        case .create, .update, .add, .remove, .leave: true
        case .send, .edit, .recall, .react, .read, .delivered, .typing, .block: false
        }
    }
}

extension CommitOutcome {
    /// Whether members are to be advanced, so that the mark has to stay.
    fileprivate var isToBeFannedOut: Bool {
        switch self {
        case .appended(let commit), .duplicate(let commit): commit.isFannedOut
        case .noted, .cursor, .refused: false
        }
    }
}
