import Core

/// An answer of the server (RESP2).
enum RedisReply: Hashable, Sendable {
    /// A bulk string, or a status such as `OK`.
    case text([UInt8])
    case integer(Int64)
    case null
    case list([RedisReply])
    /// Begins with a word that tells the kind: `OOM command not allowed …`.
    case error(String)

    var string: String? {
        if case .text(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil }
    }

    var bytes: [UInt8]? { if case .text(let bytes) = self { bytes } else { nil } }

    /// An integer, also when it comes as text, as numbers out of hashes do.
    var integer: Int64? {
        switch self {
        case .integer(let number): number
        case .text(let bytes): DecimalText.read(bytes)
        default: nil
        }
    }

    var list: [RedisReply]? { if case .list(let list) = self { list } else { nil } }
}
