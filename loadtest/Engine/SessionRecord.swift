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
        /// Live events may have been withheld: holes among them are no loss.
        static let wasBehind = Flags(rawValue: 4)
        /// A resume has not brought everything yet.
        static let resuming = Flags(rawValue: 8)
        /// The next live event may have any number: earlier ones came while nobody listened.
        static let liveIsNew = Flags(rawValue: 16)
        static let topicIsNew = Flags(rawValue: 32)
        /// It never reads.
        static let slow = Flags(rawValue: 64)
        /// The next message may have any number in its conversation.
        static let conversationIsNew = Flags(rawValue: 128)
        /// The server said when to come back.
        static let draining = Flags(rawValue: 256)
        /// Its closing was wanted.
        static let dropped = Flags(rawValue: 512)
    }

    var descriptor: Int32 = -1
    /// Tells events of an earlier connection of this session from those of the present one.
    var generation: UInt16 = 0
    var phase = Phase.none
    /// Failed attempts in a row.
    var attempts: UInt8 = 0
    var flags: Flags = []
    /// When the attempt to connect began.
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

    var isOpen: Bool { phase == .open }
    var isConnected: Bool { phase == .open || phase == .subscribing }
}
