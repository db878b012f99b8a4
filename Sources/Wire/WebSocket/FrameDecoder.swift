import Core
import NIOCore

/// Turns bytes into WebSocket messages (RFC 6455 §5), as they arrive and without keeping the buffer they came in.
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-------+-+-------------+-------------------------------+
///     |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
///     |I|S|S|S|  (4)  |A|     (7)     |             (16/64)           |
///     |N|V|V|V|       |S|             |   (if payload len==126/127)   |
///     | |1|2|3|       |K|             |                               |
///     +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
///     |              masking key (from clients only)                  |
///     +---------------------------------------------------------------+
///
/// A header is judged as soon as the byte that condemns it is there, a length before any payload is taken, and text
/// while it arrives: invalid UTF-8 fails in the middle of a frame. An idle decoder holds no memory outside itself.
public struct FrameDecoder: Sendable {
    /// What a decoder takes.
    public struct Options: Sendable {
        /// The largest message, all fragments together, in bytes.
        public var messageBytesMax: Int
        /// The most fragments of one message.
        public var fragmentsMax: Int
        /// Whether binary messages are taken; otherwise they fail with 1003.
        public var acceptsBinary: Bool
        /// Whether frames must be masked (those of clients) or must not be (those of servers); RFC 6455 §5.1.
        public var fromClient: Bool

        public init(
            messageBytesMax: Int = Limits.messageBytesMax, fragmentsMax: Int = Limits.fragmentsMax,
            acceptsBinary: Bool = false, fromClient: Bool = true
        ) {
            self.messageBytesMax = messageBytesMax
            self.fragmentsMax = fragmentsMax
            self.acceptsBinary = acceptsBinary
            self.fromClient = fromClient
        }
    }

    /// What came out.
    public enum Output: Hashable, Sendable {
        case text([UInt8])
        case binary([UInt8])
        case ping([UInt8])
        case pong([UInt8])
        /// The peer closes; nil when its frame had no code.
        case close(UInt16?, reason: [UInt8])
        /// The connection is to be failed with this code. The decoder takes nothing after it.
        case failure(CloseCode, String)
    }

    private enum Opcode {
        static let continuation: UInt8 = 0
        static let text: UInt8 = 1
        static let binary: UInt8 = 2
        static let close: UInt8 = 8
        static let ping: UInt8 = 9
        static let pong: UInt8 = 10
    }

    // The header as it arrives: at most 2 + 8 + 4 bytes, big-endian in two words.
    private var header: (first: UInt64, second: UInt64) = (0, 0)
    private var headerCount: UInt8 = 0
    private var inPayload = false
    private var failed = false

    // The frame that is arriving.
    private var opcode: UInt8 = 0
    private var isFinal = false
    private var payloadLeft = 0
    private var mask: UInt32 = 0

    // The message that is being put together. `messageOpcode` is 0 outside a message.
    private var messageOpcode: UInt8 = 0
    private var fragments: Int32 = 0
    private var utf8 = UTF8Validator()
    private var message: [UInt8] = []
    private var control: [UInt8] = []

    public init() {}

    /// Takes bytes until something comes out or none are left.
    /// - Returns: nil when all bytes are taken and more are needed. Call again until then.
    public mutating func next(_ input: inout ByteBuffer, _ options: Options) -> Output? {
        guard !failed else {
            input.moveReaderIndex(to: input.writerIndex)
            return nil
        }
        while true {
            if !inPayload {
                switch takeHeader(&input, options) {
                case .incomplete: return nil
                case .failure(let code, let why): return fail(code, why)
                case .complete: inPayload = true
                }
            }
            if payloadLeft > 0 {
                guard input.readableBytes > 0 else { return nil }
                guard takePayload(&input) else { return fail(.invalidPayload, "invalid UTF-8") }
                guard payloadLeft == 0 else { return nil }
            }
            inPayload = false
            if let output = endOfFrame() { return output }
        }
    }

