import Core
import Presence
import Timelines

/// Names a session from outside its loop. The generation tells a session from a later one in the same slot.
struct SessionKey: Hashable, Sendable {
    var slot: Int32
    var generation: UInt32
}

/// What a shard knows about one connection: a small value in an array, from the accept to the last byte.
struct Session {
    enum Phase: UInt8 {
        /// The HTTP request is arriving.
        case connecting
        /// The request is there: it waits for its turn, its token is being checked, or its answer is being made.
        case deciding
        /// `hello` is awaited.
        case greeting
        /// The token of `hello` is being checked, or the store is asked for the timeline.
        case opening
        case live
        /// A close frame is on its way.
        case closing
    }

    let connection: Connection<Shard>
    var phase = Phase.connecting
    /// When the present phase has lasted too long; in ticks of the shard. Unused while live.
    var deadline: UInt32
    /// When the shard's wheel has it next; `watch` brings that forward.
    var nextLook: UInt32 = .max
    var lastSign: UInt32
    var nextPing: UInt32 = .max
    /// Since when its output is full.
    var slowSince: UInt32?

    /// From the token: of the handshake, then of `hello` or `auth`.
    var token: VerifiedToken?
    var record: SessionRecord?
    /// Nil until `welcome`.
    var stream: SessionStream?
    /// Names the latest read: the answer to an earlier one, which an overflow voided, is not taken for it.
    var readNumber: UInt32 = 0
    /// The furthest hint that came before there was a stream.
    var openingHint: Int64 = 0
    /// The next session of the same user in this shard, or -1.
    var nextOfUser: Int32 = -1
    var topics: [Topic] = []
    /// The client's address while it counts against the limit.
    var address: String?

    var limiter = RateLimiter()
    var pings = PingMeter()
    var badRequestsInARow: UInt8 = 0
    var operationsInFlight: UInt8 = 0
    var isDirty = false
    /// `token` came with the handshake, and no `hello` brings another.
    var isTokenOfHandshake = false

    init(_ connection: Connection<Shard>, now: UInt32, deadline: UInt32) {
        self.connection = connection
        self.deadline = deadline
        lastSign = now
    }

    var user: UserID? { record == nil ? nil : token?.user }
}

/// A token bucket of `Limits.operationsBurst` that refills at `Limits.operationsPerSecond`.
struct RateLimiter: Hashable, Sendable {
    private var tokens = Float(Limits.operationsBurst)
    private var refilledAtMilliseconds: UInt64 = 0
    /// Refused operations less those that passed since: under a flood one passes now and then, so "in a row" never counts up.
    private var refused: UInt16 = 0

    enum Decision: Hashable { case pass, refuse(retryMilliseconds: Int), flood }

    mutating func take(nowMilliseconds now: UInt64) -> Decision {
        let elapsed = now &- refilledAtMilliseconds
        refilledAtMilliseconds = now
        tokens = min(
            Float(Limits.operationsBurst),
            tokens + Float(min(elapsed, 60_000)) * Float(Limits.operationsPerSecond) / 1000)
        if tokens >= 1 {
            tokens -= 1
            refused -= refused > 0 ? 1 : 0
            return .pass
        }
        refused += 1
        guard refused < Limits.rateLimitedNetMax else { return .flood }
        return .refuse(
            retryMilliseconds: max(1, Int((1 - tokens) * 1000 / Float(Limits.operationsPerSecond)).advanced(by: 1)))
    }
}

/// Counts a client's WebSocket pings in the running second.
struct PingMeter: Hashable, Sendable {
    private var windowStartMilliseconds: UInt64 = 0
    private var count: UInt8 = 0

    /// - Returns: false when it were more than `Limits.pingsPerSecondMax`.
    mutating func take(nowMilliseconds now: UInt64) -> Bool {
        if now - windowStartMilliseconds >= 1000 {
            windowStartMilliseconds = now
            count = 0
        }
        count &+= 1
        return count <= Limits.pingsPerSecondMax
    }
}
