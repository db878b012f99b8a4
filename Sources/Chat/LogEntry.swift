import Core

/// A place in a conversation's log: the number of an entry and its id (DESIGN §2, rule 2).
public struct EntryPosition: Hashable, Sendable {
    /// 1, 2, 3 … without holes; 0 before the first entry.
    public var number: Int64
    /// The id of that entry; empty for number 0.
    public var id: String

    public init(number: Int64, id: String) {
        self.number = number
        self.id = id
    }

    public static let start = EntryPosition(number: 0, id: "")
}

/// One thing that happened in a conversation. All of them stand in one log and reach every member by one way (ADR 12).
public struct LogEntry: Hashable, Sendable {
    public var position: EntryPosition
    /// Milliseconds since 1970; never less than that of the entry before.
    public var timestampMilliseconds: Int64
    /// Who did it.
    public var author: UserID
    /// How many messages the conversation has up to and with this entry; for a message that is its own number `n`.
    public var messages: Int64
    public var content: Content

    public enum Content: Hashable, Sendable {
        /// A message; `body` is JSON as it came, nil once it was recalled.
        case message(cid: String, body: [UInt8]?)
        /// Message `n` has another body; nil when it was recalled since.
        case edited(n: Int64, body: [UInt8]?)
        case recalled(n: Int64)
        case reaction(n: Int64, key: String, on: Bool)
        /// The author has read up to `n`; `own` of those messages are the author's, so that what is unread can be derived.
        case read(n: Int64, own: Int64)
        case group(GroupChange)
    }

    public init(
        position: EntryPosition, timestampMilliseconds: Int64, author: UserID, messages: Int64, content: Content
    ) {
        self.position = position
        self.timestampMilliseconds = timestampMilliseconds
        self.author = author
        self.messages = messages
        self.content = content
    }
}

/// What changed in a group.
public struct GroupChange: Hashable, Sendable {
    /// The raw value stands on the wire as `change`.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case created, updated, added, removed, left
    }

    public var kind: Kind
    /// The new title; nil when it did not change.
    public var title: String?
    /// Who was added, removed or left, or is in it from the beginning.
    public var users: [UserID]

    public init(kind: Kind, title: String? = nil, users: [UserID] = []) {
        self.kind = kind
        self.title = title
        self.users = users
    }
}

/// A message as `history` and `conversations` show it.
public struct StoredMessage: Hashable, Sendable {
    public var n: Int64
    public var id: String
    public var timestampMilliseconds: Int64
    public var sender: UserID
    public var cid: String
    /// nil once it was recalled.
    public var body: [UInt8]?
    /// When it was last edited; milliseconds since 1970.
    public var editedMilliseconds: Int64?
    /// By key, in the order of their first appearance; each with its users in the order in which they reacted.
    public var reactions: [Reaction]

    public struct Reaction: Hashable, Sendable {
        public var key: String
        public var users: [UserID]

        public init(key: String, users: [UserID]) {
            self.key = key
            self.users = users
        }
    }

    public init(
        n: Int64, id: String, timestampMilliseconds: Int64, sender: UserID, cid: String, body: [UInt8]?,
        editedMilliseconds: Int64? = nil, reactions: [Reaction] = []
    ) {
        self.n = n
        self.id = id
        self.timestampMilliseconds = timestampMilliseconds
        self.sender = sender
        self.cid = cid
        self.body = body
        self.editedMilliseconds = editedMilliseconds
        self.reactions = reactions
    }
}
