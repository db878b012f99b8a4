/// Who is the master, by what the sentinels say. Pure: `SentinelKeeper` asks them.
///
/// Every fail-over has an epoch above all before it, and a sentinel gives it together with the address. So the newest
/// epoch is right, whoever says it first; a sentinel that was cut off or frozen says an older one and is not listened to.
/// A lower epoch, or another address in the same one, means that an operator has set the sentinels up anew
/// (`SENTINEL REMOVE`, `SENTINEL MONITOR`): then a majority of them must say so, and nobody anything newer, for just after a
/// fail-over those that have not heard of it yet are a majority too.
struct SentinelVotes {
    struct Vote: Equatable {
        var master: RedisAddress
        /// `config-epoch`
        var epoch: Int64
    }

    private struct Dated {
        var vote: Vote
        /// Monotonic nanoseconds.
        var at: UInt64
    }

    /// A sentinel that has said nothing for so long does not count any more.
    static let freshNanoseconds: UInt64 = 5_000_000_000

    private let sentinels: Int
    private var votes: [RedisAddress: Dated] = [:]
    private var epoch = Int64.min
    private(set) var master: RedisAddress?

    /// - Parameter sentinels: How many there are.
    init(sentinels: Int) { self.sentinels = sentinels }

    /// A sentinel has said who is the master. - Returns: The new master when it is another one now.
    mutating func heard(_ vote: Vote, from sentinel: RedisAddress, now: UInt64) -> RedisAddress? {
        votes[sentinel] = Dated(vote: vote, at: now)
        let fresh = votes.values.filter { $0.at + Self.freshNanoseconds >= now }.map(\.vote)
        let isAnew = fresh.count { $0 == vote } > sentinels / 2 && !fresh.contains { $0.epoch > vote.epoch }
        guard vote.epoch > epoch || isAnew else { return nil }
        epoch = vote.epoch
        guard vote.master != master else { return nil }
        master = vote.master
        return vote.master
    }
}
