import Bus
import Synchronization

/// One subscription of this node. It outlives connections: each new one subscribes it again.
final class Subscription: Sendable {
    let subject: String
    let queue: String?

    /// The closure stands in a struct: in a generic container by itself it would be wrapped anew each time the lock hands
    /// it out and takes it back, so that every call goes through one layer more than the last.
    private struct Handler {
        var call: @Sendable (BusMessage) -> Void
    }

    private let handler: Mutex<Handler?>

    init(_ subject: String, queue: String? = nil, handler: @escaping @Sendable (BusMessage) -> Void) {
        self.subject = subject
        self.queue = queue
        self.handler = Mutex(Handler(call: handler))
    }

    /// Calls the handler; the lock keeps two connections' threads from calling it at once, and `end` from returning
    /// while it runs.
    func deliver(_ message: BusMessage) {
        handler.withLock { $0?.call(message) }
    }

    /// Waits for a running handler; no handler is called afterwards.
    func end() {
        handler.withLock { $0 = nil }
    }
}
