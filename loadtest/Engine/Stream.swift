/// The streams of numbers that a session's checks follow.
enum Stream: UInt8, CaseIterable {
    case seq, notes, live, topic, messages, own

    var name: String {
        switch self {
        case .seq: "seq"
        case .notes: "notification"
        case .live: "live"
        case .topic: "topic"
        case .messages: "message"
        case .own: "own message"
        }
    }

    /// Whether a number after a later one is a fault. Notifications go through several notifiers and may be appended in
    /// another order than they were published; their order in the timeline is that of `seq`.
    var isOrdered: Bool { self != .notes }

    /// Not stored: what nobody listens to does not come later.
    var isLive: Bool { self == .live || self == .topic }

    /// Whose number a marker must have in an event that reaches this session: the session itself, its topic, or the
    /// other one of its pair.
    /// - Parameter session: Its number in the whole run.
    func owner(session: Int, topics: Int) -> UInt32 {
        switch self {
        case .seq, .notes, .live, .own: UInt32(truncatingIfNeeded: session)
        case .topic: UInt32(truncatingIfNeeded: session % max(1, topics))
        case .messages: UInt32(truncatingIfNeeded: session ^ 1)
        }
    }
}

/// Numbers of sessions that need more than a window: those that left it unseen, and those that were never accepted.
struct NumberSet {
    private var keys: Set<UInt64> = []

    private static func key(_ stream: Stream, _ session: Int, _ number: UInt32) -> UInt64 {
        UInt64(stream.rawValue) << 56 | UInt64(session) << 32 | UInt64(number)
    }

    var count: Int { keys.count }

    mutating func insert(_ stream: Stream, _ session: Int, _ number: UInt32) {
        keys.insert(Self.key(stream, session, number))
    }

    /// - Returns: Whether it was there.
    mutating func remove(_ stream: Stream, _ session: Int, _ number: UInt32) -> Bool {
        keys.remove(Self.key(stream, session, number)) != nil
    }

    func contains(_ stream: Stream, _ session: Int, _ number: UInt32) -> Bool {
        !keys.isEmpty && keys.contains(Self.key(stream, session, number))
    }

    /// The numbers of a stream of a session; costs a walk over all.
    func all(_ body: (Stream, Int, UInt32) -> Void) {
        for key in keys {
            guard let stream = Stream(rawValue: UInt8(key >> 56)) else { continue }
            body(stream, Int(key >> 32 & 0xFF_FFFF), UInt32(truncatingIfNeeded: key))
        }
    }
}
