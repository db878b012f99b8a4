import Bus
import Core
import Dispatch
import Metrics
import Synchronization

extension InProcessBus {
    /// What the buses of one process share: the counterpart of a NATS server. A node has one of its own; tests put
    /// several nodes on one.
    public final class Network: Sendable {
        /// The events of its streams are of this life of the process: their numbers begin anew in the next one.
        let begunAtNanoseconds = SystemTime().wallMilliseconds() * 1_000_000

        struct Subscriber: Sendable {
            let id: UInt64
            let node: UInt64
            let pattern: SubjectPattern
            let queue: String?
            let subscription: Subscription<BusMessage>
            let onOverflow: @Sendable () -> Void
        }

        struct Consumer: Sendable {
            let id: UInt64
            let node: UInt64
            let stream: String
            let subscription: Subscription<DurableStream.Handout>
        }

        private struct Stream {
            let pattern: SubjectPattern
            var durable: DurableStream
        }

        private struct State {
            var lastID: UInt64 = 0
            var subscribers: [Subscriber] = []
            var consumers: [UInt64: Consumer] = [:]
            var streams: [String: Stream] = [:]
            /// Requests that wait, by the subject of their answer.
            var requests: [String: Request] = [:]
            var turn = 0
        }

        private struct Request {
            let node: UInt64
            let done: Completion<BusMessage>
        }

        private let state = Mutex(State())
        private let time: any TimeSource
        /// Where answers and time-outs are told; never on the stack of a publisher.
        private let answers = DispatchQueue(label: "apus.bus.answers")
        private let dropped = Counter(label: "apus_bus_dropped_total")

        public init() { time = SystemTime() }

        init(time: any TimeSource) { self.time = time }

        func newID() -> UInt64 {
            state.withLock {
                $0.lastID += 1
                return $0.lastID
            }
        }

        // MARK: Live

        func add(_ subscriber: Subscriber) { state.withLock { $0.subscribers.append(subscriber) } }

        /// Hands the message to everyone who listens, and stores it when a stream takes its subject.
        /// - Returns: nil when the subject is malformed; otherwise whether anyone got it, and what the stream said.
        @discardableResult
        func publish(_ message: BusMessage, dedupID: String? = nil) -> (heard: Bool, storing: DurableStream.Storing?)? {
            guard let tokens = SubjectPattern.subject(message.subject) else {
                dropped.increment()
                return nil
            }
            let result = state.withLock {
                state -> (request: Request?, heard: Bool, overflown: [Subscriber], storing: DurableStream.Storing?) in
                // Delivered under the lock, so that all subscribers see one order.
                let storing = store(message, tokens, dedupID: dedupID, &state)
                if storing == .duplicate { return (nil, true, [], storing) }
                let request = state.requests.removeValue(forKey: message.subject)
                let chosen = receivers(of: tokens, &state)
                var overflown: [Subscriber] = []
                for subscriber in chosen {
                    switch subscriber.subscription.deliver(message) {
                    case .queued: break
                    case .dropped: dropped.increment()
                    case .firstDropped:
                        dropped.increment()
                        overflown.append(subscriber)
                    }
                }
                return (request, request != nil || !chosen.isEmpty, overflown, storing)
            }
            if let request = result.request { answers.async { request.done(.success(message)) } }
            for subscriber in result.overflown { answers.async { subscriber.onOverflow() } }
            return (result.heard, result.storing)
        }

        /// Everyone without a queue, and one of each queue, in turn.
        private func receivers(of subject: [Substring], _ state: inout State) -> [Subscriber] {
            let matching = state.subscribers.filter { $0.pattern.matches(subject) }
            guard matching.contains(where: { $0.queue != nil }) else { return matching }
            state.turn &+= 1
            let turn = state.turn
            let groups = Dictionary(grouping: matching.filter { $0.queue != nil }, by: \.queue)
            return matching.filter { $0.queue == nil } + groups.values.map { $0[turn % $0.count] }
        }

        // MARK: Requests

