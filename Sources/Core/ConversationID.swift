/// A conversation (PROTOCOL §1): `d:<lower>:<higher>` between two users, or a group `g:<random>`.
///
/// The two ids stand in byte order, so nobody has to create a direct conversation. A colon inside a user id is written
/// `%3A`: without that, the pairs `a`, `b:c` and `a:b`, `c` would share one conversation (ADR 11). No other character
/// needs it, since `%` is in no user id.
public struct ConversationID: Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        case direct(lower: UserID, higher: UserID)
        case group
    }

    public let text: String
    public let kind: Kind

    /// The direct conversation of two users; nil when they are the same.
    public init?(between one: UserID, and other: UserID) {
        guard one != other else { return nil }
        let (lower, higher) = one < other ? (one, other) : (other, one)
        text = "d:\(Self.escape(lower)):\(Self.escape(higher))"
        kind = .direct(lower: lower, higher: higher)
    }

    /// Reads an id as it stands on the wire.
    /// - Returns: nil when it is none, or not written as `init(between:and:)` writes it.
    public init?(_ text: some StringProtocol) {
        if text.hasPrefix("g:") {
            guard ASCIISet.node.matches(text.utf8.dropFirst(2), lengths: 1...Limits.groupTokenBytesMax) else {
                return nil
            }
            self.text = String(text)
            kind = .group
            return
        }
        guard text.hasPrefix("d:"), text.utf8.count <= Limits.conversationBytesMax else { return nil }
        // By bytes, and usually without making the text anew: this is done for every message.
        let pair = Substring(text).utf8.dropFirst(2)
        guard let colon = pair.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let (first, second) = (Substring(pair[..<colon]), Substring(pair[pair.index(after: colon)...]))
        guard !pair.contains(UInt8(ascii: "%")) else {
            guard let one = UserID(Self.unescape(first)), let other = UserID(Self.unescape(second)),
                let made = ConversationID(between: one, and: other), made.text == String(text)
            else { return nil }
            self = made
            return
        }
        // A second colon would have to be escaped.
        guard !second.utf8.contains(UInt8(ascii: ":")), let lower = UserID(first), let higher = UserID(second),
            lower < higher
        else { return nil }
        self.text = String(text)
        kind = .direct(lower: lower, higher: higher)
    }

    /// A new group.
    public static func newGroup() -> ConversationID { group(RandomToken.make(length: 16)) }

    /// The group that this user made, or makes, with this `cid`: the same again when the request is repeated.
    public static func group(madeBy user: UserID, cid: ClientMessageID) -> ConversationID {
        let first = Fingerprint.of("1\u{1F}\(user.text)\u{1F}\(cid.text)".utf8)
        let second = Fingerprint.of("2\u{1F}\(cid.text)\u{1F}\(user.text)".utf8)
        return group(String(first, radix: 36) + "-" + String(second, radix: 36))
    }

    private static func group(_ token: String) -> ConversationID { ConversationID(text: "g:" + token, kind: .group) }

    private init(text: String, kind: Kind) {
        self.text = text
        self.kind = kind
    }

    public var isGroup: Bool { kind == .group }

    /// The one whom `user` talks to; nil in a group, and for a stranger.
    public func partner(of user: UserID) -> UserID? {
        guard case .direct(let lower, let higher) = kind else { return nil }
        return user == lower ? higher : user == higher ? lower : nil
    }

    /// Whether this is a direct conversation that `user` is not part of: nothing of it is ever shown to them.
    public func excludes(_ user: UserID) -> Bool { !isGroup && partner(of: user) == nil }

    public var description: String { text }

    private static func escape(_ user: UserID) -> String {
        guard user.text.utf8.contains(UInt8(ascii: ":")) else { return user.text }
        return user.text.split(separator: ":", omittingEmptySubsequences: false).joined(separator: "%3A")
    }

    private static func unescape(_ part: Substring) -> String {
        var out = ""
        var rest = part
        while let percent = rest.firstIndex(of: "%") {
            out += rest[..<percent]
            guard rest[percent...].hasPrefix("%3A") else { return "%" }
            out += ":"
            rest = rest[rest.index(percent, offsetBy: 3)...]
        }
        return out + rest
    }
}

/// The client's own name for a message it sends (PROTOCOL §2.3): `[A-Za-z0-9_-]{1,64}`. Deduplicates for 24 hours per
/// sender and conversation.
public struct ClientMessageID: Hashable, Sendable, CustomStringConvertible {
    public let text: String

    @inlinable
    public init?(_ text: some StringProtocol) {
        guard ASCIISet.node.matches(text.utf8, lengths: 1...Limits.cidBytesMax) else { return nil }
        self.text = String(text)
    }

    public var description: String { text }
}
