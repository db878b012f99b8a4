/// A short text inside a struct: no allocation for each of very many. What is longer is not kept.
struct InlineText {
    static let bytesMax = 31

    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    var isEmpty: Bool { words.3 >> 56 == 0 }

    /// Keeps the bytes, or nothing when they are too many.
    // SAFETY: `bytes` is read inside this call only; at most 31 bytes are written, the 32nd is the length.
    mutating func set(_ bytes: UnsafeRawBufferPointer) {
        words = (0, 0, 0, 0)
        guard bytes.count <= Self.bytesMax else { return }
        withUnsafeMutableBytes(of: &words) { room in
            room.copyMemory(from: bytes)
            room[Self.bytesMax] = UInt8(bytes.count)
        }
    }

    mutating func set(_ text: String) {
        var text = text
        text.withUTF8 { set(UnsafeRawBufferPointer($0)) }
    }

    func append(to out: inout [UInt8]) {
        withUnsafeBytes(of: words) { out.append(contentsOf: $0.prefix(Int($0[Self.bytesMax]))) }
    }

    var text: String {
        var out: [UInt8] = []
        append(to: &out)
        return String(decoding: out, as: UTF8.self)
    }
}
