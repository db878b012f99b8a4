import CEvents
import Glibc

/// What a text frame of Apus is, told from its first bytes: the gateway and its stores write members in a fixed order
/// (ADR 3), so a reader of millions need not parse. What does not begin like this is malformed.
struct EventHead {
    enum Kind { case notification, message, topic, live, welcome, behind, draining, reply, otherDurable, other }

    var kind: Kind
    /// Of a durable event.
    var seq: UInt32 = 0
    var id: Range<Int> = 0..<0
    /// Where the rest begins.
    var end: Int

    // SAFETY: `bytes` is read inside this call only, below its count.
    static func read(_ bytes: UnsafeRawBufferPointer) -> EventHead? {
        if starts(bytes, 0, reply) { return EventHead(kind: .reply, end: reply.utf8CodeUnitCount) }
        guard starts(bytes, 0, opening) else { return nil }
        var at = opening.utf8CodeUnitCount
        let nameStart = at
        while at < bytes.count, bytes[at] != UInt8(ascii: "\"") { at += 1 }
        guard at < bytes.count else { return nil }
        let name = UnsafeRawBufferPointer(rebasing: bytes[nameStart..<at])
        at += 1
        guard starts(bytes, at, seqOpening) else {
            return EventHead(kind: liveKind(name), end: at)
        }
        at += seqOpening.utf8CodeUnitCount
        // `welcome` has no seq here, `behind` has one and no id.
        guard let seq = Decimal.read(bytes, &at).flatMap({ UInt32(exactly: $0) }) else { return nil }
        guard starts(bytes, at, idOpening) else { return EventHead(kind: liveKind(name), seq: seq, end: at) }
        at += idOpening.utf8CodeUnitCount
        let idStart = at
        while at < bytes.count, bytes[at] != UInt8(ascii: "\"") { at += 1 }
        let kind: Kind =
            equals(name, "notification") ? .notification : equals(name, "message") ? .message : .otherDurable
        return EventHead(kind: kind, seq: seq, id: idStart..<at, end: at)
    }

    private static func liveKind(_ name: UnsafeRawBufferPointer) -> Kind {
        equals(name, "topic")
            ? .topic
            : equals(name, "live")
                ? .live
                : equals(name, "welcome")
                    ? .welcome : equals(name, "behind") ? .behind : equals(name, "draining") ? .draining : .other
    }

    private static let opening: StaticString = "{\"ev\":\""
    private static let reply: StaticString = "{\"re\":"
    private static let seqOpening: StaticString = ",\"seq\":"
    private static let idOpening: StaticString = ",\"id\":\""

    /// Whether these bytes stand at `at`.
    // SAFETY: compared only where both have as many bytes.
    static func starts(_ bytes: UnsafeRawBufferPointer, _ at: Int, _ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard at + count <= bytes.count, let base = bytes.baseAddress else { return false }
        return memcmp(base + at, text.utf8Start, count) == 0
    }

    private static func equals(_ name: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        name.count == text.utf8CodeUnitCount && starts(name, 0, text)
    }

    /// The digits behind a key such as `,"n":`, searched from `start`.
    // SAFETY: as `read`.
    static func number(_ key: StaticString, in bytes: UnsafeRawBufferPointer, from start: Int) -> UInt64? {
        guard start < bytes.count, let base = bytes.baseAddress else { return nil }
        let found = apus_find(base + start, bytes.count - start, key.utf8Start, key.utf8CodeUnitCount)
        guard found >= 0 else { return nil }
        var at = start + found + key.utf8CodeUnitCount
        return Decimal.read(bytes, &at)
    }
}
