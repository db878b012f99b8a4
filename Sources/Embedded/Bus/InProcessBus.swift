import Bus
import Core
import Synchronization

/// The bus of a node that needs no other server. Same promises as NATS, within the process: what is "durable" here
/// lives as long as the process, since its publishers live in it too.
public final class InProcessBus: Bus {
    /// Messages that may wait for one handler; past it they are dropped, counted, and told as `.messagesLost`.
    static let backlogMax = 65_536

    /// Dead messages that are kept. Nobody consumes them here, so the newest push out the oldest.
    static let deadMax = 1000

    private let network: Network
    private let subjects: Subjects
    private let node: UInt64
    private let onEvent: @Sendable (BusEvent) -> Void
    private let backlogMax: Int
    private let isClosed = Atomic(false)

    /// - Parameters:
    ///   - network: What it shares with the other nodes of this process, in tests.
    ///   - onEvent: Called on threads of the bus.
    public convenience init(
        subjects: Subjects, network: Network = Network(), onEvent: @escaping @Sendable (BusEvent) -> Void = { _ in }
    ) {
        self.init(subjects: subjects, network: network, backlogMax: Self.backlogMax, onEvent: onEvent)
    }

    init(
        subjects: Subjects, network: Network, backlogMax: Int, onEvent: @escaping @Sendable (BusEvent) -> Void
    ) {
        self.network = network
        self.subjects = subjects
        self.onEvent = onEvent
        self.backlogMax = backlogMax
        node = network.newID()
        // `Subjects` makes well-formed ones only.
        if let inAll = SubjectPattern(subjects.inAll), let dead = SubjectPattern(subjects.dead) {
            network.declare(stream: subjects.inStream, inAll)
            network.declare(stream: subjects.deadStream, dead, newestKept: Self.deadMax)
        }
    }

    public var isConnected: Bool { !isClosed.load(ordering: .acquiring) }

    public func publish(_ message: BusMessage) {
        if isConnected { network.publish(message) }
    }

    public func subscribe(
        _ subject: String, queue: String?, _ handler: @escaping @Sendable (BusMessage) -> Void
    ) async throws {
        try checkOpen()
        guard let pattern = SubjectPattern(subject) else {
            throw StoreError(.notStored, "\(subject) is not a subject: tokens joined by dots")
        }
        let onEvent = onEvent
        network.add(
            Network.Subscriber(
                id: network.newID(), node: node, pattern: pattern, queue: queue,
                subscription: Subscription("apus.bus.\(subject)", messagesMax: backlogMax, handler),
                onOverflow: { onEvent(.messagesLost) }))
    }

    public func request(_ message: BusMessage, timeoutMilliseconds: Int, _ done: @escaping Completion<BusMessage>) {
        guard isConnected else { return done(.failure(Self.closed)) }
        network.request(message, node: node, timeoutMilliseconds: timeoutMilliseconds, done)
    }

    public func consume(inFlightMax: Int, _ handler: @escaping @Sendable (DurableMessage) -> Void) async throws {
        try checkOpen()
        let (network, stream) = (network, subjects.inStream)
        let subscription = Subscription<DurableStream.Handout>("apus.bus.\(stream)", messagesMax: .max) { handout in
            handler(
                DurableMessage(
                    message: handout.message, deliveries: handout.deliveries, streamSequence: handout.sequence,
                    storedAtNanoseconds: network.begunAtNanoseconds,
                    settle: { network.settle(handout, $0, stream: stream) }))
        }
        network.add(
            Network.Consumer(id: network.newID(), node: node, stream: stream, subscription: subscription),
            inFlightMax: inFlightMax)
    }

    public func publishDurable(_ message: BusMessage, dedupID: String, _ done: @escaping Completion<Void>) {
        guard isConnected else { return done(.failure(Self.closed)) }
        switch network.publish(message, dedupID: dedupID)?.storing {
        case .stored, .duplicate: done(.success(()))
        case .full: done(.failure(StoreError(.notStored, "the stream is full")))
        case nil: done(.failure(StoreError(.notStored, "no stream takes \(message.subject)")))
        }
    }

    public func close() async {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        await network.remove(node: node)
    }

    private static let closed = StoreError(.notStored, "the bus is closed")

    private func checkOpen() throws { if !isConnected { throw Self.closed } }
}