    private mutating func fail(_ code: CloseCode, _ why: String) -> Output {
        failed = true
        message = []
        control = []
        return .failure(code, why)
    }

    // MARK: Header

    private enum HeaderProgress { case incomplete, complete, failure(CloseCode, String) }

    private mutating func takeHeader(_ input: inout ByteBuffer, _ options: Options) -> HeaderProgress {
        var need = 1
        while headerCount < need || need < 2 {
            guard let byte: UInt8 = input.readInteger() else { return .incomplete }
            setHeader(byte)
            if headerCount == 1, let problem = judgeFirst(byte) { return problem }
            if headerCount == 2, let problem = judgeSecond(byte, options) { return problem }
            if headerCount >= 2 { need = 2 + extendedLengthBytes + (options.fromClient ? 4 : 0) }
            if headerCount == 2 + extendedLengthBytes, headerCount >= 2,
                let problem = judgeLength(options)
            {
                return problem
            }
        }
        if options.fromClient {
            mask = 0
            for i in 0..<4 { mask = mask << 8 | UInt32(headerByte(2 + extendedLengthBytes + i)) }
        }
        header = (0, 0)
        headerCount = 0
        return .complete
    }

    private mutating func setHeader(_ byte: UInt8) {
        let at = headerCount
        if at < 8 {
            header.first |= UInt64(byte) << UInt64(56 - 8 * at)
        } else {
            header.second |= UInt64(byte) << UInt64(56 - 8 * (at - 8))
        }
        headerCount += 1
    }

    private func headerByte(_ at: Int) -> UInt8 {
        at < 8
            ? UInt8(truncatingIfNeeded: header.first >> UInt64(56 - 8 * at))
            : UInt8(truncatingIfNeeded: header.second >> UInt64(56 - 8 * (at - 8)))
    }

    private var extendedLengthBytes: Int {
        switch headerByte(1) & 0x7F {
        case 126: 2
        case 127: 8
        default: 0
        }
    }

    private mutating func judgeFirst(_ byte: UInt8) -> HeaderProgress? {
        guard byte & 0x70 == 0 else { return .failure(.protocolError, "reserved bit set") }
        opcode = byte & 0x0F
        isFinal = byte & 0x80 != 0
        switch opcode {
        case Opcode.continuation:
            guard messageOpcode != 0 else { return .failure(.protocolError, "continuation of nothing") }
        case Opcode.text, Opcode.binary:
            guard messageOpcode == 0 else { return .failure(.protocolError, "new message inside a fragmented one") }
        case Opcode.close, Opcode.ping, Opcode.pong:
            guard isFinal else { return .failure(.protocolError, "fragmented control frame") }
        default: return .failure(.protocolError, "unknown opcode")
        }
        return nil
    }

    private func judgeSecond(_ byte: UInt8, _ options: Options) -> HeaderProgress? {
        guard (byte & 0x80 != 0) == options.fromClient else {
            return .failure(.protocolError, options.fromClient ? "frame not masked" : "frame masked")
        }
        guard opcode < 8 || byte & 0x7F <= Limits.controlFrameBytesMax else {
            return .failure(.protocolError, "control frame over 125 bytes")
        }
        guard opcode != Opcode.binary || options.acceptsBinary else {
            return .failure(.unsupportedData, "binary frame")
        }
        return nil
    }

    private mutating func judgeLength(_ options: Options) -> HeaderProgress? {
        var length: UInt64 = 0
        switch extendedLengthBytes {
        case 2:
            length = UInt64(headerByte(2)) << 8 | UInt64(headerByte(3))
            guard length > 125 else { return .failure(.protocolError, "length not in its shortest form") }
        case 8:
            for i in 0..<8 { length = length << 8 | UInt64(headerByte(2 + i)) }
            guard length > 0xFFFF, length >> 63 == 0 else {
                return .failure(.protocolError, "length not in its shortest form")
            }
        default: length = UInt64(headerByte(1) & 0x7F)
        }
        guard opcode < 8 else {
            payloadLeft = Int(length)
            return nil
        }
        guard length <= UInt64(options.messageBytesMax - message.count) else {
            return .failure(.messageTooBig, "message over \(options.messageBytesMax) bytes")
        }
        fragments += 1
        guard fragments <= options.fragmentsMax else {
            return .failure(.messageTooBig, "message in over \(options.fragmentsMax) fragments")
        }
        if opcode != Opcode.continuation { messageOpcode = opcode }
        payloadLeft = Int(length)
        return nil
    }

