import Bus
import Core

/// The decisions of a stream whose messages are handed out until they are settled: state without threads or clocks.
///
/// It lives in memory, as its publishers do: they are in the same process.
struct DurableStream {
    /// What the stream may hold. Past it, storing fails, and the backend hears so.
    static let messagesMax = 100_000
    static let bytesMax = 256 * 1024 * 1024
    /// How long a dedup id is remembered, as JetStream's default.
    static let dedupNanoseconds: UInt64 = 120_000_000_000

    /// A message on its way to a consumer.
    struct Handout: Sendable {
        let consumer: UInt64
        let sequence: UInt64
        let message: BusMessage
        let deliveries: Int
    }

    enum Storing: Equatable { case stored, duplicate, full }

    private struct Stored {
        let message: BusMessage
        var deliveries = 0
        /// The consumer that has it now.
        var holder: UInt64?
    }

    private struct Consumer {
        let id: UInt64
        let inFlightMax: Int
        var inFlight = 0
    }

    /// When set, the stream keeps that many messages and drops the oldest, instead of refusing new ones.
    private let newestKept: Int?
    private var stored: [UInt64: Stored] = [:]
    private var bytes = 0
    private var lastSequence: UInt64 = 0
    /// New messages in order, and those that came back, which go first.
    private var fresh = FirstInFirstOut<UInt64>()
    private var returned = FirstInFirstOut<UInt64>()
    private var consumers: [Consumer] = []
    private var turn = 0
    private var dedup: Set<String> = []
    private var dedupOrder = FirstInFirstOut<(id: String, at: UInt64)>()

    init(newestKept: Int? = nil) { self.newestKept = newestKept }

    var count: Int { stored.count }

    mutating func store(_ message: BusMessage, dedupID: String?, nowNanoseconds: UInt64) -> Storing {
        while let oldest = dedupOrder.first, oldest.at + Self.dedupNanoseconds <= nowNanoseconds {
            dedup.remove(oldest.id)
            dedupOrder.removeFirst()
        }
        if let dedupID, dedup.contains(dedupID) { return .duplicate }
        if let newestKept {
            while stored.count >= newestKept, let oldest = fresh.removeFirst() { forget(oldest) }
        }
        guard stored.count < Self.messagesMax, bytes + message.payload.count <= Self.bytesMax else { return .full }
        if let dedupID {
            dedup.insert(dedupID)
            dedupOrder.append((dedupID, nowNanoseconds))
        }
        lastSequence += 1
        stored[lastSequence] = Stored(message: message)
        bytes += message.payload.count
        fresh.append(lastSequence)
        return .stored
    }

    mutating func add(consumer id: UInt64, inFlightMax: Int) {
        consumers.append(Consumer(id: id, inFlightMax: max(1, inFlightMax)))
    }

    /// Takes a consumer away; what it held goes to others.
    mutating func remove(consumer id: UInt64) {
        consumers.removeAll { $0.id == id }
        for sequence in stored.filter({ $0.value.holder == id }).keys.sorted() { makeReady(sequence) }
    }

    /// Chooses what to hand out now, to the consumers in turn, as far as they have room.
    mutating func handOut() -> [Handout] {
        var handouts: [Handout] = []
        while let index = consumerWithRoom(), let sequence = nextReady() {
            consumers[index].inFlight += 1
            turn = index + 1
            guard var one = stored[sequence] else { continue }
            one.deliveries += 1
            one.holder = consumers[index].id
            stored[sequence] = one
            handouts.append(
                Handout(
                    consumer: consumers[index].id, sequence: sequence, message: one.message, deliveries: one.deliveries)
            )
        }
        return handouts
    }

    /// Whether the delivery is this consumer's to settle still; a stale one changes nothing.
    private func isCurrent(_ handout: Handout) -> Bool {
        stored[handout.sequence]?.holder == handout.consumer
            && stored[handout.sequence]?.deliveries == handout.deliveries
    }

    mutating func done(_ handout: Handout) {
        guard isCurrent(handout) else { return }
        release(handout.consumer)
        forget(handout.sequence)
    }

    private mutating func forget(_ sequence: UInt64) {
        if let gone = stored.removeValue(forKey: sequence) { bytes -= gone.message.payload.count }
    }

    /// Takes the message back from its consumer. - Returns: whether `makeReady` shall be called when its time has come.
    mutating func giveBack(_ handout: Handout) -> Bool {
        guard isCurrent(handout) else { return false }
        release(handout.consumer)
        stored[handout.sequence]?.holder = nil
        return true
    }

    mutating func makeReady(_ sequence: UInt64) {
        guard stored[sequence] != nil else { return }
        stored[sequence]?.holder = nil
        returned.append(sequence)
    }

    private mutating func release(_ consumer: UInt64) {
        guard let index = consumers.firstIndex(where: { $0.id == consumer }) else { return }
        consumers[index].inFlight -= 1
    }

    private func consumerWithRoom() -> Int? {
        consumers.indices.map { ($0 + turn) % consumers.count }.first {
            consumers[$0].inFlight < consumers[$0].inFlightMax
        }
    }

    private mutating func nextReady() -> UInt64? { returned.removeFirst() ?? fresh.removeFirst() }
}

/// A queue whose removals cost the same however long it is.
struct FirstInFirstOut<Element> {
    private var elements: [Element] = []
    private var head = 0

    var first: Element? { head < elements.count ? elements[head] : nil }

    mutating func append(_ element: Element) { elements.append(element) }

    @discardableResult
    mutating func removeFirst() -> Element? {
        guard let element = first else { return nil }
        head += 1
        if head > 64, head * 2 > elements.count {
            elements.removeFirst(head)
            head = 0
        }
        return element
    }
}

extension FirstInFirstOut: Sendable where Element: Sendable {}
