import Core

/// What follows a position in a log.
public struct EntryPage: Hashable, Sendable {
    /// From where the entries follow: the position asked for, or a later one when the member joined after it. When the
    /// log has no such entry, or another id there, it forked: `entries` is empty and `isForked` set.
    public var from: EntryPosition
    public var isForked: Bool
    public var entries: [LogEntry]
    /// The newest entry of the log.
    public var head: EntryPosition
    /// Everybody whose timeline is to be advanced, as of now.
    public var members: [UserID]

    public init(
        from: EntryPosition, isForked: Bool, entries: [LogEntry], head: EntryPosition, members: [UserID]
    ) {
        self.from = from
        self.isForked = isForked
        self.entries = entries
        self.head = head
        self.members = members
    }
}

/// Which messages are wanted.
public enum HistoryRange: Hashable, Sendable {
    /// The newest ones with a number below; nil: the newest of all.
    case before(Int64?)
    /// The oldest ones with a number above.
    case after(Int64)
}

/// A page of messages, ascending.
public struct HistoryPage: Hashable, Sendable {
    public var messages: [StoredMessage]
    /// Whether there are more in the direction that was asked for.
    public var more: Bool

    public init(messages: [StoredMessage], more: Bool) {
        self.messages = messages
        self.more = more
    }
}

/// A conversation as one of its members sees it, from the conversation's side.
public struct ConversationSummary: Hashable, Sendable {
    public var conversation: ConversationID
    /// The first `Limits.membersShownMax`, in the order in which they joined.
    public var members: [UserID]
    public var memberCount: Int
    /// Who made the group, or the longest-standing member when that one left; nil for a direct conversation.
    public var owner: UserID?
    public var title: String?
    public var head: EntryPosition
    /// The number of the newest message; 0 when there is none.
    public var messages: Int64
    /// The newest message that the member may see.
    public var last: StoredMessage?
    /// The member's cursor, and how many messages up to it are the member's own.
    public var readN: Int64
    public var readOwn: Int64
    /// How many messages in all are the member's own.
    public var own: Int64
    /// How far the others are, in conversations of up to `Limits.receiptMembersMax` members.
    public var others: [MemberProgress]
    /// Whether the member takes no messages from the partner.
    public var isBlocked: Bool

    public struct MemberProgress: Hashable, Sendable {
        public var user: UserID
        public var readN: Int64
        public var deliveredN: Int64

        public init(user: UserID, readN: Int64, deliveredN: Int64) {
            self.user = user
            self.readN = readN
            self.deliveredN = deliveredN
        }
    }

    public init(
        conversation: ConversationID, members: [UserID], memberCount: Int, owner: UserID?, title: String?,
        head: EntryPosition, messages: Int64, last: StoredMessage?, readN: Int64, readOwn: Int64, own: Int64,
        others: [MemberProgress], isBlocked: Bool
    ) {
        self.conversation = conversation
        self.members = members
        self.memberCount = memberCount
        self.owner = owner
        self.title = title
        self.head = head
        self.messages = messages
        self.last = last
        self.readN = readN
        self.readOwn = readOwn
        self.own = own
        self.others = others
        self.isBlocked = isBlocked
    }
}

/// Port: conversations and their logs (DESIGN §3).
///
/// Contract, which `ConversationStoreContract` in ApusTesting checks of every adapter:
/// - Every call is one atomic step in one conversation's data (`summaries`: in each). A change is validated before the
///   first write, so it happens whole or not at all.
/// - Edits keep their own bodies; the entry of a message shows the body that it has now.
/// - Entries are numbered 1, 2, 3 … and messages `n` 1, 2, 3 …, both without holes. An entry never changes, except that
///   a recall takes the body out of the message and of all its edits, and an edit puts another one into the message.
/// - A direct conversation exists for both users from its first message on. A group exists from `create`.
/// - The conversation is in the set of what is not finished before its entry is in the log: a note too many does no harm.
/// - `send` answers `duplicate` to a (sender, cid) of the last `dedupMilliseconds` with the same body, and refuses it with
///   `conflict` when the body is another one; also after the message was edited or recalled.
/// - Who is not a member gets `not_found` for everything, as if the conversation did not exist. Members of a group see
///   messages from their joining on, and nothing once they have left.
/// - `send` in a direct conversation where one of the two blocks the other is refused with `forbidden`, as are `edit` and
///   `react`. Nothing is stored, and no number is used up.
/// - `edit` and `recall` are for the sender's own messages; what was recalled cannot be edited or reacted to (`not_found`).
///   Recalling again, setting a reaction that is set, or a cursor that stands there already: `noted` or `cursor`.
/// - An `n` of `read` or `delivered` beyond the newest message counts as the newest. A `read` is an entry where all
///   members are told of it: up to `Limits.receiptMembersMax` of them, and not in groups above `groupFanOut`.
/// - In groups every member may write, `add` and `update`; only the owner may `remove`.
/// - Calls for one conversation from one thread are applied in order. Answers follow `Completion`.
public protocol ConversationStore: Sendable {
    /// Applies a change. `id` becomes the id of its entry.
    func commit(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, id: EventID,
        nowMilliseconds: Int64, _ done: @escaping Completion<CommitOutcome>)

    /// Reads what follows a position, for bringing a member's timeline forward. With a nil position, from the member's
    /// joining on. A nil member asks for the members and the head alone. nil: there is no such conversation, or the user
    /// is not, and was not just now, a member.
    func entries(
        of conversation: ConversationID, for member: UserID?, after position: EntryPosition?, limit: Int,
        _ done: @escaping Completion<EntryPage?>)

    /// Reads messages; nil for strangers. The two of a direct conversation without messages get an empty page.
    func history(
        of conversation: ConversationID, for member: UserID, _ range: HistoryRange, limit: Int,
        _ done: @escaping Completion<HistoryPage?>)

    /// Describes conversations, in their order; nil for those that the user is no member of.
    func summaries(
        of conversations: [ConversationID], for member: UserID, _ done: @escaping Completion<[ConversationSummary?]>)

    /// Hands out conversations that were marked before `beforeMilliseconds` and are not finished. Each is claimed for a
    /// minute: another sweeper does not get it meanwhile.
    func claimUnfinished(
        limit: Int, beforeMilliseconds: Int64, nowMilliseconds: Int64, _ done: @escaping Completion<[FanOutTicket]>)

    /// All members are advanced: takes the mark away, unless a later commit has replaced it.
    func finish(_ ticket: FanOutTicket, _ done: @escaping Completion<Void>)
}
