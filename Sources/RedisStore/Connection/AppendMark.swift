import Core
import Synchronization

/// Tells an event of a conversation that a timeline gets for the second time from the one that it had before (ADR 20).
///
/// A fail-over can take the newest events of a user, while the conversation's log, in another slot or written earlier,
/// keeps its entries. They are then appended once more, and other events may stand before them than before. With the same
/// id at the same number, a client that saw the lost ones could not be told that it missed something.
///
/// What was lost was appended before the connection existed over which it is appended again. So an entry that is older than
/// the newest connection gets the mark of that connection behind its id, in the timeline alone; all others keep their id.
final class AppendMark: Sendable {
    private struct State {
        var bornBefore = Int64.min
        var word = ""
        var isStarted = false
    }

    private let state = Mutex(State())
    private let clock: any TimeSource

    init(clock: any TimeSource) { self.clock = clock }

    /// A connection to a server that takes writes is usable.
    func connected() {
        let now = clock.wallMilliseconds()
        state.withLock { state in
            // Nodes that start are not behind a fail-over of a moment ago, and their first messages keep their ids.
            state.bornBefore = now + (state.isStarted ? Int64(Limits.clockSkewMilliseconds) : 0)
            state.word = RandomToken.make(length: 6)
        }
    }

    /// All connections have been there once.
    func started() { state.withLock { $0.isStarted = true } }

    /// What the timeline has behind the id of an entry of that time: nil for one that no lost history can have had.
    func word(forEntryAt milliseconds: Int64) -> String? {
        state.withLock { milliseconds < $0.bornBefore ? $0.word : nil }
    }
}
