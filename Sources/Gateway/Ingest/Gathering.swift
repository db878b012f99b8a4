import Synchronization

/// Collects results that come in any order and on any thread, and gives them out in theirs.
final class Gathering<Outcome: Sendable>: Sendable {
    private struct State {
        var outcomes: [Outcome?]
        var missing: Int
    }

    private let state: Mutex<State>
    private let done: @Sendable ([Outcome]) -> Void

    /// - Parameter count: At least 1.
    init(count: Int, _ done: @escaping @Sendable ([Outcome]) -> Void) {
        self.done = done
        state = Mutex(State(outcomes: Array(repeating: nil, count: count), missing: count))
    }

    func set(_ index: Int, _ outcome: Outcome) {
        let all = state.withLock { state -> [Outcome]? in
            state.outcomes[index] = outcome
            state.missing -= 1
            return state.missing == 0 ? state.outcomes.compactMap(\.self) : nil
        }
        if let all { done(all) }
    }
}
