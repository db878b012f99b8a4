/// Checks UTF-8 as it arrives, byte by byte over fragments and reads (RFC 3629; RFC 6455 §8.1).
///
/// A value of two bytes: it remembers how many continuation bytes are due and which range the next one must be in,
/// which is what excludes overlong forms, surrogates and everything past U+10FFFF.
public struct UTF8Validator: Sendable {
    private var due: UInt8 = 0
    private var low: UInt8 = 0x80
    private var high: UInt8 = 0xBF

    public init() {}

    /// Whether the bytes so far end with a whole character.
    public var isComplete: Bool { due == 0 }

    /// Takes more bytes.
    /// - Returns: false as soon as no continuation could make the text valid. The validator is of no use after that.
    public mutating func consume(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var at = 0
        let count = bytes.count
        while at < count {
            if due == 0 {
                // Eight ASCII bytes at a time.
                while at + 8 <= count,
                    bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
                { at += 8 }
                if at == count { break }
            }
            guard step(bytes[at]) else { return false }
            at += 1
        }
        return true
    }

    private mutating func step(_ byte: UInt8) -> Bool {
        if due > 0 {
            guard low...high ~= byte else { return false }
            due -= 1
            (low, high) = (0x80, 0xBF)
            return true
        }
        switch byte {
        case 0x00...0x7F: return true
        case 0xC2...0xDF: due = 1
        case 0xE0: (due, low) = (2, 0xA0)
        case 0xE1...0xEC, 0xEE...0xEF: due = 2
        case 0xED: (due, high) = (2, 0x9F)
        case 0xF0: (due, low) = (3, 0x90)
        case 0xF1...0xF3: due = 3
        case 0xF4: (due, high) = (3, 0x8F)
        default: return false
        }
        return true
    }

    /// Whether `bytes` are whole, valid UTF-8.
    public static func isValid(_ bytes: ArraySlice<UInt8>) -> Bool {
        var validator = UTF8Validator()
        return bytes.withUnsafeBytes { validator.consume($0) } && validator.isComplete
    }
}
