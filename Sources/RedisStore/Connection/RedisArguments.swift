import Core
import NIOCore

/// A command's words as they go over the wire: an array of bulk strings (RESP2), each with its length before it, so no byte
/// of a word can become syntax (ADR 22 says why hiredis does not format them).
struct RedisArguments {
    private(set) var count = 0
    /// The words, without the line that says how many they are.
    private var bytes: [UInt8] = []

    init() {}

    init(_ words: String...) {
        for word in words { add(word) }
    }

    /// - Parameter capacity: Bytes that it will probably have.
    init(capacity: Int) { bytes.reserveCapacity(capacity) }

    mutating func add(_ text: String) {
        var text = text
        text.withUTF8 { add($0) }
    }

    mutating func add(_ word: [UInt8]) { word.withUnsafeBufferPointer { add($0) } }

    mutating func add(_ number: some FixedWidthInteger) { DecimalText.with(number) { add($0) } }

    /// One word of two parts.
    mutating func add(_ start: String, _ end: StaticString) {
        var start = start
        start.withUTF8 { start in
            begin(start.count + end.utf8CodeUnitCount)
            bytes.append(contentsOf: start)
        }
        // SAFETY: a StaticString's bytes live as long as the program.
        bytes.append(contentsOf: UnsafeBufferPointer(start: end.utf8Start, count: end.utf8CodeUnitCount))
        endLine()
    }

    mutating func add(_ other: RedisArguments) {
        bytes += other.bytes
        count += other.count
    }

    /// The command as it goes over the wire.
    func encoded() -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(bytes.count + 16)
        buffer.writeInteger(UInt8(ascii: "*"))
        DecimalText.with(count) { _ = buffer.writeBytes($0) }
        buffer.writeStaticString("\r\n")
        buffer.writeBytes(bytes)
        return buffer
    }

    private mutating func add(_ word: UnsafeBufferPointer<UInt8>) {
        begin(word.count)
        bytes.append(contentsOf: word)
        endLine()
    }

    private mutating func begin(_ length: Int) {
        count += 1
        bytes.append(UInt8(ascii: "$"))
        DecimalText.with(length) { bytes.append(contentsOf: $0) }
        endLine()
    }

    private mutating func endLine() {
        bytes.append(0x0D)
        bytes.append(0x0A)
    }
}
