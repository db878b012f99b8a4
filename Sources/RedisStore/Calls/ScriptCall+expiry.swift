import Core
import Notifications

/// What `expire.lua` did for one user, and when the next item of the user will be over.
struct UserExpiry: Sendable {
    var outcome: ExpiryOutcome
    var nextMilliseconds: Int64?
}

extension ScriptCall where Answer == UserExpiry {
    /// Items that one run takes out at most: bounds how long the script holds the server.
    static var itemsMax: Int { 100 }

    /// `expire.lua`
    static func expire(_ user: UserID, now: Int64, _ limits: StoreLimits) -> Self {
        var arguments = RedisArguments()
        arguments.add(now)
        arguments.add(EventID.new(atMilliseconds: now).text)
        arguments.add(RandomToken.make(length: 8))
        arguments.add(limits.timelineEvents)
        arguments.add(limits.timelineMilliseconds)
        arguments.add(itemsMax)
        return ScriptCall(.expire, keys: .inbox(user), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            let next = Int64(try fields.text())
            var previous = try fields.text()
            var entries: [AppendedEntry] = []
            for _ in 0..<max(0, try fields.count()) {
                let (seq, id) = (try fields.integer(), try fields.text())
                entries.append(AppendedEntry(seq: seq, id: id, previous: previous, frame: try fields.bytes()))
                previous = id
            }
            let outcome = ExpiryOutcome(user: user, entries: entries, routes: try fields.routes())
            return UserExpiry(outcome: outcome, nextMilliseconds: next)
        }
    }
}

extension ScriptCall where Answer == [UserID] {
    /// `due_claim.lua`
    static func dueClaim(shard: Int, now: Int64, limit: Int, claim: DueClaim) -> Self {
        var arguments = RedisArguments()
        arguments.add(now)
        arguments.add(limit)
        arguments.add(claim.score)
        return ScriptCall(.dueClaim, keys: RedisKeySet(RedisKeys.due(shard)), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            var users: [UserID] = []
            while !fields.isAtEnd {
                guard let user = UserID(try fields.text()) else { throw ReplyFields.Malformed() }
                users.append(user)
            }
            return users
        }
    }
}

extension ScriptCall where Answer == Void {
    /// `due_add.lua`
    ///
    /// - Parameter shardsOn: How many shards behind the user's own.
    static func dueAdd(_ user: UserID, at milliseconds: Int64, shardsOn: Int = 0) -> Self {
        var arguments = RedisArguments(user.text)
        arguments.add(milliseconds)
        let key = RedisKeys.due((RedisKeys.dueShard(of: user) + shardsOn) % RedisKeys.dueShards)
        return ScriptCall(.dueAdd, keys: RedisKeySet(key), arguments: arguments) { _ throws(ReplyFields.Malformed) in }
    }

    /// `due_done.lua`
    static func dueDone(shard: Int, claim: DueClaim, _ expiries: [UserExpiry]) -> Self {
        var arguments = RedisArguments(claim.score)
        for expiry in expiries {
            arguments.add(expiry.outcome.user.text)
            arguments.add(expiry.nextMilliseconds.map { String($0) } ?? "")
        }
        return ScriptCall(.dueDone, keys: RedisKeySet(RedisKeys.due(shard)), arguments: arguments) {
            _ throws(ReplyFields.Malformed) in
        }
    }
}

/// A sweeper's mark on the users that it works on: a score with a fraction, which nothing else has.
struct DueClaim: Sendable, Equatable {
    /// How long a sweeper has before another one may take over.
    static let milliseconds: Int64 = 60_000

    let score: String

    init(now: Int64) { score = "\(now + Self.milliseconds).5" }
}
