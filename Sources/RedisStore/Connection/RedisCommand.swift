/// A command and where it belongs.
struct RedisCommand: Sendable {
    let arguments: RedisArguments
    /// The first of its keys; they all share a hash tag.
    let key: String
    /// The key whose commands it stays in order with: as a rule its own, another's when it is a part of that one's work.
    let lane: String
    /// It changes nothing, so nothing can go wrong when it is done later than its place in the order.
    let isRead: Bool
    /// In strict durability it is answered when a replica has it too.
    let isConfirmed: Bool
    /// Sent also to a server that is late.
    let isVital: Bool

    init(
        _ arguments: RedisArguments, key: String, lane: String? = nil, isRead: Bool = false, isConfirmed: Bool = false,
        isVital: Bool = false
    ) {
        self.arguments = arguments
        self.key = key
        self.lane = lane ?? key
        self.isRead = isRead
        self.isConfirmed = isConfirmed
        self.isVital = isVital
    }
}

/// What the braces of a key mean (Redis Cluster specification, "Hash tags"): keys with the same tag are kept together.
enum RedisKeyTag {
    /// What stands between the first `{` and the first `}` after it; the whole key when that is nothing.
    static func of(_ key: String) -> Substring.UTF8View {
        let bytes = key.utf8
        if let open = bytes.firstIndex(of: UInt8(ascii: "{")) {
            let first = bytes.index(after: open)
            if let close = bytes[first...].firstIndex(of: UInt8(ascii: "}")), close > first {
                return Substring(key).utf8[first..<close]
            }
        }
        return Substring(key).utf8
    }
}
