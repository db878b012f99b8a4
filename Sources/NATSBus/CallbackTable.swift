import Synchronization

/// What the C library calls back, found by number.
///
/// The library keeps a `void *` for each callback, and may still call while its owner is going away. That pointer is
/// therefore never an object's address: it is a number, and a callback that comes late finds nothing instead of freed
/// memory. Nothing needs to be released when a subscription or connection ends, except its entry here.
final class CallbackTable: Sendable {
    static let shared = CallbackTable()

    enum Target: Sendable {
        case messages(Subscription)
        case link(NATSLink.Events)
    }

    private struct Entries {
        var next: UInt = 1
        var targets: [UInt: Target] = [:]
    }

    private let entries = Mutex(Entries())

    /// - Returns: What to give to C; never nil.
    func add(_ target: Target) -> UInt {
        entries.withLock { entries in
            let id = entries.next
            entries.next += 1
            entries.targets[id] = target
            return id
        }
    }

    func remove(_ ids: [UInt]) {
        entries.withLock { entries in
            for id in ids { entries.targets[id] = nil }
        }
    }

    /// How many callbacks are registered; for the test that nothing leaks.
    var count: Int { entries.withLock { $0.targets.count } }

    func subscription(_ closure: UnsafeMutableRawPointer?) -> Subscription? {
        guard case .messages(let subscription) = target(closure) else { return nil }
        return subscription
    }

    func link(_ closure: UnsafeMutableRawPointer?) -> NATSLink.Events? {
        guard case .link(let events) = target(closure) else { return nil }
        return events
    }

    private func target(_ closure: UnsafeMutableRawPointer?) -> Target? {
        // SAFETY: the pointer is a number from `add`; it is never dereferenced.
        let id = UInt(bitPattern: closure)
        return entries.withLock { $0.targets[id] }
    }
}
