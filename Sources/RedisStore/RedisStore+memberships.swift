import Chat
import Core

extension RedisStore: MembershipStore {
    public func advance(
        _ user: UserID, in conversation: ConversationID, by step: AdvanceStep, nowMilliseconds: Int64,
        _ done: @escaping Completion<AdvanceOutcome>
    ) {
        run(.advance(user, in: conversation, by: step, now: nowMilliseconds, limits, appendMark), done)
    }

    public func conversations(
        of user: UserID, before cursor: String?, limit: Int, _ done: @escaping Completion<MembershipPage>
    ) {
        // A cursor that no page gave stands before the oldest activity.
        let before = cursor.map { Int64($0) ?? 0 }
        run(.conversations(of: user, before: before, limit: limit), done)
    }

    public func state(
        of user: UserID, in conversation: ConversationID, nowMilliseconds: Int64,
        _ done: @escaping Completion<MembershipState?>
    ) {
        run(.membership(of: user, in: conversation, now: nowMilliseconds), done)
    }

    public func apply(
        _ change: PersonalChange, of user: UserID, id: EventID, nowMilliseconds: Int64,
        _ done: @escaping Completion<PersonalOutcome?>
    ) {
        run(.personal(change, of: user, id: id, now: nowMilliseconds, limits), done)
    }

    public func blocks(of user: UserID, _ done: @escaping Completion<[UserID]>) {
        let key = RedisKeys.blocked(user)
        let command = RedisCommand(RedisArguments("ZRANGE", key, "0", "-1"), key: key, isRead: true)
        ask([command], done) { replies throws(ReplyFields.Malformed) in
            var fields = ReplyFields(replies[0])
            var users: [UserID] = []
            while !fields.isAtEnd { users.append(try fields.user()) }
            return users
        }
    }

    public func messageDrift(of user: UserID, _ done: @escaping Completion<Int>) {
        run(.messageDrift(of: user), done)
    }
}
