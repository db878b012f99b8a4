import Core

/// Where one session stands in its user's timeline, and what follows from each thing that it hears (G5, G6).
///
/// A pure state machine: the shard feeds it hints and pages and does what it answers. It never lets an event through
/// that is not the next one, by number and by the id of the one before. Ids are kept as fingerprints: 8 bytes each.
///
///        opened            hint skips one, or does not fit
///     ───────────► live ──────────────────────────────────► reading ──┐
///                   ▲ ▲                                       │  ▲    │ failed
///                   │ └────── page reaches the head ──────────┘  └─ stale (asked again at the next tick)
///                   │
///       overflow    │ client pulled up to the head by `sync`
///     behind ◄──────┘
public struct SessionStream: Hashable, Sendable {
    public enum Phase: UInt8, Sendable {
        /// The next event may be written at once.
        case live
        /// A read is under way.
        case reading
        /// A read failed; it is to be repeated.
        case stale
        /// The session is slow: bodies are withheld until it has pulled (`behind`).
        case behind
    }

    public private(set) var phase: Phase
    /// The last event that the session was given.
    public private(set) var seq: Int64
    private var last: UInt64
    private let epoch: UInt64
    /// The furthest hint that came while a read was under way or bodies were withheld.
    private var hinted: Int64 = 0

    /// Begins at `head` when the session starts there, or at the position from which a replay goes on.
    public init(epoch: String, seq: Int64, last: String, headSeq: Int64) {
        self.epoch = Fingerprint.of(epoch.utf8)
        self.seq = seq
        self.last = Fingerprint.of(last.utf8)
        phase = seq < headSeq ? .reading : .live
    }

    // MARK: Hints

    public enum HintAction: Hashable, Sendable {
        /// It is the next event: write it.
        case deliver
        /// It is known, or will be found by what is under way.
        case ignore
        /// Something is missing or does not fit: read from `readAfter`.
        case read
    }

    /// An event was appended. `previous` and `id` are fingerprints.
    public mutating func hint(seq hint: Int64, previous: UInt64, id: UInt64) -> HintAction {
        guard phase == .live else { return note(hint) }
        if hint == seq + 1, previous == last {
            seq = hint
            last = id
            return .deliver
        }
        if hint == seq, id == last { return .ignore }
        return startReading()
    }

    /// The head of the timeline was seen somewhere. `epoch` and `id` are fingerprints; a nil epoch is not compared.
    public mutating func head(epoch seen: UInt64?, seq head: Int64, id: UInt64) -> HintAction {
        guard phase == .live else { return note(head) }
        if head == seq, id == last, seen == nil || seen == epoch { return .ignore }
        return startReading()
    }

    /// An event with this number is known to exist; its id is not at hand.
    public mutating func reaches(seq reached: Int64) -> HintAction {
        guard phase == .live else { return note(reached) }
        return reached <= seq ? .ignore : startReading()
    }

    private mutating func note(_ hint: Int64) -> HintAction {
        hinted = max(hinted, hint)
        return .ignore
    }

    private mutating func startReading() -> HintAction {
        phase = .reading
        hinted = 0
        return .read
    }

    // MARK: Reading

    /// From where to read: the session's own last event is read again, so that its id can be compared.
    public var readAfter: Int64 { max(seq - 1, 0) }

    public enum PageAction: Hashable, Sendable {
        /// Write these, then do what `next` says.
        case deliver(ArraySlice<TimelineEntry>, next: Next)
        /// The timeline is not the one that this session saw: it must resume, and will be told `resync`.
        case lost(ResyncReason)

        public enum Next: Hashable, Sendable { case live, read }
    }

    /// The read that began at `readAfter` is back.
    public mutating func page(_ page: TimelinePage) -> PageAction {
        precondition(phase == .reading, "a page came that nobody asked for")
        if let reason = page.resync { return .lost(reason) }
        guard Fingerprint.of(page.head.epoch.utf8) == epoch else { return .lost(.epochChanged) }
        guard page.head.seq >= seq else { return .lost(.ahead) }
        var fresh = page.entries[...]
        if seq > 0 {
            guard let own = fresh.popFirst(), own.seq == seq else { return .lost(.trimmed) }
            guard Fingerprint.of(own.id.utf8) == last else { return .lost(.idMismatch) }
        }
        if let newest = fresh.last {
            seq = newest.seq
            last = Fingerprint.of(newest.id.utf8)
        }
        guard seq < page.head.seq || seq < hinted else {
            phase = .live
            return .deliver(fresh, next: .live)
        }
        hinted = 0
        return .deliver(fresh, next: .read)
    }

    /// The read failed; `retry` begins another one.
    public mutating func readFailed() {
        if phase == .reading { phase = .stale }
    }

    /// Begins the read again that failed. - Returns: whether there is one to begin.
    public mutating func retry() -> Bool {
        guard phase == .stale else { return false }
        return startReading() == .read
    }

    // MARK: Slow sessions

    /// The session's output is full: nothing more is written until it has pulled. A read under way is void.
    /// - Returns: false when it was so already.
    public mutating func overflow() -> Bool {
        guard phase != .behind else { return false }
        phase = .behind
        hinted = 0
        return true
    }

    /// The session pulled a page by itself that reaches the head: live again from there.
    public mutating func caughtUp(to head: TimelineHead) -> HintAction {
        guard phase == .behind, head.seq >= seq else { return .ignore }
        seq = head.seq
        last = Fingerprint.of(head.last.utf8)
        phase = .live
        return hinted > seq ? startReading() : .ignore
    }
}
