import CAllocationCount

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What some operations cost the thread that did them.
public struct Cost: Sendable {
    public var operations: Int
    /// CPU time of the thread, so that what else the machine does is not in it.
    public var nanoseconds: UInt64
    public var allocations: UInt64
    public var allocatedBytes: UInt64

    public var nanosecondsEach: Double { Double(nanoseconds) / Double(operations) }
    public var allocationsEach: Double { Double(allocations) / Double(operations) }
    public var allocatedBytesEach: Double { Double(allocatedBytes) / Double(operations) }

    static let none = Cost(operations: 0, nanoseconds: 0, allocations: 0, allocatedBytes: 0)

    static func + (a: Cost, b: Cost) -> Cost {
        Cost(
            operations: a.operations + b.operations, nanoseconds: a.nanoseconds + b.nanoseconds,
            allocations: a.allocations + b.allocations, allocatedBytes: a.allocatedBytes + b.allocatedBytes)
    }
}

/// How far the calling thread's counters are.
struct MeterReading: Sendable {
    private let allocations: UInt64
    private let bytes: UInt64
    private let nanoseconds: UInt64

    static func now() -> MeterReading {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        let count = apus_allocations()
        return MeterReading(
            allocations: count.allocations, bytes: count.bytes,
            nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    /// What was used since then, on the same thread.
    func cost(of operations: Int) -> Cost {
        let now = MeterReading.now()
        return Cost(
            operations: operations, nanoseconds: now.nanoseconds - nanoseconds,
            allocations: now.allocations - allocations, allocatedBytes: now.bytes - bytes)
    }
}

public enum Meter {
    /// Whether allocations can be counted here; elsewhere they are all 0.
    public static var countsAllocations: Bool { apus_allocations_are_counted() }

    /// Does something so many times on this thread.
    public static func measure(_ operations: Int, _ body: () throws -> Void) rethrows -> Cost {
        let start = MeterReading.now()
        for _ in 0..<operations { try body() }
        return start.cost(of: operations)
    }
}

/// Takes a result, so that the compiler cannot leave out how it was made.
@inline(never)
@_optimize(none)
func keep<Value>(_ value: Value) {}
