import Testing

extension WebSocketSuite {
    @Suite("puts fragments together")
    struct Fragments {
        static let fine: [Exchange] = [
            .good("two of text", [.text("Hel", last: false), .more("lo", last: true)], [.text("Hello")]),
            .good("two of binary", [.binary([1, 2], last: false), .more([3], last: true)], [.binary([1, 2, 3])]),
            .good(
                "of nothing at all", [.text("", last: false), .more("", last: false), .more("", last: true)],
                [.text("")]),
            .good(
                "the first and last being empty",
                [.text("", last: false), .more("x", last: false), .more("", last: true)],
                [.text("x")]),
            .good(
                "with a ping between, answered before the message",
                [.text("Hel", last: false), .ping("now"), .more("lo", last: true)], [.pong("now"), .text("Hello")]),
            .good(
                "with a pong between", [.text("Hel", last: false), .pong("now"), .more("lo", last: true)],
                [.text("Hello")]),
            .good(
                "with pings between five of them",
                [
                    .text("1", last: false), .more("2", last: false), .ping("a"), .more("3", last: false),
                    .more("4", last: false), .ping("b"), .more("5", last: true),
                ], [.pong("a"), .pong("b"), .text("12345")]),
            .good(
                "of two messages, one after another",
                [.text("a", last: false), .more("b", last: true), .binary([1], last: false), .more([2], last: true)],
                [.text("ab"), .binary([1, 2])]),
        ]

        static let wrong: [Exchange] = [
            .bad("a ping in fragments", [Frame(opcode: 9, payload: [65], isFinal: false), .more("b", last: true)]),
            .bad("a pong in fragments", [Frame(opcode: 10, payload: [65], isFinal: false), .more("b", last: true)]),
            .bad("a close in fragments", [Frame(opcode: 8, payload: [3], isFinal: false), .more([232], last: true)]),
            .bad("the end of nothing", [.more("a", last: true), .text("b")]),
            .bad("the middle of nothing", [.more("a", last: false), .text("b")]),
            .bad(
                "the end of a message that has ended",
                [.text("a", last: false), .more("b", last: true), .more("c", last: true)],
                [.text("ab")]),
            .bad("the middle after a whole message", [.text("a"), .more("b", last: false)], [.text("a")]),
            .bad("a text inside a text", [.text("a", last: false), .text("b")]),
            .bad("a binary inside a text", [.text("a", last: false), .binary([1])]),
            .bad(
                "a new message in fragments inside another",
                [.text("a", last: false), .text("b", last: false), .more("c", last: true)]),
            .bad(
                "a new message after a ping inside another", [.text("a", last: false), .ping("b"), .text("c")],
                [.pong("b")]),
        ]

        @Test("such as", arguments: fine)
        func takes(_ exchange: Exchange) async throws { try await exchange.play() }

        @Test("and fails the connection at", arguments: wrong)
        func refuses(_ exchange: Exchange) async throws { try await exchange.play() }

        @Test("with twenty pings among forty fragments, each answered in its turn")
        func many() async throws {
            var frames = [Frame.text("0", last: false)]
            for i in 1..<40 {
                if i % 2 == 1 { frames.append(.ping("\(i)")) }
                frames.append(.more("\(i) ", last: i == 39))
            }
            let whole = "0" + (1..<40).map { "\($0) " }.joined()
            try await Exchange.good(
                "many", frames, stride(from: 1, to: 40, by: 2).map { .pong("\($0)") } + [.text(whole)]
            ).play()
        }
    }

    @Suite("moves large messages")
    struct Large {
        static let size = 1 << 20
        static let text = (0..<size).map { UInt8(ascii: " ") + UInt8($0 % 90) }
        static let binary = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 167 >> 3) }

        /// A key that changes nothing: masking a lot takes a debug build a while.
        private let unmasking: [UInt8] = [0, 0, 0, 0]

        private func echo(_ opcode: UInt8, _ bytes: [UInt8], chop: Int? = nil) async throws {
            let heard = try await Conversation.hear(bytes + Frame.close(1000).bytes, chop: chop)
            #expect(heard == [opcode == 1 ? .text(Self.text) : .binary(Self.binary), .close(1000)])
        }

        @Test("of 1 MiB in one frame, masked")
        func whole() async throws { try await echo(1, Frame.text(Self.text).bytes) }

        @Test("of 1 MiB in fragments", arguments: [64, 4096, 65536])
        func fragments(size: Int) async throws {
            try await echo(1, Frame.fragments(1, Self.text, of: size))
            try await echo(2, Frame.fragments(2, Self.binary, of: size, mask: unmasking))
        }

        @Test("of 1 MiB in one frame, in small writes", arguments: [256, 2048])
        func chopped(bytes: Int) async throws {
            try await echo(1, Frame(opcode: 1, payload: Self.text, mask: unmasking).bytes, chop: bytes)
            try await echo(2, Frame(opcode: 2, payload: Self.binary, mask: unmasking).bytes, chop: bytes)
        }

        @Test("of 64 KiB in fragments of 1300 bytes")
        func packets() async throws {
            let payload = Array(Self.text.prefix(65536))
            let bytes = Frame.fragments(1, payload, of: 1300) + Frame.close(1000).bytes
            #expect(try await Conversation.hear(bytes) == [.text(payload), .close(1000)])
        }

        @Test("up to the largest, of 16 MiB")
        func largest() async throws {
            let payload = [UInt8](repeating: 0x5A, count: EchoServer.messageBytes)
            let frame = Frame(opcode: 2, payload: payload, mask: unmasking)
            #expect(try await Conversation.hear([frame, .close(1000)]) == [.binary(payload), .close(1000)])
        }
    }
}