    // MARK: Payload

    /// Takes what is there of the payload. - Returns: false when a text message is no UTF-8.
    private mutating func takePayload(_ input: inout ByteBuffer) -> Bool {
        let count = min(payloadLeft, input.readableBytes)
        let mask = self.mask
        payloadLeft -= count
        // The next part of this payload begins at another byte of the key.
        let turn = UInt32(count & 3) * 8
        self.mask = turn == 0 ? mask : mask << turn | mask >> (32 - turn)
        return input.readWithUnsafeReadableBytes { bytes in
            // SAFETY: the slice is read inside this closure only.
            let part = UnsafeRawBufferPointer(rebasing: bytes[..<count])
            if opcode >= 8 {
                Self.append(part, mask, to: &control)
                return (count, true)
            }
            let start = message.count
            Self.append(part, mask, to: &message)
            guard messageOpcode == Opcode.text else { return (count, true) }
            return (
                count,
                message.withUnsafeBytes { utf8.consume(UnsafeRawBufferPointer(rebasing: $0[start...])) }
            )
        }
    }

    /// Appends `bytes` XOR the masking key (RFC 6455 §5.3), eight at a time.
    private static func append(_ bytes: UnsafeRawBufferPointer, _ mask: UInt32, to out: inout [UInt8]) {
        guard mask != 0 else {
            out.append(contentsOf: bytes)
            return
        }
        let start = out.count
        out.append(contentsOf: bytes)
        out.withUnsafeMutableBytes { all in
            let key32 = mask.bigEndian
            let key = UInt64(key32) << 32 | UInt64(key32)
            var at = start
            // SAFETY: `at + 8` never passes the end; loads and stores are unaligned.
            while at + 8 <= all.count {
                all.storeBytes(
                    of: all.loadUnaligned(fromByteOffset: at, as: UInt64.self) ^ key, toByteOffset: at, as: UInt64.self)
                at += 8
            }
            var i = 0
            while at < all.count {
                all[at] ^= UInt8(truncatingIfNeeded: mask >> UInt32(24 - 8 * (i & 3)))
                at += 1
                i += 1
            }
        }
    }

    // MARK: End of a frame

    private mutating func endOfFrame() -> Output? {
        if opcode >= 8 {
            let payload = control
            control = []
            switch opcode {
            case Opcode.ping: return .ping(payload)
            case Opcode.pong: return .pong(payload)
            default: return closeFrame(payload)
            }
        }
        guard isFinal else { return nil }
        let isText = messageOpcode == Opcode.text
        guard !isText || utf8.isComplete else { return fail(.invalidPayload, "text ends inside a character") }
        let whole = message
        message = []
        messageOpcode = 0
        fragments = 0
        utf8 = UTF8Validator()
        return isText ? .text(whole) : .binary(whole)
    }

    private mutating func closeFrame(_ payload: [UInt8]) -> Output {
        guard !payload.isEmpty else { return .close(nil, reason: []) }
        guard payload.count >= 2 else { return fail(.protocolError, "close frame of one byte") }
        let code = UInt16(payload[0]) << 8 | UInt16(payload[1])
        guard Self.mayStandInCloseFrame(code) else { return fail(.protocolError, "close code \(code)") }
        let reason = payload[2...]
        guard UTF8Validator.isValid(reason) else { return fail(.invalidPayload, "close reason is no UTF-8") }
        return .close(code, reason: Array(reason))
    }

    /// RFC 6455 §7.4: which codes an endpoint may send.
    static func mayStandInCloseFrame(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}
