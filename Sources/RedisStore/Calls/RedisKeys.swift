import Core

/// Every key that Apus makes (docs/redis-keys.md). What stands in braces chooses the Cluster slot, so the keys of one
/// script share it; the characters of user ids cannot end it early (GUARANTEES G15).
enum RedisKeys {
    /// Shards of the users for whom something will be over: enough to spread over a Cluster, few enough to sweep.
    static let dueShards = 16
    static let leases = "apus:{n}:leases"

    static func meta(_ user: UserID) -> String { key(user, "m") }
    static func timeline(_ user: UserID) -> String { key(user, "t") }
    static func sessions(_ user: UserID) -> String { key(user, "d") }
    static func inbox(_ user: UserID) -> String { key(user, "i") }
    static func unread(_ user: UserID) -> String { key(user, "u") }
    static func collapses(_ user: UserID) -> String { key(user, "c") }
    static func expiries(_ user: UserID) -> String { key(user, "x") }
    static func index(_ user: UserID) -> String { key(user, "k") }
    /// The two generations of ids that were seen.
    static func seen(_ user: UserID) -> [String] { [key(user, "q0"), key(user, "q1")] }

    static func due(_ shard: Int) -> String { "apus:{x:\(shard)}:due" }
    static func dueShard(of user: UserID) -> Int { Int(Fingerprint.of(user.text.utf8) % UInt64(dueShards)) }

    private static func key(_ user: UserID, _ name: String) -> String { "apus:{u:\(user.text)}:\(name)" }
}

// MARK: A user's side of conversations

extension RedisKeys {
    static func memberships(_ user: UserID) -> String { key(user, "v") }
    static func activity(_ user: UserID) -> String { key(user, "a") }
    static func unreadMessages(_ user: UserID) -> String { key(user, "w") }
    static func blocked(_ user: UserID) -> String { key(user, "b") }
}

// MARK: Conversations

extension RedisKeys {
    /// Shards of the conversations whose members are not all advanced.
    static let fanOutShards = 16

    /// meta, records of members, members, who went, log, reactions: what every script of a conversation takes.
    static func of(_ conversation: ConversationID) -> [String] {
        ["m", "p", "g", "x", "l", "r"].map { key(conversation, $0) }
    }

    /// The two generations of what was sent.
    static func sent(_ conversation: ConversationID) -> [String] { [key(conversation, "q0"), key(conversation, "q1")] }

    static func fanOut(_ shard: Int) -> String { "apus:{f:\(shard)}:due" }
    static func fanOutShard(of conversation: ConversationID) -> Int { Int(hash(conversation) % UInt64(fanOutShards)) }

    /// Chooses the connection and the shard of a conversation.
    static func hash(_ conversation: ConversationID) -> UInt64 { Fingerprint.of(conversation.text.utf8) }

    private static func key(_ conversation: ConversationID, _ name: String) -> String {
        "apus:{c:\(conversation.text)}:\(name)"
    }
}
