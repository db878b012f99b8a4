import ApusTesting
import Core
import NIOCore
import Testing
import Wire

@Suite("The frame decoder")
struct FrameDecoderTests {
    private func frame(_ first: UInt8, _ text: String) -> [UInt8] { Hex.masked(first, Array(text.utf8)) }

    /// Every way of cutting `bytes` into three.
    private func expectEverywhere(_ bytes: [UInt8], _ expected: [Heard], _ options: FrameDecoder.Options = .init()) {
        for a in 0...bytes.count {
            for b in a...bytes.count {
                let heard = Heard.from([bytes[..<a], bytes[a..<b], bytes[b...]], options)
                if heard != expected { Issue.record("cut at \(a) and \(b): \(heard)") }
            }
        }
    }

    @Test("gives the same however the bytes are cut into three: fragments with control frames between")
    func interleaved() {
        let bytes =
            frame(0x01, "Grü") + frame(0x89, "one") + frame(0x00, "ße ") + frame(0x8A, "") + frame(0x00, "")
            + frame(0x80, "!") + frame(0x81, "next") + Hex.masked(0x88, [0x03, 0xE8, 0x62, 0x79, 0x65])
        expectEverywhere(
            bytes,
            [
                .ping(Array("one".utf8)), .pong([]), .text(Array("Grüße !".utf8)), .text(Array("next".utf8)),
                .close(1000, Array("bye".utf8)),
            ])
    }

    @Test("gives the same however a character is cut, inside a frame and over fragments")
    func character() {
        expectEverywhere(frame(0x81, "a😀b"), [.text(Array("a😀b".utf8))])
        let bytes = Hex.masked(0x01, [0xF0, 0x9F]) + frame(0x89, "?") + Hex.masked(0x80, [0x98, 0x80])
        expectEverywhere(bytes, [.ping([0x3F]), .text(Array("😀".utf8))])
    }

    @Test("takes nothing after a failure", arguments: [0x83, 0xC1, 0x80, 0x09] as [UInt8])
    func silentAfterFailure(first: UInt8) {
        expectEverywhere([first, 0x80] + frame(0x81, "late"), [.failure(1002)])
    }

    @Test("fails invalid UTF-8 at its byte, not at the end of the frame")
    func failFast() {
        let bytes = Hex.masked(0x81, Array("abc".utf8) + [0xC0] + Array("defgh".utf8))
        for count in bytes.indices { #expect(Heard.from([bytes[..<count]]).isEmpty == (count < 2 + 4 + 4)) }
    }

    @Test("reads lengths in all three forms", arguments: [0, 1, 125, 126, 127, 65535, 65536])
    func lengths(count: Int) {
        let payload = [UInt8](repeating: UInt8(ascii: "x"), count: count)
        let bytes = Array(FrameEncoder.client(.text, payload, mask: 0x0102_03FF).readableBytesView)
        #expect(Heard.from([bytes[...]]) == [.text(payload)])
        #expect(bytes.count == count + 4 + (count < 126 ? 2 : count <= 0xFFFF ? 4 : 10))
    }

    @Test("judges a length as soon as it is there, before any payload")
    func limitBeforePayload() {
        let header: [UInt8] = [0x81, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1]
        #expect(Heard.from([header[...]]) == [.failure(1009)])
        #expect(Heard.from([header.dropLast()]).isEmpty)
        // The limit counts all fragments of a message together.
        let options = FrameDecoder.Options(messageBytesMax: 10)
        #expect(Heard.from([(frame(0x01, "sixsix") + [0x80, 0x84])[...]], options).isEmpty)
        #expect(Heard.from([(frame(0x01, "sixsix") + [0x80, 0x85])[...]], options) == [.failure(1009)])
    }

    @Test("counts the fragments of each message anew, and control frames not at all")
    func fragmentCount() {
        let options = FrameDecoder.Options(fragmentsMax: 3)
        let three = frame(0x01, "a") + frame(0x89, "") + frame(0x00, "b") + frame(0x89, "") + frame(0x80, "c")
        let abc = [Heard.ping([]), .ping([]), .text(Array("abc".utf8))]
        #expect(Heard.from([(three + three)[...]], options) == abc + abc)
        let four = frame(0x01, "a") + frame(0x00, "b") + frame(0x00, "c") + frame(0x80, "d")
        #expect(Heard.from([four[...]], options) == [.failure(1009)])
    }

    @Test("takes binary where it is wanted, any bytes")
    func binary() {
        let options = FrameDecoder.Options(acceptsBinary: true)
        expectEverywhere(Hex.masked(0x82, [0xFF, 0xC0, 0x00]), [.binary([0xFF, 0xC0, 0x00])], options)
        #expect(Heard.from([Hex.masked(0x82, [])[...2]]) == [.failure(1003)])
    }

    @Test("reads a server's frames for clients: unmasked ones only")
    func ofServers() {
        let options = FrameDecoder.Options(fromClient: false)
        expectEverywhere([0x81, 0x02, 0x68, 0x69, 0x89, 0x00], [.text(Array("hi".utf8)), .ping([])], options)
        #expect(Heard.from([Hex.masked(0x81, [0x68])[...]], options) == [.failure(1002)])
    }

    @Test("holds no memory outside itself between messages")
    func idle() throws {
        var decoder = FrameDecoder()
        var buffer = FrameEncoder.client(.text, [UInt8](repeating: 0x61, count: 60_000))
        #expect(decoder.next(&buffer, .init()) != nil)
        #expect(Held.bytes(decoder) == 0)
        #expect(MemoryLayout<FrameDecoder>.size <= 64)
    }
}

/// How much a decoder holds, by reflection: its buffers are its own business otherwise.
enum Held {
    static func bytes(_ decoder: FrameDecoder) -> Int {
        Mirror(reflecting: decoder).children.reduce(0) { $0 + (($1.value as? [UInt8])?.count ?? 0) }
    }
}
