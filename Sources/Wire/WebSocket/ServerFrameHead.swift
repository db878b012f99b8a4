/// The head of a server's frame, read where it lies (RFC 6455 §5.2; the picture is at `FrameDecoder`).
///
/// For a client that holds very many connections and reads all of them into one buffer: nothing is kept per connection,
/// nothing is copied, and a frame that has not arrived whole is looked at again when there is more of it.
public struct ServerFrameHead: Sendable {
    /// What the first bytes of a buffer are.
    public enum Reading: Sendable {
        /// The head is not whole yet.
        case incomplete
        case head(ServerFrameHead)
        /// No frame that a server may send, and why.
        case failure(String)
    }

    public let opcode: UInt8
    public let isFinal: Bool
    /// Bytes of the head itself.
    public let headBytes: Int
    public let payloadBytes: Int

    /// Reads the head of the frame that begins at the first byte.
    // SAFETY: `bytes` is read inside this call only, below its count.
    @inlinable
    public static func read(_ bytes: UnsafeRawBufferPointer) -> Reading {
        guard bytes.count >= 2 else { return .incomplete }
        let (first, second) = (bytes[0], bytes[1])
        guard first & 0x70 == 0 else { return .failure("reserved bit set") }
        guard second & 0x80 == 0 else { return .failure("frame masked") }
        var headBytes = 2
        var length = UInt64(second)
        if second >= 126 {
            let width = second == 126 ? 2 : 8
            headBytes += width
            guard bytes.count >= headBytes else { return .incomplete }
            length = 0
            for at in 2..<headBytes { length = length << 8 | UInt64(bytes[at]) }
            guard length > (width == 2 ? 125 : 0xFFFF), length >> 62 == 0 else {
                return .failure("length not in its shortest form")
            }
        }
        let opcode = first & 0x0F
        guard opcode < 8 || (first & 0x80 != 0 && length <= 125) else {
            return .failure("control frame fragmented or over 125 bytes")
        }
        return .head(
            ServerFrameHead(
                opcode: opcode, isFinal: first & 0x80 != 0, headBytes: headBytes, payloadBytes: Int(length)))
    }

    @inlinable
    init(opcode: UInt8, isFinal: Bool, headBytes: Int, payloadBytes: Int) {
        self.opcode = opcode
        self.isFinal = isFinal
        self.headBytes = headBytes
        self.payloadBytes = payloadBytes
    }
}
