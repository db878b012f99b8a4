import Testing

@testable import RedisStore

@Suite("What sentinels say of the master")
struct SentinelVotesTests {
    private static let (first, second, third) = (address(1), address(2), address(3))
    private static let (old, new) = (address(7000), address(7001))
    private var votes = SentinelVotes(sentinels: 3)

    private static func address(_ port: Int) -> RedisAddress { RedisAddress(host: "test", port: port) }

    private mutating func heard(
        _ master: RedisAddress, _ epoch: Int64, from sentinel: RedisAddress, seconds: UInt64 = 0
    ) -> RedisAddress? {
        votes.heard(
            SentinelVotes.Vote(master: master, epoch: epoch), from: sentinel, now: seconds * 1_000_000_000)
    }

    @Test("the first answer is followed, and the same again changes nothing")
    mutating func first() {
        #expect(heard(Self.old, 0, from: Self.first) == Self.old)
        #expect(heard(Self.old, 0, from: Self.second) == nil)
        #expect(votes.master == Self.old)
    }

    @Test("a newer epoch is right whoever says it first, and older ones are not listened to any more")
    mutating func failOver() {
        _ = heard(Self.old, 3, from: Self.first)
        #expect(heard(Self.new, 4, from: Self.second) == Self.new)
        // This one was frozen, and still says what it knew.
        #expect(heard(Self.old, 3, from: Self.first) == nil)
        #expect(votes.master == Self.new)
        #expect(heard(Self.new, 4, from: Self.first) == nil)
    }

    @Test("another address without a newer epoch needs a majority: the sentinels were set up anew")
    mutating func anew() {
        _ = heard(Self.old, 5, from: Self.first)
        #expect(heard(Self.new, 0, from: Self.first) == nil)
        #expect(heard(Self.new, 0, from: Self.second) == Self.new)
        // Now its epochs count from there.
        #expect(heard(Self.old, 1, from: Self.third) == Self.old)
    }

    @Test("just after a fail-over, the majority that has not heard of it is not listened to")
    mutating func majorityBehind() {
        for sentinel in [Self.first, Self.second, Self.third] { _ = heard(Self.old, 0, from: sentinel) }
        #expect(heard(Self.new, 1, from: Self.first) == Self.new)
        #expect(heard(Self.old, 0, from: Self.second) == nil)
        #expect(heard(Self.old, 0, from: Self.third) == nil)
        #expect(votes.master == Self.new)
    }

    @Test("those who said something long ago are not counted for a majority")
    mutating func stale() {
        _ = heard(Self.old, 5, from: Self.first)
        #expect(heard(Self.new, 0, from: Self.second) == nil)
        #expect(heard(Self.new, 0, from: Self.third, seconds: 6) == nil)
        #expect(votes.master == Self.old)
    }

    @Test("answers are read, and what is wrong with a sentinel is said with the fix")
    func answers() throws {
        let text = { (text: String) in RedisReply.text(Array(text.utf8)) }
        let details = RedisReply.list(["name", "m", "ip", "old", "config-epoch", "7", "quorum", "2"].map(text))
        let address = RedisReply.list([text("10.0.0.1"), text("6380")])
        let vote = try SentinelAnswer.vote(details: details, address: address, of: "m")
        #expect(vote == SentinelVotes.Vote(master: RedisAddress(host: "10.0.0.1", port: 6380), epoch: 7))
        let bad: [(RedisReply, RedisReply, RedisStartError.Kind, String)] = [
            (.error("ERR No such master with that name"), .null, .unsuitable, "sentinel monitor"),
            (details, .null, .unsuitable, "sentinel monitor"),
            (.error("NOPERM this user has no permissions"), address, .refused, "+sentinel|master"),
            (.error("NOAUTH Authentication required."), address, .refused, "sentinel_password"),
            (.error("ERR unknown command 'SENTINEL'"), address, .configuration, "26379"),
            (.list([text("name")]), address, .unreachable, "start Redis"), (details, .list([]), .unreachable, "start"),
        ]
        for (details, address, kind, fix) in bad {
            let error = #expect(throws: RedisStartError.self) {
                try SentinelAnswer.vote(details: details, address: address, of: "m")
            }
            #expect(error?.kind == kind && error?.fix.contains(fix) == true, "\(String(describing: error))")
        }
    }
}
