import Testing

extension WebSocketSuite {
    @Suite("takes text that is UTF-8 and nothing else")
    struct Text {
        /// Valid text: every length of a character, the first and last of each, and what is next to the surrogates.
        static let valid: [[UInt8]] = [
            Array("Zażółć gęślą jaźń: 😀 в чащах юга 雨燕".utf8),
            [0x00], [0x7F], [0xC2, 0x80], [0xDF, 0xBF], [0xE0, 0xA0, 0x80], [0xEF, 0xBF, 0xBF],
            [0xF0, 0x90, 0x80, 0x80],
            [0xF4, 0x8F, 0xBF, 0xBF], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80], [0xEF, 0xBF, 0xBD], [0xEF, 0xBF, 0xBE],
            [0xEF, 0xB7, 0x90], [0xF0, 0x9F, 0xBF, 0xBE], [0xEF, 0xBB, 0xBF, 0x61], [0x61, 0xCC, 0x81],
        ]

        /// Invalid from its last byte on: nothing that follows could mend it.
        static let invalid: [[UInt8]] = [
            [0x80], [0xBF], [0x80, 0xBF], [0xC0, 0x80], [0xC0], [0xC1], [0xC2, 0x20], [0xC2, 0xC2], [0xDF, 0xC0],
            [0xE0, 0x80], [0xE0, 0x9F], [0xE1, 0x80, 0x20], [0xE2, 0x28], [0xED, 0xA0], [0xED, 0xBF],
            [0xEF, 0xBF, 0xC0],
            [0xF0, 0x80], [0xF0, 0x8F], [0xF1, 0x80, 0x20], [0xF0, 0x9F, 0x98, 0x20], [0xF4, 0x90], [0xF5], [0xF8],
            [0xFC],
            [0xFE], [0xFF], Array("κόσμε".utf8) + [0xED, 0xA0], Array("only at the end".utf8) + [0xFF],
        ]

        /// Ends inside a character.
        static let unfinished: [[UInt8]] = [
            [0xC2], [0xE0], [0xE0, 0xA0], [0xED, 0x9F], [0xF0], [0xF0, 0x9F], [0xF0, 0x9F, 0x98],
            Array("κόσμ".utf8) + [0xCE],
        ]

        private func pieces(_ bytes: [UInt8]) -> [Frame] {
            bytes.enumerated().map {
                $0.offset == 0
                    ? .text([$0.element], last: bytes.count == 1)
                    : .more([$0.element], last: $0.offset == bytes.count - 1)
            }
        }

        @Test("whole, and in fragments of one byte", arguments: valid)
        func takes(_ bytes: [UInt8]) async throws {
            try await Exchange.good("whole", [.text(bytes)], [.text(bytes)]).play()
            try await Exchange.good("in pieces", pieces(bytes), [.text(bytes)]).play()
        }

        @Test("and fails the connection at an invalid byte", arguments: invalid)
        func refuses(_ bytes: [UInt8]) async throws {
            try await Exchange.bad("whole", [.text(bytes)], [], 1007).play()
            try await Exchange.bad("in pieces", pieces(bytes), [], 1007).play()
        }

        @Test("as soon as it is there: the frame goes on for 1000 bytes that never come", arguments: invalid)
        func atOnce(_ bytes: [UInt8]) async throws {
            try await Exchange.bad("frame", [Frame(opcode: 1, payload: bytes, announced: 1000)], [], 1007).play()
        }

        @Test("as soon as it is there: the message goes on in fragments that never come", arguments: invalid)
        func betweenFragments(_ bytes: [UInt8]) async throws {
            try await Exchange.bad("first", [.text(bytes, last: false)], [], 1007).play()
            try await Exchange.bad(
                "later", [.text("fine", last: false), .ping("p"), .more(bytes, last: false)], [.pong("p")], 1007
            ).play()
        }

        @Test("and fails the connection when a message ends inside a character", arguments: unfinished)
        func refusesHalf(_ bytes: [UInt8]) async throws {
            try await Exchange.bad("whole", [.text(bytes)], [], 1007).play()
            try await Exchange.bad("in pieces", pieces(bytes), [], 1007).play()
        }

        @Test("each message for itself: the rest of a character does not come in the next one")
        func eachForItself() async throws {
            try await Exchange.bad("two messages", [.text("ok"), .text([0xC2]), .text([0x80])], [.text("ok")], 1007)
                .play()
        }

        @Test("but binary may be anything", arguments: invalid)
        func binary(_ bytes: [UInt8]) async throws {
            try await Exchange.good("binary", [.binary(bytes)], [.binary(bytes)]).play()
        }
    }
}
