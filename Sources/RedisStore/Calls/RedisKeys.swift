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
    /// The two generations of ids that were seen.
    static func seen(_ user: UserID) -> [String] { [key(user, "q0"), key(user, "q1")] }

    static func due(_ shard: Int) -> String { "apus:{x:\(shard)}:due" }
    static func dueShard(of user: UserID) -> Int { Int(Fingerprint.of(user.text.utf8) % UInt64(dueShards)) }

    private static func key(_ user: UserID, _ name: String) -> String { stem(user) + name }
    fileprivate static func stem(_ user: UserID) -> String { "apus:{u:\(user.text)}:" }
}

// MARK: A user's side of conversations

extension RedisKeys {
    static func unreadMessages(_ user: UserID) -> String { key(user, "w") }
    static func blocked(_ user: UserID) -> String { key(user, "b") }
}

// MARK: Conversations

extension RedisKeys {
    /// Shards of the conversations whose members are not all advanced.
    static let fanOutShards = 16

    static func meta(_ conversation: ConversationID) -> String { key(conversation, "m") }
    static func records(_ conversation: ConversationID) -> String { key(conversation, "p") }
    static func log(_ conversation: ConversationID) -> String { key(conversation, "l") }
    /// The two generations of what was sent.
    static func sent(_ conversation: ConversationID) -> [String] { [key(conversation, "q0"), key(conversation, "q1")] }

    static func fanOut(_ shard: Int) -> String { "apus:{f:\(shard)}:due" }
    static func fanOutShard(of conversation: ConversationID) -> Int { Int(hash(conversation) % UInt64(fanOutShards)) }

    /// Chooses the connection and the shard of a conversation.
    static func hash(_ conversation: ConversationID) -> UInt64 { Fingerprint.of(conversation.text.utf8) }

    private static func key(_ conversation: ConversationID, _ name: String) -> String { stem(conversation) + name }
    fileprivate static func stem(_ conversation: ConversationID) -> String { "apus:{c:\(conversation.text)}:" }
}

// MARK: What scripts take

/// The keys of one script, in its order: what they all begin with, the hash tag in it, and how each ends.
struct RedisKeySet: Sendable {
    private let stem: String
    private let ends: [StaticString]

    private init(_ stem: String, _ ends: [StaticString]) { (self.stem, self.ends) = (stem, ends) }

    /// One key.
    init(_ key: String) { self.init(key, [""]) }

    var count: Int { ends.count }
    /// The first, which chooses the server and the lane.
    var first: String { stem + ends[0].description }

    func add(to command: inout RedisArguments) { for end in ends { command.add(stem, end) } }
}

extension RedisKeySet {
    // Arrays that are made once.
    private static let sideEnds: [StaticString] = ["m", "t", "d", "u", "x", "v", "a", "w"]
    private static let inboxEnds: [StaticString] = ["m", "t", "d", "i", "u", "c", "x", "k", "w"]
    private static let appendEnds = inboxEnds + ["q0", "q1"]
    private static let conversationEnds: [StaticString] = ["m", "p", "g", "x", "l", "r"]
    private static let sendEnds = conversationEnds + ["q0", "q1"]

    /// Keys of a user by their ends.
    static func of(_ user: UserID, _ ends: [StaticString]) -> Self { Self(RedisKeys.stem(user), ends) }

    /// meta, timeline, sessions, unread, expiries, memberships, activity, unread messages: a user's side of conversations.
    static func side(_ user: UserID) -> Self { of(user, sideEnds) }
    /// meta, timeline, sessions, inbox, unread, collapses, expiries, index, unread messages.
    static func inbox(_ user: UserID) -> Self { of(user, inboxEnds) }
    /// The same, and the two generations of ids that were seen.
    static func append(_ user: UserID) -> Self { of(user, appendEnds) }

    /// meta, records of members, members, who went, log, reactions: what every script of a conversation takes.
    static func of(_ conversation: ConversationID) -> Self { Self(RedisKeys.stem(conversation), conversationEnds) }
    /// The same, and the two generations of what was sent.
    static func send(_ conversation: ConversationID) -> Self { Self(RedisKeys.stem(conversation), sendEnds) }
}
