import Core

/// What somebody wants to do in a conversation; judged and applied by the store in one atomic step.
public enum ConversationChange: Hashable, Sendable {
    /// `body` is a JSON object as it came.
    case send(cid: ClientMessageID, body: [UInt8])
    case edit(n: Int64, body: [UInt8])
    case recall(n: Int64)
    /// `key` is a name (`EventID`'s characters) of at most `Limits.reactionKeyBytesMax`.
    case react(n: Int64, key: String, on: Bool)
    /// Moves the author's cursor: forward only, unless `force` (PROTOCOL §2.3).
    case read(n: Int64, force: Bool)
    /// Notes how far a device of the author has received; forward only, no entry.
    case delivered(n: Int64)
    /// The author is writing; nothing is stored, only who may know of it is asked.
    case typing
    /// The author no longer takes messages from the partner, or does again; direct conversations only, no entry.
    case block(on: Bool)
    /// Makes the group; the author is its owner and first member.
    case create(title: String?, members: [UserID])
    case update(title: String)
    case add([UserID])
    case remove([UserID])
    case leave
}

/// What a change came to.
public enum CommitOutcome: Hashable, Sendable {
    /// It is an entry of the log now; its members are to be advanced.
    case appended(Commit)
    /// The same `cid` was stored before: the first result. Also for a group that this author made with this `cid`.
    /// Nobody may have been told of it yet: members are to be advanced as after `appended`.
    case duplicate(Commit)
    /// There was nothing to do, or nothing that the log holds: everybody is as before, but for `delivered` and `block`.
    case noted(Audience)
    /// The author's own cursor moves without an entry: everywhere but in conversations of up to
    /// `Limits.receiptMembersMax` members, and also when it stood there already, since the author's own side may not
    /// know yet.
    case cursor(n: Int64, own: Int64)
    /// Nothing was changed.
    case refused(ApusError)

    /// Who else is in the conversation.
    public struct Audience: Hashable, Sendable {
        /// All members, the author among them; only the author where one of the two blocks the other.
        public var members: [UserID]
        /// Whether something changed.
        public var changed: Bool
        /// After `delivered`: the message up to which the author has received, never beyond the newest. Otherwise nil.
        public var deliveredN: Int64?

        public init(members: [UserID], changed: Bool, deliveredN: Int64? = nil) {
            self.members = members
            self.changed = changed
            self.deliveredN = deliveredN
        }
    }
}

/// An entry that was just appended.
public struct Commit: Hashable, Sendable {
    public var entry: LogEntry
    /// The entry before it.
    public var previous: EntryPosition
    /// Everybody whose timeline it concerns: all members, and those who were just removed.
    public var members: [UserID]
    /// Whether it is written into the members' timelines; otherwise the group is too large (`StoreLimits.groupFanOut`),
    /// they are told live and read the log. Changes of membership are always written, for those whom they concern.
    public var isFannedOut: Bool
    /// The group is too large: the cursors of those whom it concerns do not follow the log.
    public var isLarge: Bool
    /// The mark in the set of what is not finished; to be given to `finish` when all members are advanced.
    public var ticket: FanOutTicket

    public init(
        entry: LogEntry, previous: EntryPosition, members: [UserID], isFannedOut: Bool, isLarge: Bool,
        ticket: FanOutTicket
    ) {
        self.entry = entry
        self.previous = previous
        self.members = members
        self.isFannedOut = isFannedOut
        self.isLarge = isLarge
        self.ticket = ticket
    }
}

/// Names the mark of one commit in the set of what is not finished. Finishing one takes no other commit's mark away: who
/// was removed by an earlier entry is not among the members of a later one.
public struct FanOutTicket: Hashable, Sendable {
    public var conversation: ConversationID
    /// The adapter's own.
    public var mark: String

    public init(conversation: ConversationID, mark: String) {
        self.conversation = conversation
        self.mark = mark
    }
}
