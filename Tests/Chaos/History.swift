/// Microseconds since the run began, by one monotonic clock: all clients are in one process.
typealias Moment = Int64

/// What clients and producers did and heard in one run, and what stood in the store at its end. All as values: the checker
/// knows nothing else.
struct History: Sendable {
    var messages: [SentMessage] = []
    var notifications: [SentNotification] = []
    var devices: [DeviceRecord] = []
    /// By user, from `seq` 1 on.
    var timelines: [String: FinalTimeline] = [:]
    /// By user: ids of the inbox.
    var inboxes: [String: [String]] = [:]
    /// By conversation: what `history` says, ascending.
    var logs: [String: [LoggedMessage]] = [:]
    /// What nodes said of who is online.
    var presence: [PresenceSample] = []
    var outages: [NodeOutage] = []
    /// When the store might forget; nil: never.
    var loss: LossWindow?
}

/// One message that a client meant to send, with every attempt at it.
struct SentMessage: Sendable {
    var from: String
    /// Unique in the run.
    var cid: String
    var conversation: String
    var members: [String]
    var attempts: [Attempt] = []

    struct Attempt: Sendable {
        /// Which connection of the run, and which request on it.
        var connection: Int
        var place: Int
        var sentAt: Moment
        var answeredAt: Moment?
        var outcome = Outcome.unknown
    }

    enum Outcome: Hashable, Sendable {
        case ok(n: Int64, id: String, isDuplicate: Bool)
        /// The code of the error.
        case refused(String)
        /// No answer came.
        case unknown
    }

    /// What a client may conclude from all attempts (GUARANTEES, first paragraph).
    enum Standing: Hashable, Sendable { case stored, nowhere, unknown }

    var standing: Standing {
        var isNowhere = true
        for attempt in attempts {
            switch attempt.outcome {
            case .ok: return .stored
            // The one error that does not say whether it was stored (docs/protocol.md, "Replies").
            case .unknown, .refused("unavailable"): isNowhere = false
            case .refused: break
            }
        }
        return isNowhere ? .nowhere : .unknown
    }

    /// When the first ok came.
    var storedAt: Moment? {
        attempts.compactMap { attempt -> Moment? in
            guard case .ok = attempt.outcome else { return nil }
            return attempt.answeredAt
        }.min()
    }

    var firstSentAt: Moment? { attempts.first?.sentAt }
}

/// One notification that a producer published.
struct SentNotification: Sendable {
    var id: String
    var user: String
    var firstSentAt: Moment = 0
    /// When JetStream acknowledged it; nil: it did not.
    var acknowledgedAt: Moment?
}

/// An event as a client keeps it: its position.
struct Seen: Hashable, Sendable {
    var seq: Int64
    var id: String
}

/// Everything that one device heard, connection by connection.
struct DeviceRecord: Sendable {
    var user: String
    var name: String
    var sessions: [SessionRecord] = []
    /// Whether it was connected and had caught up when the run ended, so that its view must be whole.
    var isSettled = true
}

/// From one `welcome` to the end of the connection.
struct SessionRecord: Sendable {
    var node: String
    var openedAt: Moment
    /// The position that was given; nil for none.
    var resume: Seen?
    var epoch: String
    /// The head in `welcome`.
    var head: Seen
    var resumed: Bool
    /// The reason, when `welcome` said so.
    var resync: String?
    /// After a resync (or a first `hello`): the timeline up to the head, read afresh by `sync`. nil until it is whole.
    var afresh: [Seen]?
    /// What followed, in the order in which it came.
    var events: [Seen] = []
    var closeCode: UInt16?
    /// nil: it was still open when the run ended.
    var closedAt: Moment?
}

/// One user's timeline at the end.
struct FinalTimeline: Sendable {
    var epoch: String
    var events: [Event] = []

    struct Event: Sendable {
        var seq: Int64
        var id: String
        var content: Content
    }

    enum Content: Hashable, Sendable {
        case message(conversation: String, n: Int64, from: String, text: String)
        case notification
        /// `conversation.reset`: the client was told to read the conversation afresh.
        case reset(conversation: String)
        /// Anything else, by its name.
        case other(String)
    }
}

/// One message as `history` shows it. Clients of a run write the `cid` into the body, so it is known to everybody.
struct LoggedMessage: Hashable, Sendable {
    var n: Int64
    var id: String
    var from: String
    var text: String
}
