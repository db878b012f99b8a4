import Bus
import Dispatch
import Metrics
import Synchronization

/// What waits for the socket. Publishing adds to it and returns; one thread writes it out, in order.
///
/// The library's publish waits when the socket is full, and event loops must never wait: hence this queue. It is bounded,
/// and empty while there is no connection: what cannot be sent is dropped and counted.
final class Outbox: Sendable {
    /// Why a message that waits for an answer was not sent.
    typealias Failure = @Sendable (_ token: UInt64, NATSLink.Sent) -> Void

    struct Item: Sendable {
        var message: BusMessage
        /// Of a request, so that it fails at once when it cannot be sent.
        var token: UInt64?
        /// Nobody waits for it: it may be sent a millisecond later, together with others.
        var isPatient = false

        /// What it weighs against the bound: the payload, and something for the rest.
        var bytes: Int { message.payload.count + 256 }
    }

    private struct State {
        var link: NATSLink?
        var waiting: [Item] = []
        var bytes = 0
        var isWriting = false
    }

    /// The thread that writes; also for other calls that wait for the socket.
    let queue = DispatchQueue(label: "apus.nats.outbox")
    private let messagesMax: Int
    private let bytesMax: Int
    private let failed: Failure
    private let dropped = Counter(label: "apus_nats_dropped_total")
    private let droppedCount = Atomic<Int>(0)
    private let state = Mutex(State())

    init(messagesMax: Int, bytesMax: Int, failed: @escaping Failure) {
        self.messagesMax = messagesMax
        self.bytesMax = bytesMax
        self.failed = failed
    }

    /// Messages dropped since the start.
    var droppedTotal: Int { droppedCount.load(ordering: .relaxed) }

    /// Where to write from now on; nil while there is no connection.
    func use(_ link: NATSLink?) {
        state.withLock { $0.link = link }
    }

    /// Takes a message; false when it was dropped, because there is no connection or the queue is full.
    @discardableResult
    func add(_ message: BusMessage, token: UInt64? = nil, isPatient: Bool = false) -> Bool {
        let item = Item(message: message, token: token, isPatient: isPatient)
        let (taken, startWriting) = state.withLock { state -> (Bool, Bool) in
            guard state.link != nil, state.waiting.count < messagesMax, state.bytes + item.bytes <= bytesMax else {
                return (false, false)
            }
            state.waiting.append(item)
            state.bytes += item.bytes
            defer { state.isWriting = true }
            return (true, !state.isWriting)
        }
        if startWriting { queue.async { self.write() } }
        if !taken { countDropped() }
        return taken
    }

    func countDropped() {
        dropped.increment()
        droppedCount.add(1, ordering: .relaxed)
    }

    /// Waits until what was added before is written or dropped, and the server has it all.
    func flush(milliseconds: Int) async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            queue.async {
                let link = self.state.withLock { $0.link }
                _ = link?.flush(milliseconds: milliseconds)
                done.resume()
            }
        }
    }

    /// Writes what waits now, and then lets `flush` have its turn before the rest.
    private func write() {
        let (items, link) = state.withLock { state in
            defer {
                state.waiting = []
                state.bytes = 0
            }
            return (state.waiting, state.link)
        }
        for item in items { write(item, to: link) }
        let isMore = state.withLock { state in
            state.isWriting = !state.waiting.isEmpty
            return state.isWriting
        }
        if isMore { queue.async { self.write() } }
    }

    private func write(_ item: Item, to link: NATSLink?) {
        let outcome = link?.publish(item.message, isPatient: item.isPatient) ?? .notSent("the connection was lost")
        if case .sent = outcome { return }
        countDropped()
        if let token = item.token { failed(token, outcome) }
    }
}
