/// One operation on the way of an event or a request, to be measured by itself: how long, and how many allocations.
///
/// `apus-microbench` prints them of a release build; `AllocationTests` holds their allocations in a debug build.
public struct HotPath: Sendable {
    /// The name that `apus-microbench --only` and `Thresholds` know.
    public let name: String
    /// What one operation is.
    public let operation: String
    /// Does it about so many times.
    public let run: @Sendable (Int) async throws -> Cost

    init(_ name: String, _ operation: String, run: @escaping @Sendable (Int) async throws -> Cost) {
        self.name = name
        self.operation = operation
        self.run = run
    }

    /// One that is done on the spot. `prepare` is not measured.
    init(_ name: String, _ operation: String, prepare: @escaping @Sendable () throws -> () throws -> Void) {
        self.init(name, operation) { count in
            let body = try prepare()
            // Once before: what is made at the first use is not part of the operation.
            try body()
            return try Meter.measure(count, body)
        }
    }

    /// Those that need nothing but memory.
    public static let pure = incoming + envelopes + advance
}

/// Why a benchmark cannot go on.
public struct BenchmarkError: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
