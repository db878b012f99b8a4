import Core

/// The head of an HTTP/1.1 request on the public listener (RFC 9112), read strictly: what this listener serves is a
/// handful of GETs without bodies, so everything unusual is refused instead of interpreted.
public struct RequestHead: Sendable {
    public let method: String
    /// The path, not decoded, without the query.
    public let path: String
    /// The query, not decoded; nil when there was none.
    public let query: String?
    /// 0 or 1, of HTTP/1.x.
    public let minorVersion: Int
    /// In order; names in lower case, values trimmed.
    public let fields: [(name: String, value: String)]

    /// Why a head is refused.
    public struct Refusal: Error, Hashable, Sendable {
        public let status: Int
        public let message: String
    }

    /// Reads a head that ends with an empty line.
    ///
    /// - Parameter bytes: Everything up to and with `\r\n\r\n`.
    /// - Throws: 400 for what is no HTTP/1.1, 431 for too many or too long lines, 505 for another version.
    public init(_ bytes: some Collection<UInt8>) throws(Refusal) {
        var lines = Array(bytes.dropLast(4)).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for i in lines.indices.dropLast() {
            guard lines[i].last == UInt8(ascii: "\r") else { throw Refusal(status: 400, message: "line without CRLF") }
            lines[i].removeLast()
        }
        guard lines.allSatisfy({ $0.count <= Limits.headerBytesMax }) else {
            throw Refusal(status: 431, message: "a header line is longer than \(Limits.headerBytesMax) bytes")
        }
        guard lines.count - 1 <= Limits.headerFieldsMax else {
            throw Refusal(status: 431, message: "more than \(Limits.headerFieldsMax) header lines")
        }
        (method, path, query, minorVersion) = try Self.requestLine(lines[0])
        var fields: [(name: String, value: String)] = []
        fields.reserveCapacity(lines.count - 1)
        for line in lines.dropFirst() { fields.append(try Self.field(line)) }
        self.fields = fields
        // RFC 9112 §3.2: exactly one Host.
        guard minorVersion == 0 || values("host").count == 1 else {
            throw Refusal(status: 400, message: "needs exactly one Host")
        }
    }

    /// All values of a field; `name` in lower case.
    public func values(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

    /// The members of a list field (RFC 9110 §5.6.1), over all its lines.
    public func list(_ name: String) -> [Substring] {
        values(name).flatMap { $0.split(separator: ",").map { Self.trim($0) } }.filter { !$0.isEmpty }
    }

    /// Whether a list field names a token, without regard to case.
    public func has(_ name: String, token: String) -> Bool {
        list(name).contains { $0.lowercased() == token }
    }

    /// The value of a query parameter, percent-decoded; nil when it is absent or not decodable.
    public func queryValue(_ name: String) -> String? {
        for pair in query?.split(separator: "&") ?? [] {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.first.map(String.init) == name else { continue }
            return parts.count == 2 ? PercentEncoding.decoded(parts[1]) : ""
        }
        return nil
    }

    /// The length of the body that follows.
    /// - Throws: 411 for a transfer coding, 400 for a senseless length, 413 for one over `max`.
    public func bodyLength(max: Int) throws(Refusal) -> Int {
        guard values("transfer-encoding").isEmpty else {
            throw Refusal(status: 411, message: "Content-Length is needed here")
        }
        let lengths = Set(values("content-length"))
        guard let text = lengths.first else { return 0 }
        guard lengths.count == 1, text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let length = Int(text) else {
            throw Refusal(status: 400, message: "Content-Length is no length")
        }
        guard length <= max else { throw Refusal(status: 413, message: "a body of at most \(max) bytes is taken here") }
        return length
    }

    private static func requestLine(_ line: ArraySlice<UInt8>) throws(Refusal) -> (String, String, String?, Int) {
        let bad = Refusal(status: 400, message: "no HTTP request line")
        let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 3, tokens.matches(parts[0], lengths: 1...32) else { throw bad }
        let version = String(decoding: parts[2], as: UTF8.self)
        guard version.hasPrefix("HTTP/"), version.utf8.count == 8 else { throw bad }
        guard version == "HTTP/1.1" || version == "HTTP/1.0" else {
            throw Refusal(status: 505, message: "only HTTP/1.1 is spoken here")
        }
        guard parts[1].first == UInt8(ascii: "/"), parts[1].allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw bad }
        let target = String(decoding: parts[1], as: UTF8.self).split(
            separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        return (
            String(decoding: parts[0], as: UTF8.self), String(target[0]), target.count == 2 ? String(target[1]) : nil,
            version.hasSuffix("1") ? 1 : 0
        )
    }

    private static func field(_ line: ArraySlice<UInt8>) throws(Refusal) -> (name: String, value: String) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
            tokens.matches(line[..<colon], lengths: 1...256)
        else { throw Refusal(status: 400, message: "a header line is no field") }
        let value = line[(colon + 1)...]
        guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
            throw Refusal(status: 400, message: "control character in a header line")
        }
        return (
            String(decoding: line[..<colon], as: UTF8.self).lowercased(),
            String(trim(Substring(decoding: value, as: UTF8.self)))
        )
    }

    private static func trim(_ text: Substring) -> Substring {
        var text = text
        while let first = text.utf8.first, first == 0x20 || first == 0x09 { text = text.dropFirst() }
        while let last = text.utf8.last, last == 0x20 || last == 0x09 { text = text.dropLast() }
        return text
    }

    /// RFC 9110 §5.6.2.
    private static let tokens = ASCIISet(
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
}
