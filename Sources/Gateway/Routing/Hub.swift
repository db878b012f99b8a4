import Core
import NIOCore
import Synchronization

/// The shards of this node. What is for a user goes to all of them, in one hop each: a shard that does not know the user
/// drops it after one look-up, which costs less than a shared index would (ADR 0005).
package final class Hub: Sendable {
    private let all = Mutex<[Shard]>([])

    var shards: [Shard] { all.withLock { $0 } }

    func start(_ shards: [Shard]) { all.withLock { $0 = shards } }

    package func deliver(_ batch: [Delivery]) {
        guard !batch.isEmpty else { return }
        for shard in shards { shard.deliver(batch) }
    }

    /// One alone, as it comes from the bus.
    func deliver(_ delivery: Delivery) {
        for shard in shards { shard.deliver(CollectionOfOne(delivery)) }
    }
}
