import Testing

/// One promise of a port, as a test that every adapter of the port runs:
///
///     @Test("A timeline", arguments: TimelineStoreContract.cases)
///     func timeline(_ promise: ContractCase<StoresUnderTest>) async throws { try await promise.check(stores) }
public struct ContractCase<Subject: Sendable>: Sendable, CustomTestStringConvertible {
    /// The promise as a sentence.
    public let promise: String
    /// Tries the promise on an adapter; records an issue or throws when it does not hold.
    public let check: @Sendable (Subject) async throws -> Void

    init(_ promise: String, _ check: @escaping @Sendable (Subject) async throws -> Void) {
        self.promise = promise
        self.check = check
    }

    public var testDescription: String { promise }
}

/// Lets one task at a time through, in the order of arrival.
actor Turnstile {
    private var taken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func alone<Value: Sendable>(_ body: @Sendable () async throws -> Value) async rethrows -> Value {
        if taken { await withCheckedContinuation { waiting.append($0) } }
        taken = true
        defer { if waiting.isEmpty { taken = false } else { waiting.removeFirst().resume() } }
        return try await body()
    }
}
