import Bus
import Core
import Dispatch
import Logging
import Metrics
import Synchronization

/// The bus on NATS: core subjects between nodes, JetStream for what backends send (docs/nats.md).
///
/// Call `connect` once, and `close` at the end; between them it keeps itself connected. Everything but these two may be
/// called from any thread, and does not wait.
public final class NATSBus: Bus {
    struct State {
        enum Phase: Hashable {
            case new
            case running
            case closed
        }
        var phase = Phase.new
        /// Numbers the links, so that news of an old one is recognised.
        var linkNumber: UInt64 = 0
        /// The link that subscriptions are made on; in use for publishing only when `isReady`.
        var link: NATSLink?
        var isReady = false
        var wasConnected = false
        var subscriptions: [Subscription] = []
        var consumer: PullConsumer?
        /// Other servers of the cluster, as the last one told.
        var discovered: [String] = []
        /// What was dropped before the last outage.
        var droppedBefore = 0
        var tasks: [Task<Void, Never>] = []
    }

    let configuration: NATSConfiguration
    let subjects: Subjects
    let logger: Logger
    private let onEvent: @Sendable (BusEvent) -> Void
    /// Events are told here, one after another, in the order in which they were put in.
    let events = DispatchQueue(label: "apus.nats.events")
    let outbox: Outbox
    let requests: Requests
    let jetStream: JetStream
    let time: any TimeSource
    let state = Mutex(State())
    let lostLinks = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    let roundTrip = Timer(label: "apus_nats_round_trip_seconds")
    let outages = Counter(label: "apus_nats_outages_total")
    let connectedGauge = Gauge(label: "apus_nats_connected")
    let pendingGauge = Gauge(label: "apus_nats_pending")

    /// - Parameters:
    ///   - subjects: Their prefix also names the streams.
    ///   - onEvent: Called on any thread, one event after another; must not block. After `close` it is not called.
    public init(
        configuration: NATSConfiguration, subjects: Subjects, logger: Logger, time: any TimeSource = SystemTime(),
        onEvent: @escaping @Sendable (BusEvent) -> Void
    ) {
        let requests = Requests(max: configuration.requestsMax, time: time)
        let outbox = Outbox(
            messagesMax: configuration.outboxMessagesMax, bytesMax: configuration.outboxBytesMax
        ) { token, sent in
            switch sent {
            case .sent: break
            case .notSent(let why): requests.fail(token, StoreError(.notStored, "not sent to NATS: \(why)"))
            case .unknown(let why): requests.fail(token, StoreError(.unknown, "perhaps not sent to NATS: \(why)"))
            }
        }
        self.configuration = configuration
        self.subjects = subjects
        self.logger = logger
        self.onEvent = onEvent
        self.time = time
        self.requests = requests
        self.outbox = outbox
        jetStream = JetStream(configuration, subjects: subjects, logger: logger) { message, timeout, done in
            Self.send(message, timeout, requests, outbox, done)
        }
    }

    public var isConnected: Bool { state.withLock { $0.isReady } }

    /// Messages that were dropped since the start (`apus_nats_dropped_total`).
    public var droppedTotal: Int { outbox.droppedTotal }

    /// Tells an event soon, unless the bus is closed by then.
    func tell(_ event: BusEvent) {
        events.async {
            let isOpen = self.state.withLock { $0.phase == .running }
            if isOpen { self.onEvent(event) }
        }
    }

    // MARK: Core messages

    public func publish(_ message: BusMessage) {
        if let why = Self.objection(to: message) {
            outbox.countDropped()
            return logger.error("a message was not published", metadata: ["reason": "\(why)"])
        }
        outbox.add(message)
    }

    public func subscribe(
        _ subject: String, queue: String?, _ handler: @escaping @Sendable (BusMessage) -> Void
    ) async throws {
        guard SubjectRules.canSubscribe(subject) else {
            throw NATSBusError(.invalidSubject, "\"\(subject)\" is not a subject that NATS can subscribe to")
        }
        if let queue, !SubjectRules.isQueue(queue) {
            throw NATSBusError(.invalidSubject, "\"\(queue)\" is not a queue group's name")
        }
        try await add(Subscription(subject, queue: queue, handler: handler))
    }

