/// When the map is asked for, and whom: one question at a time, and a pause after each round.
///
/// Pure: it is told what happened and says what to do; `ClusterKeeper` does it.
///
///     idle ──doubt──► asking ──an answer, or nobody had one──► pausing ──all is well──► idle
///                       ▲  │ failed: the next server             │ a doubt meanwhile, or not all is well
///                       └──┴─────────────────────────────────────┘
struct MapRefresh {
    enum Step: Equatable {
        case ask(RedisAddress)
        case pause(milliseconds: Int)
        case nothing
    }

    private enum Phase { case idle, asking, pausing }

    private var phase = Phase.idle
    /// Who is asked next when this one has no answer.
    private var others: ArraySlice<RedisAddress> = []
    /// Something did not fit since the question was asked.
    private var isDoubted = false
    private var backoff: RedisBackoff

    init(pauseMilliseconds: ClosedRange<Int>) { backoff = RedisBackoff(bounds: pauseMilliseconds) }

    /// Something does not fit the map. - Parameter candidates: The servers that may know, the best first.
    mutating func doubted(_ candidates: () -> [RedisAddress]) -> Step {
        guard phase == .idle else {
            isDoubted = true
            return .nothing
        }
        return begin(candidates())
    }

    mutating func answered(using generator: inout some RandomNumberGenerator) -> Step {
        phase = .pausing
        return .pause(milliseconds: backoff.next(using: &generator))
    }

    mutating func failed(using generator: inout some RandomNumberGenerator) -> Step {
        guard let next = others.popFirst() else { return answered(using: &generator) }
        return .ask(next)
    }

    /// - Parameter isSettled: The map is whole and every connection is there.
    mutating func pauseIsOver(isSettled: Bool, _ candidates: () -> [RedisAddress]) -> Step {
        guard isDoubted || !isSettled else {
            phase = .idle
            backoff.reset()
            return .nothing
        }
        return begin(candidates())
    }

    private mutating func begin(_ candidates: [RedisAddress]) -> Step {
        isDoubted = false
        phase = .asking
        others = candidates[...]
        guard let first = others.popFirst() else { preconditionFailure("a Cluster has at least one server") }
        return .ask(first)
    }
}
