import Chat
import Core

extension RedisStore: ConversationStore {
    public func commit(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, id: EventID,
        nowMilliseconds: Int64, _ done: @escaping Completion<CommitOutcome>
    ) {
        if conversation.excludes(author) { return done(.success(.refused(.noConversation))) }
        if change.isForGroups, !conversation.isGroup { return done(.success(.refused(.groupOnly))) }
        let ticket = FanOutTicket(conversation: conversation, mark: FanOutMark.new(now: nowMilliseconds))
        let call = ScriptCall.commit(
            change, to: conversation, by: author, id: id, now: nowMilliseconds, limits, ticket: ticket)
        guard change.mayAppend else { return run(call, done) }
        // The mark before the entry: should only one of the two be done, a note too many does no harm. The whole is then
        // unknown, and the repetition marks it again.
        let mark = ScriptCall.fanOutMark(ticket)
        guard let markDigest = pool.digest(of: mark.script), let digest = pool.digest(of: call.script) else {
            return done(.failure(Self.neverConnected))
        }
        pool.send([mark.command(markDigest, lane: call.keys[0]), call.command(digest)]) { [self] result in
            let outcome = result.flatMap { call.answer($0[1]) }
            if case .success(let outcome) = outcome, !outcome.isToBeFannedOut {
                let before = result.flatMap { mark.answer($0[0]) }
                run(.fanOutDone(ticket, before: (try? before.get()) ?? "")) { _ in }
            }
            done(outcome)
        }
    }

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
        run(.fanOutDone(ticket), done)
    }

    /// Goes through the shards, beginning anywhere so that a small limit does not favour the first ones.
    private func claim(_ limit: Int, before: Int64, now: Int64) async throws -> [FanOutTicket] {
        var tickets: [FanOutTicket] = []
        let first = Int.random(in: 0..<RedisKeys.fanOutShards)
        for step in 0..<RedisKeys.fanOutShards where tickets.count < limit {
            let shard = (first + step) % RedisKeys.fanOutShards
            let call = ScriptCall.fanOutClaim(
                shard: shard, now: now, before: before, limit: limit - tickets.count, claim: FanOutMark.claim(now: now))
            tickets += try await answer { run(call, $0) }
        }
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
