import Testing

/// What RFC 6455 asks of a server, checked over real sockets against `apus-echo`. The ground covered is that of cases
/// 1 to 7, 9.1 to 9.6 and 10 of the Autobahn test suite; words, code and bytes are our own.
@Suite("The WebSocket server", .echoServer)
enum WebSocketSuite {}

/// One conversation: what the client says and what it must hear, up to the end of the connection.
struct Exchange: Sendable, CustomTestStringConvertible {
    var name: String
    var bytes: [UInt8]
    var heard: [Heard]
    /// Whether the bytes go out one by one, too. The server must answer the same.
    var byteByByte = true

    var testDescription: String { name }

    /// The client does everything right and closes at the end.
    static func good(_ name: String, _ frames: [Frame], _ heard: [Heard], byteByByte: Bool = true) -> Exchange {
        Exchange(
            name: name, bytes: (frames + [.close(1000)]).flatMap(\.bytes), heard: heard + [.close(1000)],
            byteByByte: byteByByte)
    }

    /// The server must fail the connection with `code`, after having said `heard`.
    static func bad(_ name: String, _ frames: [Frame], _ heard: [Heard] = [], _ code: UInt16 = 1002) -> Exchange {
        Exchange(name: name, bytes: frames.flatMap(\.bytes), heard: heard + [.close(code)])
    }

    /// Plays it: in one write, and byte by byte.
    func play() async throws {
        #expect(try await Conversation.hear(bytes) == heard, "in one write")
        if byteByByte { #expect(try await Conversation.hear(bytes, chop: 1) == heard, "byte by byte") }
    }
}