        func request(
            _ message: BusMessage, node: UInt64, timeoutMilliseconds: Int, _ done: @escaping Completion<BusMessage>
        ) {
            let inbox = "_INBOX.\(RandomToken.make(length: 20))"
            state.withLock { $0.requests[inbox] = Request(node: node, done: done) }
            var question = message
            question.replyTo = inbox
            guard publish(question)?.heard == true else {
                return fail(inbox, StoreError(.notStored, "nobody answers on \(message.subject)"))
            }
            answers.asyncAfter(deadline: .now() + .milliseconds(timeoutMilliseconds)) {
                self.fail(inbox, StoreError(.unknown, "no answer on \(message.subject) in \(timeoutMilliseconds) ms"))
            }
        }

        private func fail(_ inbox: String, _ error: StoreError) {
            guard let request = state.withLock({ $0.requests.removeValue(forKey: inbox) }) else { return }
            answers.async { request.done(.failure(error)) }
        }

        // MARK: Durable

        /// Makes a stream when it is not there. - Parameter newestKept: For one that nobody consumes.
        func declare(stream: String, _ pattern: SubjectPattern, newestKept: Int? = nil) {
            state.withLock {
                guard $0.streams[stream] == nil else { return }
                $0.streams[stream] = Stream(pattern: pattern, durable: DurableStream(newestKept: newestKept))
            }
        }

        private func store(
            _ message: BusMessage, _ tokens: [Substring], dedupID: String?, _ state: inout State
        ) -> DurableStream.Storing? {
            guard let name = state.streams.first(where: { $0.value.pattern.matches(tokens) })?.key else { return nil }
            let storing = state.streams[name]?.durable.store(
                message, dedupID: dedupID, nowNanoseconds: time.monotonicNanoseconds())
            if storing == .full { dropped.increment() }
            if storing == .stored { handOut(name, &state) }
            return storing
        }

        func add(_ consumer: Consumer, inFlightMax: Int) {
            state.withLock { state in
                state.consumers[consumer.id] = consumer
                state.streams[consumer.stream]?.durable.add(consumer: consumer.id, inFlightMax: inFlightMax)
                handOut(consumer.stream, &state)
            }
        }

        private func handOut(_ stream: String, _ state: inout State) {
            for handout in state.streams[stream]?.durable.handOut() ?? [] {
                // Bounded by `inFlightMax`; a consumer that closed meanwhile gives back what it held.
                _ = state.consumers[handout.consumer]?.subscription.deliver(handout)
            }
        }

        func settle(_ handout: DurableStream.Handout, _ settlement: DurableMessage.Settlement, stream: String) {
            state.withLock { state in
                switch settlement {
                case .done: state.streams[stream]?.durable.done(handout)
                case .retry(let milliseconds):
                    guard state.streams[stream]?.durable.giveBack(handout) == true else { return }
                    answers.asyncAfter(deadline: .now() + .milliseconds(max(0, milliseconds))) {
                        self.makeReady(handout.sequence, stream)
                    }
                }
                handOut(stream, &state)
            }
        }

        private func makeReady(_ sequence: UInt64, _ stream: String) {
            state.withLock { state in
                state.streams[stream]?.durable.makeReady(sequence)
                handOut(stream, &state)
            }
        }

        // MARK: Closing

        /// Takes a node off the network, and returns when none of its handlers runs any more.
        func remove(node: UInt64) async {
            let (subscriptions, consumers, requests) = state.withLock { state in
                let subscriptions = state.subscribers.filter { $0.node == node }.map(\.subscription)
                state.subscribers.removeAll { $0.node == node }
                let consumers = state.consumers.values.filter { $0.node == node }
                for consumer in consumers { state.consumers[consumer.id] = nil }
                let requests = state.requests.filter { $0.value.node == node }
                for inbox in requests.keys { state.requests[inbox] = nil }
                return (subscriptions, consumers, requests.values.map(\.done))
            }
            for subscription in subscriptions { await subscription.close() }
            for consumer in consumers { await consumer.subscription.close() }
            // Only now: a handler that was still at it may settle what it had.
            state.withLock { state in
                for consumer in consumers {
                    state.streams[consumer.stream]?.durable.remove(consumer: consumer.id)
                    handOut(consumer.stream, &state)
                }
            }
            for done in requests { done(.failure(StoreError(.unknown, "the bus was closed"))) }
        }
    }
}
