import Core
import NIOCore

/// A command on its way through a Cluster, answered exactly once.
final class ClusterCall: @unchecked Sendable {
    // SAFETY: whoever makes it hands it to one loop at once and keeps nothing; every `var` is used on that loop only.

    let bytes: ByteBuffer
    let key: String
    let slot: Int
    let isRead: Bool
    let isConfirmed: Bool
    let isVital: Bool
    /// Monotonic nanoseconds.
    let startedAt: UInt64
    let deadline: UInt64
    private var done: (@Sendable (Result<RedisReply, StoreError>) -> Void)?

    /// Times that it was sent to another server.
    var redirections = 0
    /// Times in a row that it was to come again.
    var pauses = 0
    /// The last redirection, for whoever is told that it was not done.
    var refusal: String?
    /// Where it is sent with `ASKING`; nil: to the slot's master.
    var asks: RedisAddress?
    /// It is the only one of its user that is on its way.
    var isAlone = false

    init(
        _ command: RedisCommand, startedAt: UInt64, deadline: UInt64,
        _ done: @escaping @Sendable (Result<RedisReply, StoreError>) -> Void
    ) {
        bytes = command.arguments.encoded()
        key = command.key
        slot = RedisSlot.of(command.key)
        isRead = command.isRead
        isConfirmed = command.isConfirmed
        isVital = command.isVital
        self.startedAt = startedAt
        self.deadline = deadline
        self.done = done
    }

    var isAnswered: Bool { done == nil }

    /// Whoever waits is told, unless they were.
    func finish(_ result: Result<RedisReply, StoreError>) {
        let done = done
        self.done = nil
        done?(result)
    }

    /// The error of one that was never run.
    func notStored(_ why: String) -> StoreError {
        refusal.map { RedisErrors.storeError($0) } ?? StoreError(.notStored, "Redis Cluster: \(why)")
    }
}
