import Core
import NIOCore

/// Writes whole WebSocket frames (RFC 6455 §5.2). Server frames are unmasked, so the bytes of one serve everybody.
public enum FrameEncoder {
    public enum Opcode: UInt8, Sendable {
        case text = 1
        case binary = 2
        case close = 8
        case ping = 9
        case pong = 10
    }

    /// The server's ping without payload: the same two bytes for everyone, built once.
    public static let ping = server(.ping, [])

    /// A server's frame, in a buffer of exactly its size.
    public static func server(_ opcode: Opcode, _ payload: some Collection<UInt8>) -> ByteBuffer {
        let count = payload.count
        var out = ByteBufferAllocator().buffer(capacity: count + headerBytes(count))
        writeHeader(opcode, count, masked: false, to: &out)
        out.writeBytes(payload)
        return out
    }

    /// A text frame of the server.
    public static func text(_ payload: some Collection<UInt8>) -> ByteBuffer { server(.text, payload) }

    /// A text frame of the server whose `count` bytes `payload` writes.
    static func text(count: Int, _ payload: (inout ByteBuffer) -> Void) -> ByteBuffer {
        var out = ByteBufferAllocator().buffer(capacity: count + headerBytes(count))
        writeHeader(.text, count, masked: false, to: &out)
        let start = out.writerIndex
        payload(&out)
        precondition(out.writerIndex - start == count, "a frame has as many bytes as its header says")
        return out
    }

    /// A close frame of the server; the reason is cut to what fits (RFC 6455 §5.5.1).
    public static func close(_ code: UInt16, reason: String) -> ByteBuffer {
        var payload = [UInt8(code >> 8), UInt8(code & 0xFF)]
        var cut = reason
        while cut.utf8.count > Limits.controlFrameBytesMax - 2 { cut.removeLast() }
        payload += Array(cut.utf8)
        return server(.close, payload)
    }

    /// The answer to a close frame: the same code, or none when there was none.
    public static func closeEcho(_ code: UInt16?) -> ByteBuffer {
        code.map { server(.close, [UInt8($0 >> 8), UInt8($0 & 0xFF)]) } ?? server(.close, [])
    }

    /// A client's frame, masked with a fresh key (RFC 6455 §5.3); for test clients and the load generator.
    public static func client(
        _ opcode: Opcode, _ payload: some Collection<UInt8>, mask: UInt32 = UInt32.random(in: 1 ... .max)
    ) -> ByteBuffer {
        var out = ByteBufferAllocator().buffer(capacity: payload.count + 14)
        writeHeader(opcode, payload.count, masked: true, to: &out)
        out.writeInteger(mask)
        var i: UInt32 = 0
        for byte in payload {
            out.writeInteger(byte ^ UInt8(truncatingIfNeeded: mask >> (24 - 8 * (i & 3))))
            i &+= 1
        }
        return out
    }

    /// Appends a client's frame to what waits for its socket, with the given masking key (RFC 6455 §5.3).
    public static func appendClient(
        _ opcode: Opcode, _ payload: some Collection<UInt8>, mask: UInt32, to out: inout [UInt8]
    ) {
        let count = payload.count
        out.append(0x80 | opcode.rawValue)
        switch count {
        case 0..<126: out.append(0x80 | UInt8(count))
        case 126...0xFFFF: out += [0x80 | 126, UInt8(count >> 8), UInt8(count & 0xFF)]
        default:
            out.append(0x80 | 127)
            for shift in stride(from: 56, through: 0, by: -8) { out.append(UInt8(truncatingIfNeeded: count >> shift)) }
        }
        for shift: UInt32 in [24, 16, 8, 0] { out.append(UInt8(truncatingIfNeeded: mask >> shift)) }
        var shift: UInt32 = 24
        for byte in payload {
            out.append(byte ^ UInt8(truncatingIfNeeded: mask >> shift))
            shift = (shift &- 8) & 31
        }
    }

    private static func headerBytes(_ count: Int) -> Int { count < 126 ? 2 : count <= 0xFFFF ? 4 : 10 }

    private static func writeHeader(_ opcode: Opcode, _ count: Int, masked: Bool, to out: inout ByteBuffer) {
        let maskBit: UInt8 = masked ? 0x80 : 0
        out.writeInteger(0x80 | opcode.rawValue)
        switch count {
        case 0..<126: out.writeInteger(maskBit | UInt8(count))
        case 126...0xFFFF:
            out.writeInteger(maskBit | 126)
            out.writeInteger(UInt16(count))
        default:
            out.writeInteger(maskBit | 127)
            out.writeInteger(UInt64(count))
        }
    }
}
