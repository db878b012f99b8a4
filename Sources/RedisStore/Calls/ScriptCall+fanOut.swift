import Chat
import Core

/// A mark in the set of commits whose members are not all advanced: a sorted set of `conversation␟name` by the time (ms).
///
/// Each commit has a mark of its own. One per conversation would not do: whoever finishes a later entry brings it to the
/// members of now, and one who was removed by an earlier, unfinished one is not among them.
enum FanOutMark {
    /// How long a sweeper has before another one may take over.
    static let claimMilliseconds: Int64 = 60_000

    /// Puts a mark; sent before the change that it belongs to, in the same lane.
    static func put(_ ticket: FanOutTicket, now: Int64, lane: String? = nil) -> RedisCommand {
        var arguments = RedisArguments("ZADD", key(ticket))
        arguments.add(now)
        arguments.add(member(ticket))
        return RedisCommand(arguments, key: key(ticket), lane: lane, isConfirmed: true)
    }

    /// Takes a mark away; again: nothing.
    static func remove(_ ticket: FanOutTicket) -> RedisCommand {
        RedisCommand(RedisArguments("ZREM", key(ticket), member(ticket)), key: key(ticket))
    }

    /// A mark in another shard than the conversation's own, so many on; the shard stands in its name: `shard.random`.
    static func spare(of conversation: ConversationID, shardsOn: Int) -> FanOutTicket {
        let shard = (RedisKeys.fanOutShard(of: conversation) + shardsOn) % RedisKeys.fanOutShards
        return FanOutTicket(conversation: conversation, mark: "\(shard).\(RandomToken.make(length: 10))")
    }

    private static func key(_ ticket: FanOutTicket) -> String {
        let named = ticket.mark.firstIndex(of: ".").flatMap { Int(ticket.mark[..<$0]) }
        return RedisKeys.fanOut(named ?? RedisKeys.fanOutShard(of: ticket.conversation))
    }

    static func member(_ ticket: FanOutTicket) -> String { "\(ticket.conversation)\u{1F}\(ticket.mark)" }

    static func ticket(_ member: String) -> FanOutTicket? {
        let parts = member.split(separator: "\u{1F}")
        guard parts.count == 2, let conversation = ConversationID(parts[0]) else { return nil }
        return FanOutTicket(conversation: conversation, mark: String(parts[1]))
    }
}

extension ScriptCall where Answer == [FanOutTicket] {
    /// `fanout_claim.lua`
    static func fanOutClaim(shard: Int, now: Int64, before: Int64, limit: Int) -> Self {
        var arguments = RedisArguments()
        arguments.add(now)
        arguments.add(before)
        arguments.add(limit)
        arguments.add(now + FanOutMark.claimMilliseconds)
        return ScriptCall(.fanOutClaim, keys: RedisKeySet(RedisKeys.fanOut(shard)), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            var tickets: [FanOutTicket] = []
            while !fields.isAtEnd {
                guard let ticket = FanOutMark.ticket(try fields.text()) else { throw ReplyFields.Malformed() }
                tickets.append(ticket)
            }
            return tickets
        }
    }
}
