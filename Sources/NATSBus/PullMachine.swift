/// Decides when to ask JetStream for more messages. Pure: inputs in, what to do out; `PullConsumer` does it.
///
/// There is at most one pull request at a time, for as many messages as may still be handed out. While it has messages
/// to come, a message that arrives at the server is delivered at once. When the last one came, the next request is made;
/// that costs one round trip per `inFlightMax` messages, and keeps the count of what is under way exact.
struct PullMachine {
    enum Action: Hashable {
        case nothing
        /// Ask for `batch` messages, with answers to the inbox of pull `id`.
        case pull(id: UInt64, batch: Int)
        /// Look whether the consumer and its stream still exist, make them if not, then report `repaired`.
        case repair(afterMilliseconds: Int)
    }

    enum Arrival: Hashable {
        case handOut
        /// Give it back: too many are unsettled already, or nobody wants any.
        case refuse
    }

    private struct Pull {
        var id: UInt64
        /// Messages that it may still bring.
        var remaining: Int
        /// When something was last heard of it, in monotonic nanoseconds.
        var lastSign: UInt64
    }

    /// The server says every so often that it still knows the request.
    static let heartbeatMilliseconds = 2_000
    /// Without a sign for this long the request is taken for lost: two heartbeats, and some slack.
    static let silenceMilliseconds = 5_000
    /// How long a request stays at the server without messages; then it says so, and the next is made.
    static let expiresMilliseconds = 30_000
    private static let repairMillisecondsMax = 2_000

    let inFlightMax: Int
    private(set) var unsettled = 0
    private var pull: Pull?
    private var nextID: UInt64 = 1
    private var isLinked = false
    private var isStopped = false
    private var isRepairing = false
    private var failures = 0

    init(inFlightMax: Int) {
        self.inFlightMax = max(inFlightMax, 1)
    }

    /// A connection is there, and the consumer is known to exist.
    mutating func linked(now: UInt64) -> Action {
        guard !isLinked else { return .nothing }
        isLinked = true
        pull = nil
        return more(now)
    }

    /// The connection is gone, and what was asked with it.
    mutating func unlinked() {
        isLinked = false
        pull = nil
    }

    /// No more messages are wanted.
    mutating func stop() {
        isStopped = true
        pull = nil
    }

    /// A message came; also one of an earlier request, which counts for the current one and is made good by `tick`.
    mutating func received(now: UInt64) -> (Arrival, Action) {
        failures = 0
        if pull != nil {
            pull?.remaining -= 1
            pull?.lastSign = now
            if pull?.remaining == 0 { pull = nil }
        }
        guard !isStopped, unsettled < inFlightMax else { return (.refuse, more(now)) }
        unsettled += 1
        return (.handOut, more(now))
    }

    /// A handed-out message was settled, or forgotten by its handler.
    mutating func settled(now: UInt64) -> Action {
        unsettled -= 1
        return more(now)
    }

    /// The server said something about pull `id`.
    /// - Parameter code: 100 heartbeat; 404 and 408 it ended; 409 it was refused or the consumer is going; 503 nobody
    ///   listens on the consumer's subject, so it does not exist.
    mutating func status(_ code: Int, pull id: UInt64, now: UInt64) -> Action {
        guard pull?.id == id else { return .nothing }
        switch code {
        case 100:
            failures = 0
            pull?.lastSign = now
            return .nothing
        case 404, 408:
            pull = nil
            return more(now)
        default:
            pull = nil
            return repair()
        }
    }

    /// Time went by: a request without a sign of life is given up.
    mutating func tick(now: UInt64) -> Action {
        guard let lost = pull, now > lost.lastSign + UInt64(Self.silenceMilliseconds) * 1_000_000 else {
            return more(now)
        }
        pull = nil
        return repair()
    }

    /// The repair that was asked for is over.
    mutating func repaired(_ ok: Bool, now: UInt64) -> Action {
        isRepairing = false
        if ok { return more(now) }
        return repair()
    }

    private mutating func repair() -> Action {
        guard isLinked, !isStopped, !isRepairing else { return .nothing }
        isRepairing = true
        defer { failures += 1 }
        return .repair(afterMilliseconds: min(50 << min(failures, 6), Self.repairMillisecondsMax))
    }

    private mutating func more(_ now: UInt64) -> Action {
        guard isLinked, !isStopped, !isRepairing, pull == nil else { return .nothing }
        let free = inFlightMax - unsettled
        // Not a request per settled message: wait until an eighth is free.
        guard free >= max(inFlightMax / 8, 1) else { return .nothing }
        let id = nextID
        nextID += 1
        pull = Pull(id: id, remaining: free, lastSign: now)
        return .pull(id: id, batch: free)
    }
}
