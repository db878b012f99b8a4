import Crypto
import Foundation

/// Who the sessions are: numbered users whose tokens are made as they are needed, or the lines of a file of tokens.
///
/// Nothing is kept per user: a million names and tokens would be more than all else.
struct Users {
    private enum Source {
        case numbered(prefix: [UInt8], mint: TokenMint)
        case listed(bytes: [UInt8], lines: [Range<Int>])
    }

    private let source: Source
    /// The number of the first one in this process.
    let first: Int

    /// Users `<prefix>0000001` … with HS256 tokens of this secret.
    init(prefix: String, first: Int, secret: String, lifetimeSeconds: Int) {
        source = .numbered(
            prefix: Array(prefix.utf8), mint: TokenMint(secret: secret, lifetimeSeconds: lifetimeSeconds))
        self.first = first
    }

    /// Users of a file: in each line the user, a space, and the token. - Throws: `LoadError`.
    init(file: String, first: Int) throws {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw LoadError("--tokens \(file) cannot be read: is there such a file, and may this program read it?")
        }
        let bytes = [UInt8](data)
        var lines: [Range<Int>] = []
        var start = 0
        for at in 0...bytes.count where at == bytes.count || bytes[at] == UInt8(ascii: "\n") {
            let end = at > start && bytes[at - 1] == UInt8(ascii: "\r") ? at - 1 : at
            if end > start { lines.append(start..<end) }
            start = at + 1
        }
        for line in lines where !bytes[line].contains(UInt8(ascii: " ")) {
            throw LoadError("--tokens \(file): each line must be a user, a space and the user's token")
        }
        source = .listed(bytes: bytes, lines: lines)
        self.first = first
    }

    /// How many there are; nil when they are made up.
    var countMax: Int? {
        if case .listed(_, let lines) = source { lines.count } else { nil }
    }

    /// Appends the id of the user of a session of this process.
    func appendName(_ session: Int, to out: inout [UInt8]) {
        switch source {
        case .numbered(let prefix, _): Self.appendNumbered(prefix, first + session + 1, to: &out)
        case .listed(let bytes, let lines):
            let line = bytes[lines[first + session]]
            out += line[..<(line.firstIndex(of: UInt8(ascii: " ")) ?? line.endIndex)]
        }
    }

    func name(_ session: Int) -> String {
        var out: [UInt8] = []
        appendName(session, to: &out)
        return String(decoding: out, as: UTF8.self)
    }

    func appendToken(_ session: Int, to out: inout [UInt8]) {
        switch source {
        case .numbered(_, let mint):
            var name: [UInt8] = []
            appendName(session, to: &name)
            mint.append(user: name, to: &out)
        case .listed(let bytes, let lines):
            let line = bytes[lines[first + session]]
            out += line[(line.lastIndex(of: UInt8(ascii: " ")).map { $0 + 1 } ?? line.startIndex)...]
        }
    }

    private static func appendNumbered(_ prefix: [UInt8], _ number: Int, to out: inout [UInt8]) {
        out += prefix
        let start = out.count
        var rest = number
        for _ in 0..<7 {
            out.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        }
        out[start...].reverse()
    }
}

/// Makes HS256 tokens (PROTOCOL §5).
struct TokenMint {
    private let key: SymmetricKey
    private let head: [UInt8]
    private let expires: Int

    init(secret: String, lifetimeSeconds: Int) {
        key = SymmetricKey(data: Data(secret.utf8))
        head = Self.base64URL(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8)) + [UInt8(ascii: ".")]
        expires = Int(Date().timeIntervalSince1970) + lifetimeSeconds
    }

    /// Appends a token for the user, whose id needs no escaping in JSON.
    func append(user: [UInt8], to out: inout [UInt8]) {
        let start = out.count
        out += head
        out += Self.base64URL(Array(#"{"sub":""#.utf8) + user + Array(#"","exp":\#(expires)}"#.utf8))
        let code = HMAC<SHA256>.authenticationCode(for: out[start...], using: key)
        out.append(UInt8(ascii: "."))
        out += Self.base64URL(Array(code))
    }

    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// RFC 4648 §5, without padding.
    static func base64URL(_ bytes: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity((bytes.count + 2) / 3 * 4)
        var at = 0
        while at < bytes.count {
            let left = min(3, bytes.count - at)
            var group = UInt32(bytes[at]) << 16
            if left > 1 { group |= UInt32(bytes[at + 1]) << 8 }
            if left > 2 { group |= UInt32(bytes[at + 2]) }
            for digit in 0...left { out.append(letters[Int(group >> UInt32(18 - 6 * digit) & 63)]) }
            at += 3
        }
        return out
    }
}

/// What a user of the load generator can mend, said with the fix.
struct LoadError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
