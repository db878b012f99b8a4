/// A client's frame, spelled out bit by bit: unlike `FrameEncoder` it can say what is forbidden.
struct Frame: Sendable {
    var opcode: UInt8
    var payload: [UInt8]
    var isFinal = true
    /// RSV1…RSV3 as a number from 0 to 7.
    var reserved: UInt8 = 0
    /// nil leaves the frame unmasked.
    var mask: [UInt8]? = [0x5B, 0x00, 0xC3, 0x7E]
    /// The announced length, when it is not the payload's.
    var announced: UInt64?
    /// How many bytes of extended length there are, when it is not the fewest possible: 0, 2 or 8.
    var lengthBytes: Int?

    var bytes: [UInt8] {
        let length = announced ?? UInt64(payload.count)
        let extended = lengthBytes ?? (length < 126 ? 0 : length < 1 << 16 ? 2 : 8)
        let short: UInt8 = extended == 0 ? UInt8(length) : extended == 2 ? 126 : 127
        var out = [(isFinal ? 0x80 : 0) | reserved << 4 | opcode, (mask == nil ? 0 : 0x80) | short]
        for i in (0..<extended).reversed() { out.append(UInt8(truncatingIfNeeded: length >> UInt64(8 * i))) }
        guard let mask else { return out + payload }
        out += mask
        if mask == [0, 0, 0, 0] { return out + payload }
        for (i, byte) in payload.enumerated() { out.append(byte ^ mask[i & 3]) }
        return out
    }

    static func text(_ text: String, last: Bool = true) -> Frame {
        Frame(opcode: 1, payload: Array(text.utf8), isFinal: last)
    }
    static func text(_ bytes: [UInt8], last: Bool = true) -> Frame { Frame(opcode: 1, payload: bytes, isFinal: last) }
    static func binary(_ bytes: [UInt8], last: Bool = true) -> Frame { Frame(opcode: 2, payload: bytes, isFinal: last) }
    static func more(_ text: String, last: Bool) -> Frame { Frame(opcode: 0, payload: Array(text.utf8), isFinal: last) }
    static func more(_ bytes: [UInt8], last: Bool) -> Frame { Frame(opcode: 0, payload: bytes, isFinal: last) }
    static func ping(_ text: String = "") -> Frame { Frame(opcode: 9, payload: Array(text.utf8)) }
    static func ping(_ bytes: [UInt8]) -> Frame { Frame(opcode: 9, payload: bytes) }
    static func pong(_ text: String = "") -> Frame { Frame(opcode: 10, payload: Array(text.utf8)) }
    static func close(_ code: UInt16, _ reason: String = "") -> Frame { .close(code, reason: Array(reason.utf8)) }
    static func close(_ code: UInt16, reason: [UInt8]) -> Frame {
        Frame(opcode: 8, payload: [UInt8(code >> 8), UInt8(code & 0xFF)] + reason)
    }

    /// A message cut into fragments of `size` bytes.
    static func fragments(_ opcode: UInt8, _ payload: [UInt8], of size: Int, mask: [UInt8]? = nil) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(payload.count + payload.count / size * 14)
        for start in stride(from: 0, to: payload.count, by: size) {
            let end = min(start + size, payload.count)
            var frame = Frame(
                opcode: start == 0 ? opcode : 0, payload: Array(payload[start..<end]), isFinal: end == payload.count)
            if let mask { frame.mask = mask }
            out += frame.bytes
        }
        return out
    }
}

/// What the server said, read by a parser of this suite's own: it shares no code with the one under test.
enum Heard: Hashable, Sendable, CustomStringConvertible {
    case text([UInt8])
    case binary([UInt8])
    case ping([UInt8])
    case pong([UInt8])
    /// nil when the close frame had no code.
    case close(UInt16?)
    /// Something that no server may send.
    case nonsense(String)

    static func text(_ text: String) -> Heard { .text(Array(text.utf8)) }
    static func pong(_ text: String) -> Heard { .pong(Array(text.utf8)) }

    var description: String {
        switch self {
        case .text(let bytes):
            "text of \(bytes.count) bytes \(String(decoding: bytes.prefix(40), as: UTF8.self).debugDescription)"
        case .binary(let bytes): "binary of \(bytes.count) bytes \(bytes.prefix(8))"
        case .ping(let bytes): "ping of \(bytes.count) bytes \(bytes.prefix(8))"
        case .pong(let bytes): "pong of \(bytes.count) bytes \(bytes.prefix(8))"
        case .close(let code): "close \(code.map(String.init) ?? "without code")"
        case .nonsense(let why): "nonsense: \(why)"
        }
    }

    /// Reads a server's whole output after the upgrade (RFC 6455 §5.2). Our server sends no fragments.
    static func parse(_ bytes: [UInt8]) -> [Heard] {
        var heard: [Heard] = []
        var at = 0
        while at < bytes.count {
            guard at + 2 <= bytes.count else { return heard + [.nonsense("half a header")] }
            let (first, second) = (bytes[at], bytes[at + 1])
            at += 2
            guard first & 0xF0 == 0x80 else { return heard + [.nonsense("first byte \(first)")] }
            guard second < 0x80 else { return heard + [.nonsense("masked by the server")] }
            let extended = second == 126 ? 2 : second == 127 ? 8 : 0
            guard at + extended <= bytes.count else { return heard + [.nonsense("half a length")] }
            let length = extended == 0 ? Int(second) : bytes[at..<at + extended].reduce(0) { $0 << 8 | Int($1) }
            at += extended
            guard extended == 0 || length > (extended == 2 ? 125 : 0xFFFF) else {
                return heard + [.nonsense("length not minimal")]
            }
            guard length <= bytes.count - at else { return heard + [.nonsense("half a payload")] }
            heard.append(frame(first & 0x0F, Array(bytes[at..<at + length])))
            at += length
        }
        return heard
    }

    private static func frame(_ opcode: UInt8, _ payload: [UInt8]) -> Heard {
        if opcode >= 8, payload.count > 125 { return .nonsense("control frame of \(payload.count) bytes") }
        switch opcode {
        case 1: return .text(payload)
        case 2: return .binary(payload)
        case 8:
            if payload.isEmpty { return .close(nil) }
            guard payload.count >= 2, String(validating: payload[2...], as: UTF8.self) != nil else {
                return .nonsense("close frame \(payload)")
            }
            return .close(UInt16(payload[0]) << 8 | UInt16(payload[1]))
        case 9: return .ping(payload)
        case 10: return .pong(payload)
        default: return .nonsense("opcode \(opcode)")
        }
    }
}
