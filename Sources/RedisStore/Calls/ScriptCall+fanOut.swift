import Chat
import Core

/// A mark in the set of conversations whose members are not all advanced: the time, and a random fraction that tells it
/// from another one of the same millisecond. Claims are the negative of the time at which they are over.
enum FanOutMark {
    /// How long a sweeper has before another one may take over.
    static let claimMilliseconds: Int64 = 60_000

    static func new(now: Int64) -> String { "\(now).\(fraction())" }
    static func claim(now: Int64) -> String { "-\(now + claimMilliseconds).\(fraction())" }

    /// Doubles of this size have 12 bits behind the point, so each of these can be told from the others.
    private static func fraction() -> String {
        let digits = String(UInt64.random(in: 1..<4096) * 1_000_000_000_000 / 4096)
        return String(repeating: "0", count: 12 - digits.count) + digits
    }
}

extension ScriptCall where Answer == String {
    /// `fanout_mark.lua`; answers with the mark before, empty when there was none.
    static func fanOutMark(_ ticket: FanOutTicket) -> Self {
        let key = RedisKeys.fanOut(RedisKeys.fanOutShard(of: ticket.conversation))
        return ScriptCall(
            .fanOutMark, keys: [key], arguments: RedisArguments(ticket.conversation.text, ticket.mark)
        ) { fields throws(ReplyFields.Malformed) in try fields.text() }
    }
}

extension ScriptCall where Answer == Void {
    /// `fanout_done.lua`. - Parameter before: The mark to put back.
    static func fanOutDone(_ ticket: FanOutTicket, before: String = "") -> Self {
        let key = RedisKeys.fanOut(RedisKeys.fanOutShard(of: ticket.conversation))
        return ScriptCall(
            .fanOutDone, keys: [key], arguments: RedisArguments(ticket.conversation.text, ticket.mark, before)
        ) { _ throws(ReplyFields.Malformed) in }
    }
}

extension ScriptCall where Answer == [FanOutTicket] {
    /// `fanout_claim.lua`
    static func fanOutClaim(shard: Int, now: Int64, before: Int64, limit: Int, claim: String) -> Self {
        var arguments = RedisArguments()
        arguments.add(now)
        arguments.add(before)
        arguments.add(limit)
        arguments.add(claim)
        return ScriptCall(.fanOutClaim, keys: [RedisKeys.fanOut(shard)], arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            var tickets: [FanOutTicket] = []
            while !fields.isAtEnd {
                guard let conversation = ConversationID(try fields.text()) else { throw ReplyFields.Malformed() }
                tickets.append(FanOutTicket(conversation: conversation, mark: claim))
            }
            return tickets
        }
    }
}
