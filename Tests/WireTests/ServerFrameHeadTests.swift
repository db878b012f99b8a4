import NIOCore
import Testing
import Wire

@Suite("The head of a server's frame, read where it lies")
struct ServerFrameHeadTests {
    private func read(_ bytes: some Collection<UInt8>) -> ServerFrameHead.Reading {
        Array(bytes).withUnsafeBytes { ServerFrameHead.read($0) }
    }

    private func failure(_ bytes: [UInt8]) -> String? {
        if case .failure(let why) = read(bytes) { why } else { nil }
    }

    @Test(
        "is what the encoder wrote, as soon as it is whole and not before",
        arguments: [0, 1, 125, 126, 65535, 65536])
    func inverse(count: Int) throws {
        let frame = Array(FrameEncoder.server(.text, [UInt8](repeating: 7, count: count)).readableBytesView)
        let headBytes = frame.count - count
        for cut in 0..<headBytes {
            guard case .incomplete = read(frame[..<cut]) else {
                Issue.record("\(cut) bytes of a head of \(headBytes)")
                return
            }
        }
        guard case .head(let head) = read(frame) else {
            Issue.record("no head")
            return
        }
        #expect(head.opcode == 1 && head.isFinal && head.headBytes == headBytes && head.payloadBytes == count)
    }

    @Test("is refused where RFC 6455 forbids it to a server")
    func refused() {
        #expect(failure([0xC1, 0]) == "reserved bit set")
        #expect(failure([0x81, 0x80]) == "frame masked")
        #expect(failure([0x81, 126, 0, 125]) == "length not in its shortest form")
        #expect(failure([0x81, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]) == "length not in its shortest form")
        #expect(failure([0x81, 127, 0xFF, 0, 0, 0, 0, 1, 0, 0]) == "length not in its shortest form")
        #expect(failure([0x09, 0]) != nil && failure([0x89, 126, 0, 126]) != nil)
    }

    @Test("a client's frame that is appended is the one that the encoder makes")
    func appended() {
        for count in [0, 1, 2, 3, 4, 5, 125, 126, 65535, 65536] {
            let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            for mask: UInt32 in [0x0102_0304, .max, 1] {
                var out: [UInt8] = [9]
                FrameEncoder.appendClient(.ping, payload, mask: mask, to: &out)
                let expected = Array(FrameEncoder.client(.ping, payload, mask: mask).readableBytesView)
                #expect(out == [9] + expected)
            }
        }
    }
}
