/// An account of the host platform (PROTOCOL §1): 1–64 bytes of `[A-Za-z0-9._:@+=~-]`.
///
/// The character set keeps ids of strangers out of Redis keys, hash tags and NATS subjects (GUARANTEES G15).
public struct UserID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The id as it stands on the wire; always a JSON string there.
    public let text: String

    /// - Returns: nil when `text` is empty, longer than 64 bytes, or has a character outside the set.
    @inlinable
    public init?(_ text: some StringProtocol) {
        guard ASCIISet.user.matches(text.utf8, lengths: 1...Limits.userBytesMax) else { return nil }
        self.text = String(text)
    }

    public var description: String { text }

    /// Byte order, as conversation ids need it.
    public static func < (a: UserID, b: UserID) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }
}

/// A topic of live events (PROTOCOL §2.3): `[A-Za-z0-9._-]{1,128}`.
public struct Topic: Hashable, Sendable, CustomStringConvertible {
    public let text: String

    @inlinable
    public init?(_ text: some StringProtocol) {
        guard ASCIISet.topic.matches(text.utf8, lengths: 1...Limits.topicBytesMax) else { return nil }
        self.text = String(text)
    }

    public var description: String { text }
}

/// The id of an event or notification: 1–128 bytes of UTF-8 without control characters, quote or backslash,
/// so that it stands in JSON as it is and can be found in a stored frame without a parser.
public struct EventID: Hashable, Sendable, CustomStringConvertible {
    public let text: String

    @inlinable
    public init?(_ text: some StringProtocol) {
        guard (1...Limits.eventIDBytesMax).contains(text.utf8.count),
            text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C && $0 != 0x7F })
        else { return nil }
        self.text = String(text)
    }

    /// A new id: 26 characters, time first (ULID), so that ids made by one node sort by age.
    public static func new(atMilliseconds now: Int64) -> EventID { EventID(unchecked: RandomToken.ulid(now)) }

    /// A new id of 16 characters and 82 random bits, for entries of conversations: it stands in every member's timeline.
    public static func short() -> EventID { EventID(unchecked: RandomToken.make(length: 16)) }

    private init(unchecked text: String) { self.text = text }

    public var description: String { text }

    /// 64 bits that stand for the id where a session compares it in memory (FNV-1a). Never stored.
    public var fingerprint: UInt64 { Fingerprint.of(text.utf8) }
}

/// One start of one node: `<node>~<random>`. A node that comes back is another incarnation, so what the dead one
/// left in the session directory is never taken for the living one's.
public struct Incarnation: Hashable, Sendable, CustomStringConvertible {
    /// The node's configured id (`APUS_NODE`): `[A-Za-z0-9_-]{1,48}`.
    public let node: String
    /// The whole: also the token in the NATS subject that reaches this node.
    public let text: String

    /// A new incarnation of `node`; nil when the id has a character that NATS subjects or Redis values cannot take.
    public init?(newOf node: String) {
        guard ASCIISet.node.matches(node.utf8, lengths: 1...Limits.nodeBytesMax) else { return nil }
        self.node = node
        self.text = node + "~" + RandomToken.make(length: 6)
    }

    /// Reads back what `text` gave.
    public init?(text: some StringProtocol) {
        // By bytes: it stands in every answer that names sessions.
        let bytes = text.utf8
        guard let tilde = bytes.firstIndex(of: UInt8(ascii: "~")),
            ASCIISet.node.matches(bytes[..<tilde], lengths: 1...Limits.nodeBytesMax),
            ASCIISet.node.matches(bytes[bytes.index(after: tilde)...], lengths: 1...16)
        else { return nil }
        self.node = String(text[..<tilde])
        self.text = String(text)
    }

    public var description: String { text }
}

/// One WebSocket connection of a user: `s-` and 12 random characters.
public struct SessionID: Hashable, Sendable, CustomStringConvertible {
    public let text: String

    public static func new() -> SessionID { SessionID(unchecked: "s-" + RandomToken.make(length: 12)) }

    @inlinable
    public init?(_ text: some StringProtocol) {
        guard ASCIISet.node.matches(text.utf8, lengths: 1...32) else { return nil }
        self.text = String(text)
    }

    private init(unchecked text: String) { self.text = text }

    public var description: String { text }
}

/// The client's own name for its device (PROTOCOL §2.1): `[A-Za-z0-9._-]{1,64}`.
public struct DeviceName: Hashable, Sendable, CustomStringConvertible {
    public let text: String

    @inlinable
    public init?(_ text: some StringProtocol) {
        guard ASCIISet.topic.matches(text.utf8, lengths: 1...Limits.deviceBytesMax) else { return nil }
        self.text = String(text)
    }

    public var description: String { text }
}

/// A set of ASCII characters as 128 bits.
///
/// Ids are made and looked at for every event: what is generic here is inlinable, so that other modules have it for their
/// type of text, and not through witnesses byte by byte.
public struct ASCIISet: Sendable {
    @usableFromInline let low: UInt64
    @usableFromInline let high: UInt64

    public init(_ characters: String) {
        var low: UInt64 = 0
        var high: UInt64 = 0
        for byte in characters.utf8 {
            if byte < 64 { low |= 1 << UInt64(byte) } else if byte < 128 { high |= 1 << UInt64(byte - 64) }
        }
        (self.low, self.high) = (low, high)
    }

    @inlinable
    public func contains(_ byte: UInt8) -> Bool {
        byte < 64 ? low >> UInt64(byte) & 1 == 1 : byte < 128 && high >> UInt64(byte - 64) & 1 == 1
    }

    /// Whether the number of bytes lies in `lengths` and every byte is in the set.
    @inlinable
    public func matches(_ bytes: some Collection<UInt8>, lengths: ClosedRange<Int>) -> Bool {
        guard lengths.contains(bytes.count) else { return false }
        for byte in bytes where !contains(byte) { return false }
        return true
    }

    private static let alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    @usableFromInline static let user = ASCIISet(alphanumeric + "._:@+=~-")
    @usableFromInline static let topic = ASCIISet(alphanumeric + "._-")
    @usableFromInline static let node = ASCIISet(alphanumeric + "_-")
}

/// FNV-1a over bytes, 64 bits: for comparing ids in memory without keeping them.
public enum Fingerprint {
    @inlinable
    public static func of(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }
}
