/// One session of the load generator. Everything that is kept of it while it is idle is here, in a flat array: no
/// object, no buffer, no string.
struct SessionRecord {
    enum Phase: UInt8 {
        /// Not wanted yet, or given up.
        case none
        case connecting, upgrading, greeting
        /// Welcomed, and its subscriptions are not answered yet.
        case subscribing
        case open
        /// Waits for its time to connect again.
        case waiting
    }

    struct Flags: OptionSet {
        let rawValue: UInt16
        /// It was welcomed before: the next hello resumes.
        static let welcomed = Flags(rawValue: 1)
        /// It was told `behind`, and `sync` is not answered yet.
        static let behind = Flags(rawValue: 2)
        /// It was open before.
        static let wasOpen = Flags(rawValue: 4)
        /// A resume has not brought everything yet.
        static let resuming = Flags(rawValue: 8)
        /// `since` stands until it is open: later attempts count from there as well.
        static let due = Flags(rawValue: 16)
        /// It was told to ask later: `sync`, `subscribe`.
        static let pullsLater = Flags(rawValue: 32)
        static let subscribesLater = Flags(rawValue: 64)
        /// It never reads.
        static let slow = Flags(rawValue: 128)
        /// The next message may have any number in its conversation.
        static let conversationIsNew = Flags(rawValue: 256)
        /// The server said when to come back.
        static let draining = Flags(rawValue: 512)
        /// It was the tool that ended its last connection: its absence is not the server's.
        static let dropped = Flags(rawValue: 1024)
    }

    var descriptor: Int32 = -1
    /// Tells events of an earlier connection of this session from those of the present one.
    var generation: UInt16 = 0
    var phase = Phase.none
    /// Failed attempts in a row.
    var attempts: UInt8 = 0
    var flags: Flags = []
    /// When the attempt to connect began, or it began to listen; milliseconds of the run.
    var changed: UInt32 = 0
    /// When it was to come in or back: what it takes counts from here, however many attempts that are.
    var since: UInt64 = 0

    // Where it stands in its timeline; the numbers themselves are the ledger's.
    /// A resume is complete when this number is there.
    var resumeTarget: UInt32 = 0
    /// How many messages its conversation has.
    var conversationN: UInt32 = 0
    var epoch = InlineText()
    /// The id of the newest event.
    var last = InlineText()

    // How many were published for it, and sent by it.
    var notified: UInt32 = 0
    var liveSent: UInt32 = 0
    var messagesSent: UInt32 = 0
    /// Of those, how many were not answered yet.
    var unanswered: UInt16 = 0

    var isOpen: Bool { phase == .open }
    var isConnected: Bool { phase == .open || phase == .subscribing }

    /// Whether its user may write now: also while it is away, unless the tool keeps it away or it does not come back.
    func mayWrite(_ now: UInt64) -> Bool {
        isOpen || (flags.contains(.welcomed) && phase != .none && (!flags.contains(.dropped) || since <= now))
    }

    /// Whether the latency of what was meant to be sent at `time` is the server's: not while the tool kept it away.
    func isCharged(_ time: UInt64) -> Bool { !flags.contains(.slow) && (!flags.contains(.dropped) || time >= since) }
}
