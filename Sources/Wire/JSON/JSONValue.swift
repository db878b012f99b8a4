import Core

/// A JSON value inside a document that was validated once, as the range of bytes it occupies.
///
/// Nothing is decoded until it is asked for, and what is opaque (`body`, `data`) is copied as it came.
public struct JSONValue: Sendable {
    public enum Kind: Sendable { case object, array, string, number, bool, null }

    public let kind: Kind
    /// The value's bytes without white space around it.
    public let bytes: ArraySlice<UInt8>

    /// The characters of a string with escapes resolved; nil for other kinds.
    public var string: String? {
        guard kind == .string else { return nil }
        let inner = bytes.dropFirst().dropLast()
        return inner.contains(UInt8(ascii: "\\")) ? JSONText.unescape(inner) : String(decoding: inner, as: UTF8.self)
    }

    /// Bytes of UTF-8 that the characters of a string take; nil for other kinds.
    public var stringBytes: Int? {
        guard kind == .string else { return nil }
        return bytes.contains(UInt8(ascii: "\\")) ? string?.utf8.count : bytes.count - 2
    }

    /// Validates a document that may be any value (RFC 8259).
    public static func document(_ document: [UInt8], depthMax: Int = Limits.jsonDepthMax) throws(JSONError) -> JSONValue
    {
        try JSONScanner.validate(document[...], depthMax: depthMax)
    }

    /// A number without fraction or exponent that fits; nil otherwise.
    public var integer: Int64? { kind == .number ? DecimalText.read(bytes) : nil }

    public var bool: Bool? { kind == .bool ? bytes.first == UInt8(ascii: "t") : nil }

    public var isNull: Bool { kind == .null }

    /// The members of an object; nil for other kinds.
    public var object: JSONObject? { kind == .object ? JSONObject(validated: bytes) : nil }

    /// The elements of an array; nil for other kinds.
    public var array: [JSONValue]? {
        guard kind == .array else { return nil }
        var scanner = JSONScanner(validated: bytes)
        return scanner.elements()
    }
}

/// The members of a JSON object, in the order in which they stand there.
public struct JSONObject: Sendable {
    public let members: [(key: String, value: JSONValue)]

    /// Validates a whole document (RFC 8259): one object, nothing after it, valid UTF-8, no member twice at the top.
    ///
    /// - Parameter depthMax: How deep arrays and objects may be nested, the document itself being 1.
    /// - Throws: What is wrong and at which byte.
    public init(_ document: ArraySlice<UInt8>, depthMax: Int = Limits.jsonDepthMax) throws(JSONError) {
        members = try JSONScanner.validateObject(document, depthMax: depthMax)
        if let key = firstDouble() {
            throw JSONError("member \(key.debugDescription) stands there twice", at: 0)
        }
    }

    /// The same for a document that is an array.
    public init(_ document: [UInt8], depthMax: Int = Limits.jsonDepthMax) throws(JSONError) {
        try self.init(document[...], depthMax: depthMax)
    }

    /// The same for any other collection, which is copied.
    public init(_ document: some Collection<UInt8>, depthMax: Int = Limits.jsonDepthMax) throws(JSONError) {
        try self.init(Array(document)[...], depthMax: depthMax)
    }

    /// A name that two members have.
    private func firstDouble() -> String? {
        // Requests have a handful of members: comparing each with those before it costs less than a set of them.
        guard members.count <= 16 else {
            var seen = Set<String>(minimumCapacity: members.count)
            return members.first { !seen.insert($0.key).inserted }?.key
        }
        for at in 0..<members.count {
            for before in 0..<at where members[before].key == members[at].key { return members[at].key }
        }
        return nil
    }

    init(validated bytes: ArraySlice<UInt8>) {
        var scanner = JSONScanner(validated: bytes)
        members = scanner.members()
    }

    /// The value of a member; nil when it is absent. A member that is `null` is there, with kind `.null`.
    public subscript(key: String) -> JSONValue? {
        members.first { $0.key == key }?.value
    }

    /// The value of a member, with `null` taken for absent.
    public func present(_ key: String) -> JSONValue? {
        guard let value = self[key], !value.isNull else { return nil }
        return value
    }
}

/// What is wrong with a document.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    public let message: String
    /// The offset of the offending byte.
    public let offset: Int

    init(_ message: String, at offset: Int) {
        self.message = message
        self.offset = offset
    }

    public var description: String { "\(message) at byte \(offset)" }
}
