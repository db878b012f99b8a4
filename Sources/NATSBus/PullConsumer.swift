import Bus
import Core
import Logging
import Synchronization

/// Takes messages from the durable stream and settles them: the shell around `PullMachine`.
final class PullConsumer: Sendable {
    typealias Handler = @Sendable (DurableMessage) -> Void

    private struct State {
        var machine: PullMachine
        /// The ack subjects of what is handed out and not settled, to give it back when the node stops.
        var tickets: [UInt64: String] = [:]
        var nextTicket: UInt64 = 1
    }

    /// What was refused comes again after this long, instead of at once in circles.
    private static let refusedDelayMilliseconds = 200

    /// Its deliveries and the server's words about its requests come here.
    let inbox: String
    private let jetStream: JetStream
    private let publish: @Sendable (BusMessage, _ isPatient: Bool) -> Void
    private let handler: Handler
    private let logger: Logger
    private let time: any TimeSource
    private let state: Mutex<State>

    init(
        inFlightMax: Int, inbox: String, jetStream: JetStream, logger: Logger, time: any TimeSource,
        publish: @escaping @Sendable (BusMessage, _ isPatient: Bool) -> Void, handler: @escaping Handler
    ) {
        self.inbox = inbox
        self.jetStream = jetStream
        self.logger = logger
        self.time = time
        self.publish = publish
        self.handler = handler
        state = Mutex(State(machine: PullMachine(inFlightMax: inFlightMax)))
    }

    // MARK: What happens to it

    func linked() { advance { $0.machine.linked(now: $1) } }

    func unlinked() { state.withLock { $0.machine.unlinked() } }

    /// Called about once a second.
    func tick() { advance { $0.machine.tick(now: $1) } }

    /// Stops asking; what still comes is refused.
    func stop() { state.withLock { $0.machine.stop() } }

    /// Gives back what is unsettled, so that another node need not wait for it. The server must have ended our
    /// subscription before, or it would hand the messages to our last request again.
    func giveBack() {
        let tickets = state.withLock { state in
            defer { state.tickets = [:] }
            return state.tickets
        }
        for subject in tickets.values { settle(subject, .retry(afterMilliseconds: 0)) }
    }

    /// A delivery, or a word about a request.
    func receive(_ message: BusMessage) {
        if let reply = message.replyTo, let ack = AckSubject(reply) {
            deliver(message, ack, reply)
        } else if let code = message.header("Status").flatMap({ Int($0) }), let id = pullID(message.subject) {
            if code != 100, code != 404, code != 408 {
                logger.debug(
                    "pull request ended",
                    metadata: ["status": "\(code)", "description": "\(message.header("Description") ?? "")"])
            }
            advance { $0.machine.status(code, pull: id, now: $1) }
        }
    }

    private func pullID(_ subject: String) -> UInt64? {
        guard subject.hasPrefix(inbox + ".") else { return nil }
        return UInt64(subject.dropFirst(inbox.utf8.count + 1))
    }

    // MARK: Handing out

    private func deliver(_ message: BusMessage, _ ack: AckSubject, _ reply: String) {
        let now = time.monotonicNanoseconds()
        let (ticket, action) = state.withLock { state -> (UInt64?, PullMachine.Action) in
            let (arrival, action) = state.machine.received(now: now)
            guard arrival == .handOut else { return (nil, action) }
            let ticket = state.nextTicket
            state.nextTicket += 1
            state.tickets[ticket] = reply
            return (ticket, action)
        }
        perform(action)
        guard let ticket else { return settle(reply, .retry(afterMilliseconds: Self.refusedDelayMilliseconds)) }
        let owner = Ticket(consumer: self, number: ticket)
        var handedOut = message
        handedOut.replyTo = nil
        handler(
            DurableMessage(
                message: handedOut, deliveries: ack.deliveries, streamSequence: ack.streamSequence,
                storedAtNanoseconds: ack.storedAtNanoseconds
            ) { owner.settle($0) })
    }

    /// The right to settle one delivery. If its handler forgets it, the place is free again, and the message comes
    /// again after the acknowledgement's time.
    private final class Ticket: Sendable {
        private let consumer: PullConsumer
        private let number: UInt64

        init(consumer: PullConsumer, number: UInt64) {
            self.consumer = consumer
            self.number = number
        }

        func settle(_ how: DurableMessage.Settlement) { consumer.release(number, how) }

        deinit { consumer.release(number, nil) }
    }

    private func release(_ ticket: UInt64, _ how: DurableMessage.Settlement?) {
        let now = time.monotonicNanoseconds()
        let (subject, action) = state.withLock { state -> (String?, PullMachine.Action) in
            guard let subject = state.tickets.removeValue(forKey: ticket) else { return (nil, .nothing) }
            return (subject, state.machine.settled(now: now))
        }
        guard let subject else { return }
        if let how { settle(subject, how) }
        perform(action)
    }

    private func settle(_ subject: String, _ how: DurableMessage.Settlement) {
        let payload =
            switch how {
            case .done: "+ACK"
            case .retry(let milliseconds) where milliseconds <= 0: "-NAK"
            case .retry(let milliseconds): "-NAK {\"delay\": \(Int64(milliseconds) * 1_000_000)}"
            }
        publish(BusMessage(subject: subject, payload: [UInt8](payload.utf8)), true)
    }

    // MARK: Doing what the machine says

    private func advance(_ input: (inout State, UInt64) -> PullMachine.Action) {
        let now = time.monotonicNanoseconds()
        perform(state.withLock { input(&$0, now) })
    }

    private func perform(_ action: PullMachine.Action) {
        switch action {
        case .nothing: break
        case .pull(let id, let batch):
            let next = JetStreamAPI.Next(
                batch: batch, expires: Int64(PullMachine.expiresMilliseconds) * 1_000_000,
                idle_heartbeat: Int64(PullMachine.heartbeatMilliseconds) * 1_000_000)
            publish(
                BusMessage(
                    subject: jetStream.nextSubject, payload: JetStreamAPI.encode(next), replyTo: "\(inbox).\(id)"),
                false)
        case .repair(let milliseconds):
            Task { await self.repair(afterMilliseconds: milliseconds) }
        }
    }

    private func repair(afterMilliseconds: Int) async {
        var repaired = false
        do {
            try await Task.sleep(for: .milliseconds(afterMilliseconds))
            try await jetStream.ensureStreams()
            try await jetStream.ensureConsumer()
            repaired = true
        } catch {
            logger.warning("the durable consumer cannot be used now", metadata: ["reason": "\(error)"])
        }
        advance { $0.machine.repaired(repaired, now: $1) }
    }
}
