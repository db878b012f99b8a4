import Core
import Synchronization

/// A value behind a lock that closures can share.
final class Shared<Value: Sendable>: Sendable {
    private let value: Mutex<Value>

    init(_ value: Value) { self.value = Mutex(value) }

    func lock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        value.withLock { body(&$0) }
    }
}

/// Collects the answers of several commands, in the order of the commands.
final class RedisBatch: Sendable {
    private struct State {
        var replies: [RedisReply]
        var missing: Int
        var failure: StoreError?
        var hasSucceeded = false
    }

    private let state: Shared<State>
    private let done: Completion<[RedisReply]>

    init(count: Int, _ done: @escaping Completion<[RedisReply]>) {
        state = Shared(State(replies: Array(repeating: .null, count: count), missing: count))
        self.done = done
    }

    /// Takes the answer of one command. When one of them is unknown, or only some were done, the whole is unknown.
    func answered(_ index: Int, _ result: Result<RedisReply, StoreError>) {
        let whole = state.lock { state -> Result<[RedisReply], StoreError>? in
            switch result {
            case .success(let reply):
                state.replies[index] = reply
                state.hasSucceeded = true
            case .failure(let error):
                if state.failure == nil || error.outcome == .unknown { state.failure = error }
            }
            state.missing -= 1
            guard state.missing == 0 else { return nil }
            guard var failure = state.failure else { return .success(state.replies) }
            if state.hasSucceeded { failure.outcome = .unknown }
            return .failure(failure)
        }
        if let whole { done(whole) }
    }
}
