import Core

/// A message on the bus.
public struct BusMessage: Sendable {
    public var subject: String
    /// Name and value, in order. Names compare without regard to case.
    public var headers: [(name: String, value: String)]
    public var payload: [UInt8]
    /// Where an answer is expected; nil when none is.
    public var replyTo: String?

    public init(
        subject: String, headers: [(name: String, value: String)] = [], payload: [UInt8], replyTo: String? = nil
    ) {
        self.subject = subject
        self.headers = headers
        self.payload = payload
        self.replyTo = replyTo
    }

    /// The first value of a header.
    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// A message from the durable stream. It comes again until it is settled with `.done`.
public struct DurableMessage: Sendable {
    public var message: BusMessage
    /// How often it was handed out, this time included.
    public var deliveries: Int
    /// Its number in the stream: the same at each delivery.
    public var streamSequence: UInt64
    /// When the stream took it, in nanoseconds since 1970: the same at each delivery. 0 in a stream that has no time.
    public var storedAtNanoseconds: Int64
    /// Says what became of it; once.
    public var settle: @Sendable (Settlement) -> Void

    public enum Settlement: Hashable, Sendable {
        /// It was dealt with and need not come again.
        case done
        /// It could not be dealt with now; again after that time.
        case retry(afterMilliseconds: Int)
    }

    public init(
        message: BusMessage, deliveries: Int, streamSequence: UInt64, storedAtNanoseconds: Int64 = 0,
        settle: @escaping @Sendable (Settlement) -> Void
    ) {
        self.message = message
        self.deliveries = deliveries
        self.streamSequence = streamSequence
        self.storedAtNanoseconds = storedAtNanoseconds
        self.settle = settle
    }

    /// Names it: number and time, since numbers begin again when the stream is made anew. `[0-9-]`, at most 40 bytes.
    public var nameInStream: String { "\(streamSequence)-\(storedAtNanoseconds)" }
}

/// What happens to the bus itself.
public enum BusEvent: Hashable, Sendable {
    case connected
    case disconnected
    /// Messages for this node may have been dropped: it was too slow, or the connection was renewed.
    case messagesLost
}

/// Port: messages between nodes and from backends.
///
/// Contract, which `BusContract` in ApusTesting checks of every adapter:
/// - `publish` is fire and forget, at most once, in order per subject and publisher; it never blocks and never queues
///   without bound (what cannot be sent while the bus is away is dropped, and counted).
/// - Subjects are dot-separated tokens; a subscription may use `*` for one token and `>` for the rest. Callers build
///   them only from checked identifiers (`Subjects`).
/// - Handlers are called on threads of the bus, one message of a subscription after another; they must not block.
/// - Of the subscriptions with the same `queue`, on all nodes, one gets each message.
/// - `consume` hands out messages of the durable stream until each is settled; at most `inFlightMax` unsettled at once.
/// - `publishDurable` answers when the message is stored; the same `dedupID` within two minutes is stored once.
/// - After `close` no handler is called.
public protocol Bus: Sendable {
    /// Whether the bus can be used at this moment.
    var isConnected: Bool { get }

    func publish(_ message: BusMessage)

    func subscribe(
        _ subject: String, queue: String?, _ handler: @escaping @Sendable (BusMessage) -> Void) async throws

    /// Publishes and waits for one answer; `.unknown` when none came in time.
    func request(_ message: BusMessage, timeoutMilliseconds: Int, _ done: @escaping Completion<BusMessage>)

    /// Starts taking messages from the durable stream `APUS_IN`.
    func consume(inFlightMax: Int, _ handler: @escaping @Sendable (DurableMessage) -> Void) async throws

    func publishDurable(_ message: BusMessage, dedupID: String, _ done: @escaping Completion<Void>)

    /// Stops taking messages, hands out what was published, and ends the connection.
    func close() async
}
