import Core
import Synchronization

/// How many sessions each client address has (GUARANTEES, "Limits").
final class AddressCounter: Sendable {
    private let limit: Int
    private let counts = Mutex<[String: Int]>([:])

    /// - Parameter limit: Sessions per address; 0 means no limit.
    init(limit: Int) { self.limit = limit }

    /// - Returns: false when the address has as many as it may.
    func acquire(_ address: String) -> Bool {
        guard limit > 0 else { return true }
        return counts.withLock { counts in
            let count = counts[address, default: 0]
            guard count < limit else { return false }
            counts[address] = count + 1
            return true
        }
    }

    func release(_ address: String) {
        guard limit > 0 else { return }
        counts.withLock { counts in
            guard let count = counts[address] else { return }
            counts[address] = count > 1 ? count - 1 : nil
        }
    }
}

/// A number that many threads change.
final class AtomicCounter: Sendable {
    private let value = Atomic<Int>(0)
    var current: Int { value.load(ordering: .relaxed) }
    func add(_ count: Int = 1) { value.add(count, ordering: .relaxed) }
    /// - Returns: What is left.
    @discardableResult
    func subtract() -> Int { value.subtract(1, ordering: .acquiringAndReleasing).newValue }
}
