import Chat
import Core
import NIOCore

/// One member's advances as bytes: the commands that go to Redis and what its answers mean, without a connection between
/// them. The store takes the same steps; this is how `benchmarks` measures them.
package final class AdvanceExchange {
    private let user: UserID
    private let conversation: ConversationID
    private let mark = AppendMark(clock: SystemTime())
    private let reader = RedisReader()
    private let digest = Array("0123456789abcdef0123456789abcdef01234567".utf8)

    package init(of user: UserID, in conversation: ConversationID) {
        self.user = user
        self.conversation = conversation
    }

    private func call(_ step: AdvanceStep, _ now: Int64) -> ScriptCall<AdvanceOutcome> {
        .advance(user, in: conversation, by: step, now: now, .standard, mark)
    }

    /// The command as it goes over the wire.
    package func command(_ step: AdvanceStep, nowMilliseconds now: Int64) -> ByteBuffer {
        call(step, now).command(digest).arguments.encoded()
    }

    /// What one whole answer of the server says.
    package func outcome(of answer: ByteBuffer) throws -> AdvanceOutcome {
        try reader.feed(answer)
        guard let reply = try reader.next() else { throw StoreError(.unknown, "Redis: the answer is cut off") }
        var fields = ReplyFields(reply)
        return try decode(&fields)
    }

    private lazy var decode = call(AdvanceStep(from: .start, entries: []), 0).decode
}