    /// Subscribes now if there is a connection, and on every later one.
    func add(_ subscription: Subscription) async throws(NATSBusError) {
        let link = state.withLock { state -> Result<NATSLink?, NATSBusError> in
            guard state.phase != .closed else { return .failure(Self.closedError) }
            state.subscriptions.append(subscription)
            return .success(state.link)
        }
        // A link that fails here is about to be replaced, and the next one subscribes all of them.
        guard let link = try link.get(), link.subscribe(subscription) else { return }
        await outbox.flush(milliseconds: configuration.writeMilliseconds)
    }

    public func request(_ message: BusMessage, timeoutMilliseconds: Int, _ done: @escaping Completion<BusMessage>) {
        Self.send(message, timeoutMilliseconds, requests, outbox, done)
    }

    private static func send(
        _ message: BusMessage, _ timeoutMilliseconds: Int, _ requests: Requests, _ outbox: Outbox,
        _ done: @escaping Completion<BusMessage>
    ) {
        if let why = objection(to: message) { return done(.failure(StoreError(.notStored, why))) }
        guard
            let added = requests.add(
                subject: message.subject, timeoutMilliseconds: timeoutMilliseconds, done)
        else { return done(.failure(StoreError(.notStored, "too many requests wait for NATS"))) }
        var asked = message
        asked.replyTo = added.replyTo
        guard outbox.add(asked, token: added.token) else {
            return requests.fail(added.token, StoreError(.notStored, "NATS is not connected, or too slow"))
        }
    }

    // MARK: Durable messages

    public func consume(inFlightMax: Int, _ handler: @escaping @Sendable (DurableMessage) -> Void) async throws {
        let consumer = PullConsumer(
            inFlightMax: inFlightMax, inbox: requests.inbox + ".pull", jetStream: jetStream, logger: logger, time: time,
            publish: { [outbox] in outbox.add($0, isPatient: $1) }, handler: handler)
        let refused = state.withLock { state -> NATSBusError? in
            guard state.phase != .closed else { return Self.closedError }
            guard state.consumer == nil else {
                return NATSBusError(.misuse, "this bus consumes already: one consumer per node")
            }
            state.consumer = consumer
            return nil
        }
        if let refused { throw refused }
        try await add(Subscription(consumer.inbox + ".*") { consumer.receive($0) })
        do {
            try await jetStream.ensureConsumer()
        } catch {
            // Without a connection this waits for the next one; what an operator must mend is said now.
            if error.isPermanent { throw error }
        }
        if isConnected { consumer.linked() }
    }

    public func publishDurable(_ message: BusMessage, dedupID: String, _ done: @escaping Completion<Void>) {
        var durable = message
        durable.headers.removeAll { $0.name.lowercased() == "nats-msg-id" }
        durable.headers.append(("Nats-Msg-Id", dedupID))
        request(durable, timeoutMilliseconds: configuration.jetStreamMilliseconds) { result in
            done(result.flatMap(Self.stored))
        }
    }

    /// What a stream's answer to a publish means.
    private static func stored(_ reply: BusMessage) -> Result<Void, StoreError> {
        guard let answer: JetStreamAPI.Answer<JetStreamAPI.PublishAnswer> = JetStreamAPI.decode(reply.payload) else {
            return .failure(StoreError(.unknown, "the answer to a durable publish was not JetStream's"))
        }
        if let failure = answer.error { return .failure(StoreError(.notStored, "JetStream: \(failure.text)")) }
        return .success(())
    }

    // MARK: Checks

    static let closedError = NATSBusError(.misuse, "the bus is closed")

    /// Why a message cannot be published; nil when it can.
    private static func objection(to message: BusMessage) -> String? {
        guard SubjectRules.canPublish(message.subject) else {
            return "\"\(message.subject)\" is not a subject that NATS can publish to"
        }
        if let reply = message.replyTo, !SubjectRules.canPublish(reply) {
            return "\"\(reply)\" is not a subject that NATS can reply to"
        }
        for header in message.headers
        where !SubjectRules.isHeaderName(header.name) || !SubjectRules.isHeaderValue(header.value) {
            return "the header \"\(header.name)\" has a character that NATS cannot carry"
        }
        return nil
    }
}
