import Synchronization

/// What other threads want delivered by one shard, until its loop takes it.
///
/// While the loop is busy, everything that arrives is gathered here and taken at once: one hop however many events came,
/// and what they have in common is written once (`TopicRuns`, ADR 15). An idle loop is woken by the first, so a lone
/// event does not wait.
final class DeliveryQueue: Sendable {
    private struct State {
        var waiting: [Delivery] = []
        var isAwaited = false
    }

    private let state = Mutex(State())

    /// - Returns: Whether the loop must be told: it does not know yet that something waits.
    func add(_ batch: some Collection<Delivery>) -> Bool {
        state.withLock { state in
            state.waiting += batch
            defer { state.isAwaited = true }
            return !state.isAwaited
        }
    }

    /// Everything that waits, in its order.
    /// - Parameter emptied: The array of an earlier call, empty again: what waits next is put into its room.
    func takeAll(into emptied: inout [Delivery]) {
        state.withLock { state in
            swap(&state.waiting, &emptied)
            state.isAwaited = false
        }
    }
}
