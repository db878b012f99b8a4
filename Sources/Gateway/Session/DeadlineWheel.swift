/// Which slots are to be looked at in which second: a timing wheel with one bucket for each of the next 1,024 seconds
/// (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987).
///
/// A slot costs work in the seconds that have something for it, not in all of them: a million idle sessions that ping
/// every 25 s are 40,000 looks a second. An entry is four bytes and is never taken out early: whoever takes it sees by
/// the session whether it still means something.
struct DeadlineWheel {
    /// A power of two. Whoever asks for a later second is looked at after this many, and may ask again.
    private static let size: UInt32 = 1024

    private var buckets = [[Int32]](repeating: [], count: Int(size))
    /// The first second that has not been taken.
    private var next: UInt32 = 0

    /// - Returns: The second in which `takeAll` gives the slot: `tick`, or the nearest that is possible.
    mutating func add(_ slot: Int32, at tick: UInt32) -> UInt32 {
        let due = min(max(tick, next), next + (Self.size - 1))
        buckets[Int(due % Self.size)].append(slot)
        return due
    }

    /// All slots of the seconds up to `tick` that have not been taken yet. One may be there more than once.
    mutating func takeAll(upTo tick: UInt32) -> [Int32] {
        guard tick >= next else { return [] }
        var slots: [Int32] = []
        // After a pause that is longer than the wheel, every bucket is due.
        for past in 0..<min(tick - next + 1, Self.size) {
            let at = Int((next + past) % Self.size)
            if slots.isEmpty { swap(&slots, &buckets[at]) } else { slots += buckets[at] }
            buckets[at] = []
        }
        next = tick + 1
        return slots
    }
}
