/// How a port gives its answer: exactly once, on any thread, possibly before the call returns.
///
/// Ports take completions instead of being `async` because the order in which a session's operations reach the store is
/// a promise (G3), and a `Task` per operation would lose it (ADR 0004). Calls made one after another on one thread for
/// one user are applied in that order.
public typealias Completion<Value> = @Sendable (Result<Value, StoreError>) -> Void

/// Waits for a port's answer where order does not matter: in the API, at start-up, in tests.
public func answer<Value: Sendable>(
    isolation: isolated (any Actor)? = #isolation,
    _ call: (@escaping Completion<Value>) -> Void
) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        call { continuation.resume(with: $0) }
    }
}
