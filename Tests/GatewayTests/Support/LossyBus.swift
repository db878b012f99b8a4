import Bus
import Core
import Synchronization

@testable import Gateway

/// A bus that loses what nodes send each other when it is told to: hints are allowed to be lost, events are not.
final class LossyBus: Bus {
    private let bus: any Bus
    private let losing = Atomic(false)
    private let lost = Atomic(0)

    init(_ bus: any Bus) { self.bus = bus }

    /// Whether messages with deliveries to single nodes, and changes of presence, are dropped. Heartbeats pass.
    func setLosing(_ isLosing: Bool) { losing.store(isLosing, ordering: .relaxed) }
    /// How many were dropped.
    var lostCount: Int { lost.load(ordering: .relaxed) }

    var isConnected: Bool { bus.isConnected }

    func publish(_ message: BusMessage) {
        if losing.load(ordering: .relaxed), Self.isHint(message) {
            lost.add(1, ordering: .relaxed)
            return
        }
        bus.publish(message)
    }

    private static func isHint(_ message: BusMessage) -> Bool {
        if message.subject.contains(".node.") { return NodeMessage(message.payload)?.isHeartbeat == false }
        if message.subject.contains(".presence.") { return PresenceMessage(message.payload)?.isHeartbeat == false }
        return false
    }

    func subscribe(
        _ subject: String, queue: String?, _ handler: @escaping @Sendable (BusMessage) -> Void
    ) async throws { try await bus.subscribe(subject, queue: queue, handler) }

    func request(_ message: BusMessage, timeoutMilliseconds: Int, _ done: @escaping Completion<BusMessage>) {
        bus.request(message, timeoutMilliseconds: timeoutMilliseconds, done)
    }

    func consume(inFlightMax: Int, _ handler: @escaping @Sendable (DurableMessage) -> Void) async throws {
        try await bus.consume(inFlightMax: inFlightMax, handler)
    }

    func publishDurable(_ message: BusMessage, dedupID: String, _ done: @escaping Completion<Void>) {
        bus.publishDurable(message, dedupID: dedupID, done)
    }

    func close() async { await bus.close() }
}
