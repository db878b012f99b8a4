import CHiredis
import NIOCore

/// A command's words, collected in one run of bytes and formatted by hiredis.
///
/// Only `redisFormatCommandArgv` is used: lengths are explicit, so no byte of an argument can become syntax.
struct RedisArguments {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []

    init() {}

    init(_ words: String...) {
        for word in words { add(word) }
    }

    var count: Int { ends.count }

    mutating func add(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        ends.append(bytes.count)
    }

    mutating func add(_ word: [UInt8]) {
        bytes.append(contentsOf: word)
        ends.append(bytes.count)
    }

    mutating func add(_ number: some BinaryInteger) { add(String(number)) }

    mutating func add(_ other: RedisArguments) {
        let offset = bytes.count
        bytes += other.bytes
        for end in other.ends { ends.append(offset + end) }
    }

    /// The command as it goes over the wire.
    func encoded() -> ByteBuffer {
        let lengths = ends.enumerated().map { index, end in index == 0 ? end : end - ends[index - 1] }
        // One byte more, so that there is an address even when every word is empty.
        var padded = bytes
        padded.append(0)
        // SAFETY: the pointers in `words` point into `buffer`, which outlives the call; hiredis copies from them. The
        // command it allocates is freed once, after it was copied.
        return padded.withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { buffer in
                var words = ends.indices.map { index in
                    buffer.baseAddress.map { $0 + (index == 0 ? 0 : ends[index - 1]) }
                }
                var command: UnsafeMutablePointer<CChar>?
                let length = redisFormatCommandArgv(&command, Int32(words.count), &words, lengths)
                guard length >= 0, let command else { preconditionFailure("out of memory") }
                defer { redisFreeCommand(command) }
                return ByteBuffer(bytes: UnsafeRawBufferPointer(start: command, count: Int(length)))
            }
        }
    }
}
