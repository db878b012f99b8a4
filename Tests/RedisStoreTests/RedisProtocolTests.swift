import Core
import NIOCore
import Testing

@testable import RedisStore

@Suite("The Redis protocol by hiredis")
struct RedisProtocolTests {
    @Test("A command's words keep every byte: nothing in them is syntax")
    func formatting() {
        var arguments = RedisArguments("SET", "", "%s %b\r\n$3\r\n")
        arguments.add([0, 255, 13, 10])
        arguments.add(-5)
        var more = RedisArguments("é")
        more.add(Int64.max)
        arguments.add(more)
        var expected = Array("*7\r\n$3\r\nSET\r\n$0\r\n\r\n$11\r\n%s %b\r\n$3\r\n\r\n$4\r\n".utf8) + [0, 255, 13, 10]
        expected += Array("\r\n$2\r\n-5\r\n$2\r\né\r\n$19\r\n9223372036854775807\r\n".utf8)
        #expect(Array(arguments.encoded().readableBytesView) == expected)
        #expect(arguments.count == 7)
        #expect(String(buffer: RedisArguments("", "").encoded()) == "*2\r\n$0\r\n\r\n$0\r\n\r\n")
    }

    private static let stream =
        "+OK\r\n:-12\r\n$-1\r\n*-1\r\n$5\r\na\r\nbc\r\n-OOM no memory\r\n*3\r\n$1\r\nx\r\n:7\r\n*2\r\n$0\r\n\r\n-ERR in\r\n*0\r\n"
    private static let replies: [RedisReply] = [
        .text(Array("OK".utf8)), .integer(-12), .null, .null, .text(Array("a\r\nbc".utf8)), .error("OOM no memory"),
        .list([.text([UInt8(ascii: "x")]), .integer(7), .list([.text([]), .error("ERR in")])]), .list([]),
    ]

    @Test("Replies are the same however the bytes are cut", arguments: [1, 2, 3, 7, 1000])
    func parsing(size: Int) throws {
        let reader = RedisReader()
        let bytes = Array(Self.stream.utf8)
        var got: [RedisReply] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            try reader.feed(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
            while let reply = try reader.next() { got.append(reply) }
        }
        try reader.feed(ByteBuffer())
        #expect(got == Self.replies)
    }

    @Test("Bytes that are not replies are an error", arguments: ["HTTP/1.1 400 Bad Request\r\n", "*1\r\n?x\r\n"])
    func garbage(_ text: String) throws {
        let reader = RedisReader()
        try reader.feed(ByteBuffer(string: text))
        #expect(throws: RedisReader.ProtocolError.self) { try reader.next() }
    }

    @Test("Numbers are numbers also when they come as text")
    func numbers() {
        #expect(RedisReply.text(Array("42".utf8)).integer == 42)
        #expect(RedisReply.text(Array("4.2".utf8)).integer == nil)
        #expect(RedisReply.null.integer == nil)
    }

    @Test(
        "Errors of the server say whether something may have been written",
        arguments: [
            ("OOM command not allowed when used memory > 'maxmemory'. script: 0f, on @user_script:12.", true),
            ("ERR Error running script (call to f_0f): @user_script:12: -OOM command not allowed", true),
            ("READONLY You can't write against a read only replica.", true),
            ("MISCONF Errors writing to the AOF file", true),
            ("LOADING Redis is loading the dataset in memory", true), ("NOREPLICAS Not enough good replicas", true),
            ("BUSY Redis is busy running a script", true), ("CLUSTERDOWN Hash slot not served", true),
            ("APUS id or category is not valid", true), ("ERR user_script:9: attempt to index a nil value", false),
            ("WRONGTYPE Operation against a key", false), ("OOMPH", false),
        ])
    func outcomes(_ message: String, notStored: Bool) {
        #expect(RedisErrors.storeError(message).outcome == (notStored ? .notStored : .unknown))
    }

    @Test("The pauses between attempts double up to a bound and are random below it")
    func backoff() {
        var backoff = RedisBackoff(bounds: 50...2000)
        var generator = SystemRandomNumberGenerator()
        for ceiling in [50, 100, 200, 400, 800, 1600, 2000, 2000] {
            #expect(backoff.ceiling == ceiling)
            #expect(0...ceiling ~= backoff.next(using: &generator))
        }
        for _ in 0..<100 { _ = backoff.next(using: &generator) }
        #expect(backoff.ceiling == 2000)
        backoff.reset()
        #expect(backoff.ceiling == 50)
    }
}
