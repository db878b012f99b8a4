import Core

/// Writes small JSON documents without an intermediate tree. Keys are literals of ours and stand as they are.
public struct JSONWriter: Sendable {
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false

    public init() {}

    /// One object, its members written by `body`.
    public static func object(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        // Most frames fit: one allocation instead of one for each doubling.
        writer.bytes.reserveCapacity(256)
        writer.object(body)
        return writer.bytes
    }

    public mutating func object(_ body: (inout JSONWriter) -> Void) { nested("{", "}", body) }
    public mutating func array(_ body: (inout JSONWriter) -> Void) { nested("[", "]", body) }

    public mutating func member(_ key: StaticString, _ text: some StringProtocol) {
        self.key(key)
        JSONText.append(text, to: &bytes)
        needsComma = true
    }

    public mutating func member(_ key: StaticString, _ number: some FixedWidthInteger) {
        self.key(key)
        DecimalText.with(number) { bytes.append(contentsOf: $0) }
        needsComma = true
    }

    public mutating func member(_ key: StaticString, _ flag: Bool) {
        self.key(key)
        let word: StaticString = flag ? "true" : "false"
        // SAFETY: a StaticString's bytes live as long as the program.
        bytes.append(contentsOf: UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
        needsComma = true
    }

    public mutating func member(_ key: StaticString, object body: (inout JSONWriter) -> Void) {
        self.key(key)
        object(body)
    }

    public mutating func member(_ key: StaticString, array body: (inout JSONWriter) -> Void) {
        self.key(key)
        array(body)
    }

    /// A member whose value is JSON already.
    public mutating func raw(_ key: StaticString, _ json: [UInt8]) {
        self.key(key)
        bytes += json
        needsComma = true
    }

    /// A member whose key comes from outside.
    public mutating func member(dynamic key: some StringProtocol, _ body: (inout JSONWriter) -> Void) {
        comma()
        JSONText.append(key, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
        body(&self)
        needsComma = true
    }

    /// An element that is JSON already.
    public mutating func element(_ json: [UInt8]) {
        comma()
        bytes += json
        needsComma = true
    }

    public mutating func element(number: some FixedWidthInteger) {
        comma()
        DecimalText.with(number) { bytes.append(contentsOf: $0) }
        needsComma = true
    }

    public mutating func element(text: some StringProtocol) {
        comma()
        JSONText.append(text, to: &bytes)
        needsComma = true
    }

    private mutating func nested(_ open: Unicode.Scalar, _ close: Unicode.Scalar, _ body: (inout JSONWriter) -> Void) {
        comma()
        bytes.append(UInt8(ascii: open))
        needsComma = false
        body(&self)
        bytes.append(UInt8(ascii: close))
        needsComma = true
    }

    private mutating func key(_ key: StaticString) {
        comma()
        bytes.append(UInt8(ascii: "\""))
        // SAFETY: a StaticString's bytes live as long as the program.
        bytes.append(contentsOf: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    private mutating func comma() { if needsComma { bytes.append(UInt8(ascii: ",")) } }
}

extension JSONWriter {
    /// `"unread":{"messages":…,"notifications":…}`
    public mutating func member(unread: Unread) {
        member(
            "unread",
            object: {
                $0.member("messages", unread.messages)
                $0.member("notifications", unread.notifications)
            })
    }

    /// `"by_category":{"post":2,…}`, sorted, so that equal counts are equal bytes.
    public mutating func member(byCategory counts: [String: Int]) {
        member(
            "by_category",
            object: { writer in
                for (category, count) in counts.sorted(by: { $0.key < $1.key }) {
                    writer.member(dynamic: category) { $0.element(number: count) }
                }
            })
    }
}
