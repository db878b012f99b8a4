import Dispatch
import Foundation
import Synchronization

/// One thread that lives as long as this process, for what the kernel ties to the thread that did it.
final class LastingThread: Sendable {
    static let shared = LastingThread()

    private let jobs = Mutex<[@Sendable () -> Void]>([])
    private let arrived = DispatchSemaphore(value: 0)

    private init() {
        Thread.detachNewThread { self.work() }
    }

    /// Does `body` there, and blocks this thread meanwhile.
    func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) -> Value {
        let result = Promised<Value>()
        jobs.withLock { $0.append { result.set(body()) } }
        arrived.signal()
        return result.wait()
    }

    private func work() {
        while true {
            arrived.wait()
            let job = jobs.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            job?()
        }
    }
}

/// A value that another thread brings.
private final class Promised<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let isThere = DispatchSemaphore(value: 0)

    func set(_ new: Value) {
        value.withLock { $0 = new }
        isThere.signal()
    }

    func wait() -> Value {
        while true {
            isThere.wait()
            if let value = value.withLock({ $0 }) { return value }
        }
    }
}
