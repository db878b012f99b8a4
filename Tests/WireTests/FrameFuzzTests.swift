import ApusTesting
import Core
import NIOCore
import Testing
import Wire

@Suite("The frame decoder under random bytes")
struct FrameFuzzTests {
    /// A stream that begins well and goes wrong sooner or later.
    private func stream(_ random: inout SeededGenerator) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            let opcode = [0, 0, 1, 1, 1, 2, 8, 9, 10].randomElement(using: &random) ?? 1
            let isFinal = opcode >= 8 || Bool.random(using: &random)
            let count = [0, 1, 2, 5, 60, 125, 126, 300].randomElement(using: &random) ?? 0
            let text = Array(["plain", "é😀", "雨燕", "\u{7F}"].randomElement(using: &random)!.utf8)
            let payload = (0..<(opcode >= 8 ? min(count, 125) : count)).map { text[$0 % text.count] }
            var frame = Array(
                FrameEncoder.client(.text, payload, mask: .random(in: 0 ... .max, using: &random)).readableBytesView)
            frame[0] = (isFinal ? 0x80 : 0) | UInt8(opcode)
            if Int.random(in: 0..<12, using: &random) == 0 {
                frame[Int.random(in: frame.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            bytes += frame
        }
        return bytes
    }

    private func pieces(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [ArraySlice<UInt8>] {
        var pieces: [ArraySlice<UInt8>] = []
        var at = 0
        while at < bytes.count {
            let end = min(bytes.count, at + (Int.random(in: 1...40, using: &random)))
            pieces.append(bytes[at..<end])
            at = end
        }
        return pieces
    }

    @Test("gives the same however the bytes are cut, fails at most once, and at the end")
    func cuts() {
        let seed = SeededGenerator.seed()
        var random = SeededGenerator(seed: seed)
        var failures = 0
        for round in 0..<1500 {
            let options = FrameDecoder.Options(
                messageBytesMax: 700, fragmentsMax: 5, acceptsBinary: Bool.random(using: &random))
            let bytes = stream(&random)
            let whole = Heard.from([bytes[...]], options)
            #expect(Heard.from(pieces(bytes, &random), options) == whole, "seed \(seed), round \(round)")
            let failed = whole.indices.filter { if case .failure = whole[$0] { true } else { false } }
            #expect(failed.isEmpty || failed == [whole.count - 1], "seed \(seed), round \(round)")
            failures += failed.count
        }
        #expect(failures > 150 && failures < 1500, "the streams are worth something: \(failures) of 1500 fail")
    }

    @Test("never holds more than the largest message")
    func memory() {
        let seed = SeededGenerator.seed()
        var random = SeededGenerator(seed: seed)
        let options = FrameDecoder.Options(messageBytesMax: 400, fragmentsMax: 100, acceptsBinary: true)
        for round in 0..<300 {
            var decoder = FrameDecoder()
            for piece in pieces(stream(&random), &random) {
                var buffer = ByteBuffer(bytes: piece)
                while let output = decoder.next(&buffer, options) {
                    if case .text(let bytes) = output { #expect(bytes.count <= 400) }
                }
                #expect(Held.bytes(decoder) <= 400 + 125, "seed \(seed), round \(round)")
            }
        }
    }

    @Test("survives plain noise")
    func noise() {
        let seed = SeededGenerator.seed()
        var random = SeededGenerator(seed: seed)
        for round in 0..<3000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            #expect(Heard.from(pieces(bytes, &random)) == Heard.from([bytes[...]]), "seed \(seed), round \(round)")
        }
    }
}
