import Bus
import Synchronization

/// One subscription of this node. It outlives connections: each new one subscribes it again.
final class Subscription: Sendable {
    let subject: String
    let queue: String?
    private let handler: Mutex<(@Sendable (BusMessage) -> Void)?>

    init(_ subject: String, queue: String? = nil, handler: @escaping @Sendable (BusMessage) -> Void) {
        self.subject = subject
        self.queue = queue
        self.handler = Mutex(handler)
    }

    /// Calls the handler; the lock keeps two connections' threads from calling it at once, and `end` from returning
    /// while it runs.
    func deliver(_ message: BusMessage) {
        handler.withLock { $0?(message) }
    }

    /// Waits for a running handler; no handler is called afterwards.
    func end() {
        handler.withLock { $0 = nil }
    }
}
