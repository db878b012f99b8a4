/// Which numbers of one stream (1, 2, 3 …) have come: the judge of loss, doubles and order, in 16 bytes.
///
/// It remembers the newest number and which of the 64 up to it were seen. A number that leaves this window unseen is
/// handed out, to be remembered elsewhere: that happens to lost ones only, so it costs nothing when all is well.
struct NumberWindow: Equatable {
    enum Verdict: Equatable {
        /// The one that was due.
        case next
        /// It came before this many others that have not come yet.
        case ahead(UInt32)
        /// One of the window that was still missing: it comes after a later one.
        case late
        /// It was here before.
        case doubled
        /// Below the window: late when it was handed out as unseen, doubled otherwise.
        case old
    }

    /// The newest number; what is at or below the base counts as seen.
    private(set) var highest: UInt32
    /// Bit i: `highest - i` was seen.
    private var seen: UInt64 = .max

    /// - Parameter base: The number before the first that is expected.
    init(base: UInt32 = 0) { highest = base }

    /// Takes a number.
    /// - Parameter leaving: Gets the numbers that leave the window without having been seen.
    mutating func take(_ number: UInt32, leaving: (ClosedRange<UInt32>) -> Void) -> Verdict {
        if number > highest {
            let step = number - highest
            if step == 1, seen >> 63 == 1 {
                seen = seen << 1 | 1
                highest = number
                return .next
            }
            advance(by: step, leaving)
            return step == 1 ? .next : .ahead(step - 1)
        }
        let age = highest - number
        guard age < 64 else { return .old }
        let bit = UInt64(1) << UInt64(age)
        guard seen & bit == 0 else { return .doubled }
        seen |= bit
        return .late
    }

    private mutating func advance(by step: UInt32, _ leaving: (ClosedRange<UInt32>) -> Void) {
        for age in stride(from: UInt32(63), through: 0, by: -1)
        where UInt64(age) + UInt64(step) >= 64 && seen >> UInt64(age) & 1 == 0 {
            leaving(highest - age...highest - age)
        }
        // Those that were jumped over by so much that they never are in the window.
        if step > 64 { leaving(highest + 1...highest + step - 64) }
        seen = step >= 64 ? 1 : seen << UInt64(step) | 1
        highest += step
    }

    /// Whether a number is one that the window misses; nil when it is beyond either end.
    func misses(_ number: UInt32) -> Bool? {
        guard number <= highest, highest - number < 64 else { return nil }
        return seen >> UInt64(highest - number) & 1 == 0
    }

    /// How many numbers of the window are missing.
    var holes: Int { 64 - seen.nonzeroBitCount }

    /// The missing numbers of the window, ascending.
    var missing: [UInt32] {
        guard seen != .max else { return [] }
        return stride(from: UInt32(63), through: 0, by: -1).filter { seen >> UInt64($0) & 1 == 0 }.map { highest - $0 }
    }
}
