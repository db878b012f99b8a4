import ApusTesting
import Core
import NIOCore
import Wire

/// What a decoder put out, with the code of a failure but not its words.
enum Heard: Hashable, Sendable {
    case text([UInt8])
    case binary([UInt8])
    case ping([UInt8])
    case pong([UInt8])
    case close(UInt16?, [UInt8])
    case failure(UInt16)

    init(_ output: FrameDecoder.Output) {
        switch output {
        case .text(let bytes): self = .text(bytes)
        case .binary(let bytes): self = .binary(bytes)
        case .ping(let bytes): self = .ping(bytes)
        case .pong(let bytes): self = .pong(bytes)
        case .close(let code, let reason): self = .close(code, reason)
        case .failure(let code, _): self = .failure(code.rawValue)
        }
    }

    /// Feeds pieces to a new decoder. Everything must have been taken at the end.
    static func from(_ pieces: some Sequence<ArraySlice<UInt8>>, _ options: FrameDecoder.Options = .init()) -> [Heard] {
        var decoder = FrameDecoder()
        var heard: [Heard] = []
        for piece in pieces {
            var buffer = ByteBuffer(bytes: piece)
            while let output = decoder.next(&buffer, options) { heard.append(Heard(output)) }
            if buffer.readableBytes > 0 { heard.append(.failure(0)) }
        }
        return heard
    }
}

enum Hex {
    static func bytes(_ text: String) throws -> [UInt8] {
        let digits = Array(text)
        guard digits.count.isMultiple(of: 2) else { throw TestFailure("odd hex") }
        return try stride(from: 0, to: digits.count, by: 2).map {
            guard let byte = UInt8(String(digits[$0...$0 + 1]), radix: 16) else { throw TestFailure("no hex: \(text)") }
            return byte
        }
    }

    /// A client's frame with a short payload, by its first byte.
    static func masked(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let key: [UInt8] = [0x9A, 0x00, 0x31, 0xFF]
        return [first, 0x80 | UInt8(payload.count)] + key + payload.enumerated().map { $0.element ^ key[$0.offset & 3] }
    }
}
