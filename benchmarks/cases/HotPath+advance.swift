import Chat
import Core
import NIOCore
import RedisStore

/// `advance.lua`, the script that is run for every member and message: its command and its answer as bytes.
extension HotPath {
    static let advance = [
        HotPath("advance.call", "an advance by one message becomes a Redis command") {
            let exchange = AdvanceExchange(of: try Samples.user("100002"), in: try Samples.conversation())
            let step = AdvanceStep(from: EntryPosition(number: 17, id: "before"), entries: [Samples.entry])
            return { keep(exchange.command(step, nowMilliseconds: Samples.milliseconds)) }
        },
        HotPath("advance.reply", "Redis's answer to it becomes an outcome with the event's frame") {
            let exchange = AdvanceExchange(of: try Samples.user("100002"), in: try Samples.conversation())
            let answer = redisAnswer(to: Samples.entry)
            return {
                guard case .advanced(let advance) = try exchange.outcome(of: answer), advance.entries.count == 1 else {
                    throw BenchmarkError("the answer was not understood")
                }
                keep(advance)
            }
        },
    ]

    /// As `advance.lua` answers: one event, for a user with two sessions (docs/redis-keys.md).
    private static func redisAnswer(to entry: LogEntry) -> ByteBuffer {
        let separator = "\u{1F}"
        let record = [
            "\u{1}3 12", "", "@100001", entry.position.id, "m", "17", "0", "", "",
            String(decoding: Samples.body, as: UTF8.self),
        ].joined(separator: separator)
        var out = ByteBuffer()
        let sessions = [
            "s-0123456789ab", "gw-1~abcdef|phone|1700000000000", "s-cdef01234567", "gw-2~abcdef||1700000000000",
        ]
        out.writeString("*\(9 + sessions.count)\r\n")
        out.writeReply("advanced")
        out.writeString(":1\r\n")
        for text in ["1042", "before", "11", "3", "3"] { out.writeReply(text) }
        out.writeString(":12\r\n")
        out.writeReply(record)
        for text in sessions { out.writeReply(text) }
        return out
    }
}

extension ByteBuffer {
    /// A bulk string of RESP2.
    fileprivate mutating func writeReply(_ text: String) { writeString("$\(text.utf8.count)\r\n\(text)\r\n") }
}
