import Core
import Notifications

extension RedisStore {
    public func append(
        _ notification: Notification, to user: UserID, nowMilliseconds: Int64,
        _ done: @escaping Completion<AppendOutcome>
    ) {
        let call = ScriptCall.append(notification, to: user, now: nowMilliseconds, limits)
        guard let over = notification.expiresAtMilliseconds else { return run(call, done) }
        // Noted as due before it is stored: should only one of the two be done, a note too many does no harm.
        let due = ScriptCall.dueAdd(user, at: over)
        guard let dueDigest = pool.digest(of: due.script), let digest = pool.digest(of: call.script) else {
            return done(.failure(Self.neverConnected))
        }
        pool.sendEach([due.command(dueDigest, lane: call.keys.first), call.command(digest)]) { [self] answers in
            let outcome = answers[1].flatMap { call.answer($0) }
            guard case .failure = answers[0], case .success = outcome else { return done(outcome) }
            noteElsewhere(user, at: over) { done(outcome) }
        }
    }

    /// In a Cluster the shard of the note may be away while the user's is there: the note goes to another one. Claims look at
    /// all of them.
    ///
    /// - Parameter done: Also when no shard could be reached: then the item is over without an event that says so.
    private func noteElsewhere(
        _ user: UserID, at over: Int64, tried: Int = 1, _ done: @escaping @Sendable () -> Void
    ) {
        run(.dueAdd(user, at: over, shardsOn: tried)) { [self] result in
            if case .failure = result, tried < RedisKeys.dueShards / 2 {
                noteElsewhere(user, at: over, tried: tried + 1, done)
            } else {
                done()
            }
        }
    }

    public func page(
        _ query: InboxQuery, of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<InboxPage>
    ) {
        // A cursor that no page gave stands before the oldest item.
        let before = query.before.map { Int64($0) ?? 0 }
        run(.page(query, before: before, of: user, now: nowMilliseconds), done)
    }

    public func markRead(
        _ selection: ReadSelection, category: String?, of user: UserID, id: EventID, nowMilliseconds: Int64,
        _ done: @escaping Completion<ReadOutcome>
    ) {
        run(
            .markRead(selection, category: category, of: user, id: id, now: nowMilliseconds, limits), done)
    }

    public func counts(of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<InboxCounts>) {
        run(.counts(of: user, now: nowMilliseconds), done)
    }

    public func unreadDrift(of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<Int>) {
        run(.drift(of: user, now: nowMilliseconds), done)
    }

    public func expire(limit: Int, nowMilliseconds: Int64, _ done: @escaping Completion<[ExpiryOutcome]>) {
        // Order does not matter here, and nobody waits for a socket: a task is the simplest way.
        Task {
            do {
                done(.success(try await sweep(limit: limit, now: nowMilliseconds)))
            } catch {
                done(.failure(error as? StoreError ?? StoreError(.unknown, "\(error)")))
            }
        }
    }

    /// Goes through the shards, beginning anywhere so that a small limit does not favour the first ones.
    ///
    /// - Throws: When a shard could not be asked and there is nothing to tell of the others.
    private func sweep(limit: Int, now: Int64) async throws -> [ExpiryOutcome] {
        var outcomes: [ExpiryOutcome] = []
        var failure: (any Error)?
        var left = limit
        let first = Int.random(in: 0..<RedisKeys.dueShards)
        for step in 0..<RedisKeys.dueShards where left > 0 {
            let shard = (first + step) % RedisKeys.dueShards
            let claim = DueClaim(now: now)
            var users: [UserID] = []
            do {
                users = try await answer { run(.dueClaim(shard: shard, now: now, limit: left, claim: claim), $0) }
            } catch {
                // In a Cluster the others may be there.
                failure = error
            }
            guard !users.isEmpty else { continue }
            left -= users.count
            // What was retracted must be told even when a later user cannot be reached: its events are appended.
            let (expiries, uncertain) = await expire(users, now: now)
            outcomes += expiries.map(\.outcome).filter { !$0.entries.isEmpty }
            outcomes += uncertain.map { ExpiryOutcome(user: $0, entries: [], routes: [], isUncertain: true) }
            try? await answer { run(.dueDone(shard: shard, claim: claim, expiries), $0) }
        }
        if let failure, outcomes.isEmpty { throw failure }
        return outcomes
    }

    /// Runs the users' scripts at the same time. Those that fail keep their claim and are due again when it is over.
    private func expire(_ users: [UserID], now: Int64) async -> (done: [UserExpiry], uncertain: [UserID]) {
        await withTaskGroup(of: (UserID, Result<UserExpiry, StoreError>).self) { group in
            for user in users {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        self.run(.expire(user, now: now, self.limits)) { continuation.resume(returning: (user, $0)) }
                    }
                }
            }
            return await group.reduce(into: (done: [], uncertain: [])) { found, one in
                switch one.1 {
                case .success(let expiry): found.done.append(expiry)
                case .failure(let error): if error.outcome == .unknown { found.uncertain.append(one.0) }
                }
            }
        }
    }
}
