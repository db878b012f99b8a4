import Core
import NIOCore
import Testing
import Wire

@Suite("The frame encoder")
struct FrameEncoderTests {
    @Test(
        "writes the header that the length needs, in a buffer of exactly its size",
        arguments: [0, 125, 126, 65535, 65536])
    func server(count: Int) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let frame = FrameEncoder.server(.binary, payload)
        let header: [UInt8] =
            count < 126
            ? [0x82, UInt8(count)]
            : count <= 0xFFFF
                ? [0x82, 126, UInt8(count >> 8), UInt8(count & 0xFF)]
                : [0x82, 127, 0, 0, 0, 0, 0, UInt8(count >> 16), UInt8(count >> 8 & 0xFF), UInt8(count & 0xFF)]
        #expect(Array(frame.readableBytesView.prefix(header.count)) == header)
        #expect(frame.readableBytes == header.count + count)
        #expect(
            Heard.from([frame.readableBytesView[...].map { $0 }[...]], .init(acceptsBinary: true, fromClient: false))
                == [.binary(payload)])
    }

    @Test("and the decoder are each other's inverse, for clients and servers")
    func roundTrip() {
        for opcode in [FrameEncoder.Opcode.text, .binary, .ping, .pong] {
            for count in [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 125] {
                let payload = (0..<count).map { UInt8($0 & 0x7F) }
                let expected: Heard =
                    switch opcode {
                    case .text: .text(payload)
                    case .binary: .binary(payload)
                    case .ping: .ping(payload)
                    default: .pong(payload)
                    }
                for mask in [1, 0xFF00_0000, 0x0102_0304, .max, 0] as [UInt32] {
                    let bytes = Array(FrameEncoder.client(opcode, payload, mask: mask).readableBytesView)
                    #expect(Heard.from([bytes[...]], .init(acceptsBinary: true)) == [expected])
                }
                let bytes = Array(FrameEncoder.server(opcode, payload).readableBytesView)
                #expect(Heard.from([bytes[...]], .init(acceptsBinary: true, fromClient: false)) == [expected])
            }
        }
    }

    @Test("writes close frames that its reader takes, for every code of ours", arguments: CloseCode.allCases)
    func close(code: CloseCode) {
        let bytes = Array(FrameEncoder.close(code.rawValue, reason: code.reason).readableBytesView)
        #expect(Heard.from([bytes[...]], .init(fromClient: false)) == [.close(code.rawValue, Array(code.reason.utf8))])
    }

    @Test("cuts a close reason to 123 bytes, between characters")
    func longReason() {
        let bytes = Array(FrameEncoder.close(1000, reason: String(repeating: "雨", count: 60)).readableBytesView)
        #expect(
            Heard.from([bytes[...]], .init(fromClient: false)) == [
                .close(1000, Array(String(repeating: "雨", count: 41).utf8))
            ])
    }

    @Test("answers a close with its code, or without one")
    func echo() {
        #expect(Array(FrameEncoder.closeEcho(1001).readableBytesView) == [0x88, 2, 0x03, 0xE9])
        #expect(Array(FrameEncoder.closeEcho(nil).readableBytesView) == [0x88, 0])
        #expect(Array(FrameEncoder.ping.readableBytesView) == [0x89, 0])
    }
}
