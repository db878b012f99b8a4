import ApusTesting
import Testing

extension WebSocketSuite {
    /// `docs/vectors/handshakes.json` over a socket. Settings and tokens are the gateway's business, not the echo's.
    @Suite("shakes hands")
    struct Handshakes {
        private static let vectors = Result { try Vectors.load("handshakes", as: HandshakeVector.self) }

        @Test("as the vectors say", arguments: try vectors.get().filter { $0.settings == nil })
        func holds(_ vector: HandshakeVector) async throws {
            let head = try await answer(vector.bytes, vector.status)
            for (name, value) in vector.headers ?? [:] { #expect(head.contains("\r\n\(name): \(value)\r\n")) }
            guard vector.status == 101 else { return }
            #expect(head.contains("\r\nSec-WebSocket-Accept: \(vector.accept ?? "?")\r\n"))
            #expect(head.contains("Sec-WebSocket-Protocol") == (vector.subprotocol != nil))
            if let name = vector.subprotocol { #expect(head.contains("\r\nSec-WebSocket-Protocol: \(name)\r\n")) }
        }

        @Test("when the request comes byte by byte")
        func byteByByte() async throws {
            let peer = try await Peer.connect()
            defer { peer.drop() }
            try await peer.send(Array(Conversation.request.utf8), chop: 1)
            let head = try await peer.head()
            #expect(head.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
            #expect(head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
        }

        @Test("and offers no extension")
        func extensions() async throws {
            let request =
                Conversation.request.replacing("\r\n\r\n", with: "\r\n")
                + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
            let head = try await answer(Array(request.utf8), 101)
            #expect(!head.contains("Extensions"))
        }

        /// Sends a request and gives the head of the answer. A refusal ends the connection.
        private func answer(_ request: [UInt8], _ status: Int) async throws -> String {
            let peer = try await Peer.connect()
            defer { peer.drop() }
            try await peer.send(request)
            let head = try await peer.head()
            #expect(head.hasPrefix("HTTP/1.1 \(status) "), "\(head)")
            if status != 101 { _ = try await peer.rest() }
            return head
        }
    }
}
