import Bus
import Chat
import Core
import Notifications
import Synchronization
import Wire

/// The notifier role: takes events from the durable stream, appends, routes, and only then acknowledges (G4).
///
/// What cannot be used goes to `apus.dead` with its reason, once, and is then acknowledged too: it never comes round
/// again and holds nobody up. What cannot be stored now comes again later.
final class Notifier: Sendable {
    /// Unsettled events at once: enough to keep a pipelined store busy, small enough to come back soon after a crash.
    static let inFlightMax = 1024

    private let node: NodeContext
    private let backend: Backend
    private var publisher: Publisher { backend.publisher }
    private let inFlight = AtomicCounter()

    init(node: NodeContext) {
        self.node = node
        backend = Backend(node: node)
    }

    func start() async throws {
        try await node.bus.consume(inFlightMax: Self.inFlightMax) { self.take($0) }
    }

    private func take(_ event: DurableMessage) {
        inFlight.add()
        node.metrics.ingestInFlight.record(inFlight.current)
        CrashPoint.reach("ingest.received")
        if Defect.planted == .ackFirst { event.settle(.done) }
        if event.message.subject == node.subjects.inMessage { return takeMessage(event) }
        let request: NotificationRequest
        do throws(ApusError) { request = try parse(event) } catch { return bury(event, reason: error.description) }
        publisher.publish([request]) { outcomes in
            let failed = outcomes.contains { if case .failure = $0.result { true } else { false } }
            self.settle(event, failed ? .retry(afterMilliseconds: Self.backOff(event.deliveries)) : .done)
        }
    }

    /// Without a name of its own an event has that of its place in the stream, so that it is stored once however often it is
    /// handed out.
    private static func fallbackID(_ event: DurableMessage) -> String {
        event.message.header("Nats-Msg-Id") ?? "stream-\(event.nameInStream)"
    }

    /// A message in a user's name.
    private func takeMessage(_ event: DurableMessage) {
        let request: MessageRequest
        do throws(ApusError) {
            request = try MessageRequest.parse(
                try JSONObject.request(event.message.payload), fallbackID: Self.fallbackID(event))
        } catch { return bury(event, reason: error.description) }
        backend.send(request) { result in
            if let refusal = result.refusal { return self.bury(event, reason: refusal.description) }
            self.settle(event, result.isUnavailable ? .retry(afterMilliseconds: Self.backOff(event.deliveries)) : .done)
        }
    }

    private func parse(_ event: DurableMessage) throws(ApusError) -> NotificationRequest {
        let (message, subjects) = (event.message, node.subjects)
        var recipient: String?
        if message.subject != subjects.inNotify {
            guard let rest = Subjects.rest(of: message.subject, below: subjects.inNotify) else {
                throw .badRequest("subject \(message.subject.prefix(200)): nothing is taken from it")
            }
            guard !rest.contains(".") else {
                throw .badRequest("subject: an id with a dot cannot stand in it; use \"to\" in the body")
            }
            recipient = String(rest)
        }
        return try NotificationRequest.parse(
            message.payload,
            NotificationEnvelope(
                recipient: recipient, fallbackID: Self.fallbackID(event),
                cloudEvent: Self.cloudEvent(message.headers), nowMilliseconds: node.time.wallMilliseconds()))
    }

    /// The attributes of a CloudEvent in binary mode: headers `ce-…`.
    static func cloudEvent(_ headers: [(name: String, value: String)]) -> [String: String] {
        var attributes: [String: String] = [:]
        for (name, value) in headers where name.lowercased().hasPrefix("ce-") {
            attributes[String(name.lowercased().dropFirst(3))] = value
        }
        return attributes
    }

    private func bury(_ event: DurableMessage, reason: String) {
        let subject = event.message.subject
        node.logger.warning(
            "an event cannot be used and goes to the dead letters",
            metadata: ["reason": "\(reason)", "subject": "\(subject)", "stream_seq": "\(event.streamSequence)"])
        let letter = DeadLetter(event: event.message, reason: reason)
        // Named by the event, so a letter whose acknowledgement was lost is not stored twice.
        let name = "dead-\(node.subjects.inStream)-\(event.nameInStream)"
        node.bus.publishDurable(letter.whole(to: node.subjects.dead), dedupID: name) { result in
            guard case .failure(let error) = result, error.outcome == .notStored,
                event.deliveries >= Self.bareLetterDeliveries
            else { return self.buried(event, result) }
            // Perhaps this NATS refuses what is in it, and always will.
            self.node.bus.publishDurable(letter.bare(to: self.node.subjects.dead), dedupID: name) {
                self.buried(event, $0)
            }
        }
    }

    /// From then on a letter that is refused is no matter of an outage that just ended.
    private static let bareLetterDeliveries = 3

    private func buried(_ event: DurableMessage, _ result: Result<Void, StoreError>) {
        switch result {
        case .success:
            node.metrics.dead.increment()
            settle(event, .done)
        case .failure: settle(event, .retry(afterMilliseconds: Self.backOff(event.deliveries)))
        }
    }

    private func settle(_ event: DurableMessage, _ settlement: DurableMessage.Settlement) {
        inFlight.subtract()
        node.metrics.ingestInFlight.record(inFlight.current)
        CrashPoint.reach("ingest.settle")
        if Defect.planted != .ackFirst { event.settle(settlement) }
        CrashPoint.reach("ingest.settled")
    }

    /// 250 ms, doubling up to 8 s, with up to a quarter of jitter: back within G11's 5 s after a short outage.
    static func backOff(_ deliveries: Int) -> Int {
        let base = 250 << min(max(deliveries, 1) - 1, 4)
        return base + Int.random(in: 0...base / 4)
    }
}
