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
