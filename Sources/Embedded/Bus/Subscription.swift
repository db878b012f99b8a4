import Bus
import Dispatch
import Synchronization

/// One handler with its backlog, served by a serial queue of its own: one message after another, never on the
/// publisher's stack, and a slow one holds up nobody else.
final class Subscription<Message: Sendable>: Sendable {
    private struct Backlog {
        var messages: [Message] = []
        var isDraining = false
        var isClosed = false
        var isOverflowing = false
    }

    private let backlog = Mutex(Backlog())
    private let serial: DispatchQueue
    private let messagesMax: Int
    private let handler: @Sendable (Message) -> Void

    init(_ label: String, messagesMax: Int, _ handler: @escaping @Sendable (Message) -> Void) {
        serial = DispatchQueue(label: label)
        self.messagesMax = messagesMax
        self.handler = handler
    }

    enum Delivery { case queued, dropped, firstDropped }

    /// Queues a message. One that finds the backlog full is dropped; the first of a row is told apart.
    func deliver(_ message: Message) -> Delivery {
        let (delivery, start) = backlog.withLock { backlog -> (Delivery, Bool) in
            if backlog.isClosed { return (.dropped, false) }
            guard backlog.messages.count < messagesMax else {
                defer { backlog.isOverflowing = true }
                return (backlog.isOverflowing ? .dropped : .firstDropped, false)
            }
            backlog.isOverflowing = false
            backlog.messages.append(message)
            defer { backlog.isDraining = true }
            return (.queued, !backlog.isDraining)
        }
        if start { serial.async { self.drain() } }
        return delivery
    }

    /// Drops the backlog, and returns when the handler is not running and never will again.
    func close() async {
        backlog.withLock {
            $0.isClosed = true
            $0.messages = []
        }
        await withCheckedContinuation { done in serial.async { done.resume() } }
    }

    private func drain() {
        while true {
            let messages = backlog.withLock { backlog in
                defer { backlog.messages = [] }
                if backlog.messages.isEmpty { backlog.isDraining = false }
                return backlog.messages
            }
            if messages.isEmpty { return }
            for message in messages {
                if backlog.withLock({ $0.isClosed }) { break }
                handler(message)
            }
        }
    }
}
