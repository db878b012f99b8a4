import Testing

extension WebSocketSuite {
    @Suite("echoes messages of every size")
    struct Sizes {
        static let sizes = [0, 1, 125, 126, 127, 128, 65535, 65536]

        @Test("as text", arguments: sizes)
        func text(size: Int) async throws {
            let payload = [UInt8](repeating: UInt8(ascii: "*"), count: size)
            #expect(try await Conversation.hear([.text(payload), .close(1000)]) == [.text(payload), .close(1000)])
        }

        @Test("as binary", arguments: sizes)
        func binary(size: Int) async throws {
            let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 197) }
            #expect(try await Conversation.hear([.binary(payload), .close(1000)]) == [.binary(payload), .close(1000)])
        }

        @Test("as text that leaves in writes of 997 bytes", arguments: [65535, 65536])
        func chopped(size: Int) async throws {
            let payload = (0..<size).map { UInt8(ascii: "a") + UInt8($0 % 26) }
            #expect(
                try await Conversation.hear([.text(payload), .close(1000)], chop: 997) == [
                    .text(payload), .close(1000),
                ])
        }

        @Test("with every form of masking key")
        func masks() async throws {
            let masks: [[UInt8]] = [[0, 0, 0, 0], [255, 255, 255, 255], [0, 0, 0, 1], [128, 0, 0, 0]]
            let frames = masks.map { Frame(opcode: 1, payload: Array("masked".utf8), mask: $0) }
            try await Exchange.good("masks", frames, masks.map { _ in .text("masked") }).play()
        }

        @Test("when frames follow the request in the same write")
        func pipelined() async throws {
            let peer = try await Peer.connect()
            try await peer.send(Array(Conversation.request.utf8) + Frame.text("early").bytes + Frame.close(1000).bytes)
            #expect(try await peer.head().hasPrefix("HTTP/1.1 101 "))
            #expect(Heard.parse(try await peer.rest()) == [.text("early"), .close(1000)])
        }

        @Test("and goes on when a client vanishes in the middle of a frame")
        func vanished() async throws {
            for _ in 0..<20 {
                let peer = try await Peer.connect()
                try await peer.send(Array(Conversation.request.utf8) + Frame.text("half a fra").bytes.dropLast(3))
                peer.drop()
            }
            try await Exchange.good("afterwards", [.text("still there")], [.text("still there")]).play()
        }
    }

    @Suite("answers pings with pongs and takes pongs as they come")
    struct PingPong {
        static let long = [UInt8](repeating: 0xFE, count: 125)
        static let exchanges: [Exchange] = [
            .good("a ping without payload", [.ping()], [.pong("")]),
            .good("a ping with a payload", [.ping("are you there?")], [.pong("are you there?")]),
            .good("a ping that is no text", [.ping([0, 0xFF, 0xFE, 0xC0])], [.pong([0, 0xFF, 0xFE, 0xC0])]),
            .good("a ping of 125 bytes", [.ping(long)], [.pong(long)]),
            .bad("a ping of 126 bytes", [.text("a"), .ping(long + [0])], [.text("a")]),
            .bad("a pong of 126 bytes", [Frame(opcode: 10, payload: long + [0])]),
            .good("a pong that nobody asked for", [.pong()], []),
            .good("a pong with a payload that nobody asked for", [.pong("unasked")], []),
            .good("a pong, then a ping", [.pong("unasked"), .ping("asked")], [.pong("asked")]),
            .good(
                "ten pings at once, answered in order", (0..<10).map { .ping("ping \($0)") },
                (0..<10).map { .pong("ping \($0)") }),
            .good(
                "pings between messages", [.text("a"), .ping("b"), .text("c")], [.text("a"), .pong("b"), .text("c")]),
        ]

        @Test("such as", arguments: exchanges)
        func exchange(_ exchange: Exchange) async throws { try await exchange.play() }
    }

    @Suite("fails a connection that breaks the frame's form")
    struct FrameForm {
        static let reserved: [Exchange] = (1...7).flatMap { bits -> [Exchange] in
            [
                .bad(
                    "RSV bits \(bits) on a text", [.text("a"), Frame(opcode: 1, payload: [65], reserved: UInt8(bits))],
                    [.text("a")]),
                .bad("RSV bits \(bits) on a ping", [Frame(opcode: 9, payload: [65], reserved: UInt8(bits))]),
                .bad("RSV bits \(bits) on a close", [Frame(opcode: 8, payload: [3, 232], reserved: UInt8(bits))]),
            ]
        }

        static let opcodes: [Exchange] = ([3, 4, 5, 6, 7, 11, 12, 13, 14, 15] as [UInt8]).flatMap {
            opcode -> [Exchange] in
            [
                .bad("opcode \(opcode), empty", [Frame(opcode: opcode, payload: [])]),
                .bad(
                    "opcode \(opcode) with a payload, between messages",
                    [.text("a"), Frame(opcode: opcode, payload: [65]), .text("b")], [.text("a")]),
            ]
        }

        static let lengths: [Exchange] = [
            .bad("125 bytes in the form of 16 bits", [Frame(opcode: 1, payload: [], announced: 125, lengthBytes: 2)]),
            .bad(
                "65535 bytes in the form of 64 bits", [Frame(opcode: 1, payload: [], announced: 65535, lengthBytes: 8)]),
            .bad("a length of 2^63", [Frame(opcode: 2, payload: [], announced: 1 << 63)]),
            .bad("a frame that is not masked", [Frame(opcode: 1, payload: [65], mask: nil)]),
            .bad("a ping that is not masked", [Frame(opcode: 9, payload: [], mask: nil)]),
            .bad(
                "a message over the limit, before its payload",
                [Frame(opcode: 2, payload: [], announced: UInt64(EchoServer.messageBytes) + 1)], [], 1009),
            .bad(
                "fragments over the limit together, before the payload of the last",
                [.binary([1], last: false), Frame(opcode: 0, payload: [], announced: UInt64(EchoServer.messageBytes))],
                [], 1009),
        ]

        @Test("by a reserved bit", arguments: reserved)
        func reservedBit(_ exchange: Exchange) async throws { try await exchange.play() }

        @Test("by a reserved opcode", arguments: opcodes)
        func opcode(_ exchange: Exchange) async throws { try await exchange.play() }

        @Test("by its length or mask", arguments: lengths)
        func length(_ exchange: Exchange) async throws { try await exchange.play() }
    }
}
