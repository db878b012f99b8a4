import Core

/// How a member's timeline is brought forward in one conversation.
public struct AdvanceStep: Hashable, Sendable {
    public enum Mode: Hashable, Sendable {
        /// The entries follow `from`, and the member's cursor must fit them by number and id.
        case follow
        /// As `follow`, but a cursor that is not there, or stands before `from`, is put to `from` first: one who joins
        /// (again), or whose group is too large for its members' cursors to follow.
        case join
        /// The one entry is no part of the log and does not move the cursor: a `read` that only its author sees. Forward
        /// only, unless forced.
        case aside(force: Bool)
        /// The log is not the one that the member's timeline followed: cursor and counts are taken from here, and the
        /// timeline gets a `conversation.reset` event with this id.
        case reset(id: EventID, ConversationCounts)
    }

    public var mode: Mode
    /// The position before the first entry; after a reset, that of the log's head.
    public var from: EntryPosition
    /// Consecutive, beginning right after `from`; at most `Limits.advanceEntriesMax`.
    public var entries: [LogEntry]

    public init(mode: Mode = .follow, from: EntryPosition, entries: [LogEntry]) {
        self.mode = mode
        self.from = from
        self.entries = entries
    }
}

/// The cursors from which a member's unread count of a conversation is derived.
public struct ConversationCounts: Hashable, Sendable {
    /// Messages in the conversation, and how many of them are the member's own.
    public var messages: Int64
    public var own: Int64
    /// The member's cursor, and how many messages up to it are the member's own.
    public var readN: Int64
    public var readOwn: Int64

    public init(messages: Int64 = 0, own: Int64 = 0, readN: Int64 = 0, readOwn: Int64 = 0) {
        self.messages = messages
        self.own = own
        self.readN = readN
        self.readOwn = readOwn
    }

    /// Messages of others after the cursor. Never counted up or down (DESIGN §3).
    public var unread: Int { Int(max(0, (messages - readN) - (own - readOwn))) }
}

/// What an advance came to.
public enum AdvanceOutcome: Hashable, Sendable {
    case advanced(Advance)
    /// The member's cursor stands before `from`: what lies between must come first. nil: the member has none yet.
    case gap(after: EntryPosition?)
    /// The cursor stands behind the last entry: either others were faster, or the log lost its tail; the log knows.
    case beyond(EntryPosition)
    /// The cursor's id is not the one that stands in the log.
    case forked

    public struct Advance: Hashable, Sendable {
        /// What was appended to the timeline; empty when all of it was there already.
        public var entries: [AppendedEntry]
        public var routes: [SessionRoute]
        public var state: MembershipState

        public init(entries: [AppendedEntry], routes: [SessionRoute], state: MembershipState) {
            self.entries = entries
            self.routes = routes
            self.state = state
        }
    }
}

/// Where a member stands in a conversation, and the totals of the user.
public struct MembershipState: Hashable, Sendable {
    public var readN: Int64
    /// Unread messages of this conversation, muted or not.
    public var conversationUnread: Int
    /// Of all conversations that are not muted.
    public var unread: Unread

    public init(readN: Int64, conversationUnread: Int, unread: Unread) {
        self.readN = readN
        self.conversationUnread = conversationUnread
        self.unread = unread
    }
}

/// A conversation in a user's list.
public struct Membership: Hashable, Sendable {
    public var conversation: ConversationID
    public var cursor: EntryPosition
    public var counts: ConversationCounts
    public var isMuted: Bool

    public init(conversation: ConversationID, cursor: EntryPosition, counts: ConversationCounts, isMuted: Bool) {
        self.conversation = conversation
        self.cursor = cursor
        self.counts = counts
        self.isMuted = isMuted
    }
}

/// A page of a user's list, newest activity first.
public struct MembershipPage: Hashable, Sendable {
    public var memberships: [Membership]
    /// Where the next page begins; nil when this was the last.
    public var cursor: String?

    public init(memberships: [Membership], cursor: String?) {
        self.memberships = memberships
        self.cursor = cursor
    }
}

/// What a change of the user's own settings came to.
public struct PersonalOutcome: Hashable, Sendable {
    /// The event for the user's other devices; nil when nothing changed.
    public var entry: AppendedEntry?
    public var routes: [SessionRoute]

    public init(entry: AppendedEntry?, routes: [SessionRoute]) {
        self.entry = entry
        self.routes = routes
    }
}

/// What a user decides for oneself.
public enum PersonalChange: Hashable, Sendable {
    /// A muted conversation does not count in the totals.
    case mute(ConversationID, on: Bool)
    /// The list of blocked users; the direct conversation knows it too (`ConversationChange.block`) and enforces it.
    case block(UserID, on: Bool)
}

/// Port: a user's side of conversations: list, cursors, mute, blocked users, and the timeline that they write into.
///
/// Contract, which `MembershipStoreContract` in ApusTesting checks of every adapter:
/// - Every call is one atomic step in one user's data: cursor, list, totals and timeline together.
/// - `advance` is idempotent: entries at or before the member's cursor change nothing, so any node may run any step any
///   number of times, and steps that overlap.
/// - Unread is derived from `ConversationCounts`; the totals are the sum over conversations that are not muted.
/// - A member without a cursor fits a step from `EntryPosition.start`. A step without entries asks where the member is.
/// - A member who was removed or left gets that entry, and is then out of the list; nothing counts any more. The cursor
///   is kept, so that the same steps again change nothing.
/// - Activity is a message or becoming a member; the list is ordered by the timeline's `seq` of it.
/// - A `recalled` entry takes the body out of what the timeline holds of that message, at the latest: a store may do it
///   as soon as the message is recalled.
/// - Frames are exactly those of `ChatFrames`.
/// - Calls for one user from one thread are applied in order, together with those of the other ports of that user.
public protocol MembershipStore: Sendable {
    func advance(
        _ user: UserID, in conversation: ConversationID, by step: AdvanceStep, nowMilliseconds: Int64,
        _ done: @escaping Completion<AdvanceOutcome>)

    /// A page of the list; `cursor` as an earlier page gave it (any other begins at the end).
    func conversations(
        of user: UserID, before cursor: String?, limit: Int, _ done: @escaping Completion<MembershipPage>)

    /// Where the user stands in one conversation; nil counts when it is not in the list.
    func state(
        of user: UserID, in conversation: ConversationID, nowMilliseconds: Int64,
        _ done: @escaping Completion<MembershipState?>)

    /// Changes a setting; `id` becomes the id of the event. `mute` of a conversation that is not in the list: nil.
    func apply(
        _ change: PersonalChange, of user: UserID, id: EventID, nowMilliseconds: Int64,
        _ done: @escaping Completion<PersonalOutcome?>)

    /// The users whom this user blocks, in the order in which that was done.
    func blocks(of user: UserID, _ done: @escaping Completion<[UserID]>)

    /// Adds up the totals from the cursors one by one and compares with what is shown; answers the difference, which
    /// must be 0.
    func messageDrift(of user: UserID, _ done: @escaping Completion<Int>)
}
