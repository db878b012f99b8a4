import Testing

extension WebSocketSuite {
    @Suite("closes as the RFC has it")
    struct Closing {
        static let reason123 = String(repeating: "r", count: 123)

        private static func ended(_ name: String, _ frames: [Frame], _ heard: [Heard]) -> Exchange {
            Exchange(name: name, bytes: frames.flatMap(\.bytes), heard: heard)
        }

        static let exchanges: [Exchange] = [
            ended("at once", [.close(1000)], [.close(1000)]),
            ended("after a message", [.text("a"), .close(1000)], [.text("a"), .close(1000)]),
            ended("once, however often it is asked", [.close(1000), .close(1000)], [.close(1000)]),
            ended("and answers no ping after that", [.close(1000), .ping("late")], [.close(1000)]),
            ended("and echoes no message after that", [.close(1000), .text("late")], [.close(1000)]),
            ended("and minds no nonsense after that", [.close(1000), Frame(opcode: 3, payload: [])], [.close(1000)]),
            ended(
                "between the fragments of a message, which is gone",
                [.text("a", last: false), .close(1000), .more("b", last: true)], [.close(1000)]),
            ended("without a code when there was none", [Frame(opcode: 8, payload: [])], [.close(nil)]),
            ended("with a reason", [.close(1000, "bye")], [.close(1000)]),
            ended("with a reason in UTF-8", [.close(1000, "再见 😀")], [.close(1000)]),
            ended("with a reason of 123 bytes", [.close(1000, reason123)], [.close(1000)]),
            .bad("with a reason of 124 bytes", [.close(1000, reason123 + "r")]),
            .bad("with half a code", [Frame(opcode: 8, payload: [3])]),
            .bad("with a reason that is no UTF-8", [.close(1000, reason: [0xCE, 0xBA, 0xED, 0xA0, 0x80])], [], 1007),
            .bad("with a reason that ends inside a character", [.close(1000, reason: [0xCE])], [], 1007),
        ]

        static let codes: [UInt16] = [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
        ]
        static let impossible: [UInt16] = [
            0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 32768, 65535,
        ]

        @Test("such as", arguments: exchanges)
        func exchange(_ exchange: Exchange) async throws { try await exchange.play() }

        @Test("with every code that may stand in a frame", arguments: codes)
        func code(_ code: UInt16) async throws {
            try await Exchange(name: "code", bytes: Frame.close(code, "why").bytes, heard: [.close(code)]).play()
        }

        @Test("with 1002 after a code that may not", arguments: impossible)
        func refuses(_ code: UInt16) async throws { try await Exchange.bad("code", [.close(code, "why")]).play() }

        // The echo was still waiting in the server when the close frame came; closing the socket at once lost the rest
        // of it, and the close frame with it.
        @Test("only after all that stands before it was taken")
        func slowReader() async throws {
            let payload = [UInt8](repeating: UInt8(ascii: "x"), count: 8 << 20)
            let frame = Frame(opcode: 2, payload: payload, mask: [0, 0, 0, 0])
            #expect(try await Conversation.hear([frame, .close(1000)]) == [.binary(payload), .close(1000)])
            #expect(
                try await Conversation.hear([frame, Frame(opcode: 3, payload: [])]) == [.binary(payload), .close(1002)])
        }
    }
}
