/// What NATS can take as a subject. The C library sends anything, and a space or a line break in a subject would be read
/// by the server as another command (G15), so everything is checked before.
enum SubjectRules {
    /// A bound for what reaches the server's control line of 4,096 bytes; the longest subject of Apus has about 200.
    static let bytesMax = 1024

    /// For publishing: tokens without wildcards.
    static func canPublish(_ subject: String) -> Bool { check(subject, wildcards: false) }

    /// For subscribing: `*` for one token, `>` as the last one.
    static func canSubscribe(_ subject: String) -> Bool { check(subject, wildcards: true) }

    /// A queue group: no spaces or control characters.
    static func isQueue(_ name: String) -> Bool {
        (1...bytesMax).contains(name.utf8.count) && name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
    }

    /// A header's name: RFC 7230's token, more or less: printable, without colon.
    static func isHeaderName(_ name: String) -> Bool {
        (1...256).contains(name.utf8.count)
            && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }
    }

    /// A header's value: one line, and no NUL, at which C would end it.
    static func isHeaderValue(_ value: String) -> Bool {
        value.utf8.allSatisfy { $0 != 0x0D && $0 != 0x0A && $0 != 0 }
    }

    private static func check(_ subject: String, wildcards: Bool) -> Bool {
        var length = 0
        var tokenLength = 0
        var tokenIsWildcard = false
        var isClosed = false
        for byte in subject.utf8 {
            length += 1
            if isClosed { return false }
            switch byte {
            case UInt8(ascii: "."):
                if tokenLength == 0 { return false }
                tokenLength = 0
                tokenIsWildcard = false
            case UInt8(ascii: "*"), UInt8(ascii: ">"):
                // NATS takes a wildcard only as a whole token; inside one it is an ordinary character to the server,
                // but never one of ours.
                guard wildcards, tokenLength == 0 else { return false }
                tokenLength = 1
                tokenIsWildcard = true
                isClosed = byte == UInt8(ascii: ">")
            case 0...0x20, 0x7F: return false
            default:
                if tokenIsWildcard { return false }
                tokenLength += 1
            }
        }
        return tokenLength > 0 && length <= bytesMax
    }
}
