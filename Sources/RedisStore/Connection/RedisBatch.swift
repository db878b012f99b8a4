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
    typealias Answer = Result<RedisReply, StoreError>

    private struct State {
        var answers: [Answer]
        var missing: Int
    }

    private let state: Shared<State>
    private let done: @Sendable ([Answer]) -> Void

    init(answers count: Int, _ done: @escaping @Sendable ([Answer]) -> Void) {
        state = Shared(State(answers: Array(repeating: .success(.null), count: count), missing: count))
        self.done = done
    }

    convenience init(count: Int, _ done: @escaping Completion<[RedisReply]>) {
        self.init(answers: count) { done(Self.whole($0)) }
    }

    /// Takes the answer of one command.
    func answered(_ index: Int, _ answer: Answer) {
        let all = state.lock { state -> [Answer]? in
            state.answers[index] = answer
            state.missing -= 1
            return state.missing == 0 ? state.answers : nil
        }
        if let all { done(all) }
    }

    /// All of them or none: when one is unknown, or only some were done, the whole is unknown.
    static func whole(_ answers: [Answer]) -> Result<[RedisReply], StoreError> {
        var replies: [RedisReply] = []
        var failure: StoreError?
        for answer in answers {
            switch answer {
            case .success(let reply): replies.append(reply)
            case .failure(let error): if failure == nil || error.outcome == .unknown { failure = error }
            }
        }
        guard var failure else { return .success(replies) }
        if !replies.isEmpty { failure.outcome = .unknown }
        return .failure(failure)
    }
}
