import Chat
import Core
import GRDB

/// A conversation's row, and with it the head of its log.
struct ConversationRow {
    let key: Int64
    let id: ConversationID
    var head: EntryPosition
    /// Of the head; milliseconds since 1970.
    var at: Int64
    var messages: Int64
    /// How many there are now.
    var members: Int
    var owner: Int64?
    var title: String?

    /// Otherwise it is here for its name, or for who blocks whom.
    var exists: Bool { head.number > 0 }
}

/// What a conversation knows of one of its members.
struct MemberRow {
    let user: Int64
    var joined: Int64
    /// Messages before the joining, which this member does not see.
    var hidden: Int64
    var own: Int64
    var readN: Int64
    var readOwn: Int64
    var deliveredN: Int64
    var blocks: Bool
    /// The entry that told of the removal; nil for a member.
    var removed: Int64?
}

/// Conversations and who is in them, inside a transaction of `GroupCommit`.
struct ConversationTable {
    let db: Database

    func find(_ id: ConversationID) throws -> ConversationRow? {
        try db.first(
            """
            SELECT conversation, number, id, at, messages, members, owner, title FROM conversations WHERE name = ?
            """, [id.text]
        ).map {
            ConversationRow(
                key: $0[0], id: id, head: EntryPosition(number: $0[1], id: $0[2]), at: $0[3], messages: $0[4],
                members: $0[5], owner: $0[6], title: $0[7])
        }
    }

    func findOrBegin(_ id: ConversationID) throws -> ConversationRow {
        if let row = try find(id) { return row }
        try db.run("INSERT INTO conversations (name) VALUES (?)", [id.text])
        return ConversationRow(
            key: db.lastInsertedRowID, id: id, head: .start, at: 0, messages: 0, members: 0, owner: nil, title: nil)
    }

    func save(_ row: ConversationRow) throws {
        try db.run(
            """
            UPDATE conversations SET number = ?, id = ?, at = ?, messages = ?, members = ?, owner = ?, title = ?
            WHERE conversation = ?
            """,
            [row.head.number, row.head.id, row.at, row.messages, row.members, row.owner, row.title, row.key])
    }

    // MARK: Members

    /// Also one who was removed; nil for who never was a member.
    func member(_ user: UserID, of conversation: Int64) throws -> MemberRow? {
        try db.first(
            """
            SELECT user, joined, hidden, own, read, read_own, delivered, blocks, removed FROM members
            WHERE conversation = ? AND user = (SELECT user FROM users WHERE name = ?)
            """, [conversation, user.text]
        ).map {
            MemberRow(
                user: $0[0], joined: $0[1], hidden: $0[2], own: $0[3], readN: $0[4], readOwn: $0[5],
                deliveredN: $0[6], blocks: $0[7], removed: $0[8])
        }
    }

    /// Writes the cursors and what is blocked.
    func save(_ member: MemberRow, of conversation: Int64) throws {
        try db.run(
            """
            UPDATE members SET own = ?, read = ?, read_own = ?, delivered = ?, blocks = ?
            WHERE conversation = ? AND user = ?
            """,
            [
                member.own, member.readN, member.readOwn, member.deliveredN, member.blocks, conversation, member.user,
            ])
    }

    /// Makes members, or members again, of users in this order by the entry after the head; `row` counts them.
    func join(_ users: [Int64], _ row: inout ConversationRow) throws {
        let joined = row.head.number + 1
        for (index, user) in users.enumerated() {
            // A group has far fewer than 65,536 members; a direct conversation has two.
            let place = joined << 16 | Int64(index)
            try db.run(
                """
                INSERT OR REPLACE INTO members
                    (conversation, user, place, joined, hidden, own, read, read_own, delivered, blocks, removed)
                VALUES (?, ?, ?, ?, ?, 0, ?, 0, ?, 0, NULL)
                """, [row.key, user, place, joined, row.messages, row.messages, row.messages])
        }
        row.members += users.count
    }

    /// Takes members out by the entry after the head; `row` counts them.
    func remove(_ users: [Int64], _ row: inout ConversationRow) throws {
        for user in users {
            try db.run(
                "UPDATE members SET removed = ? WHERE conversation = ? AND user = ?",
                [row.head.number + 1, row.key, user])
        }
        row.members -= users.count
    }

    /// Members in the order in which they joined.
    func members(of conversation: Int64, limit: Int = .max) throws -> [UserID] {
        try db.all(
            """
            SELECT u.name FROM members m INDEXED BY members_place JOIN users u ON u.user = m.user
            WHERE m.conversation = ? AND m.removed IS NULL ORDER BY m.place LIMIT ?
            """, [conversation, limit]
        ) { try Self.user($0[0]) }
    }

    /// Those who joined by an entry after this one.
    func joined(after number: Int64, of conversation: Int64) throws -> [UserID] {
        try db.all(
            """
            SELECT u.name FROM members m INDEXED BY members_place JOIN users u ON u.user = m.user
            WHERE m.conversation = ? AND m.removed IS NULL AND m.place >= ? ORDER BY m.place
            """, [conversation, (number + 1) << 16]
        ) { try Self.user($0[0]) }
    }

    /// Those who were removed, or left, by an entry after this one.
    func removed(after number: Int64, of conversation: Int64) throws -> [UserID] {
        try db.all(
            """
            SELECT u.name FROM members m INDEXED BY members_removed JOIN users u ON u.user = m.user
            WHERE m.conversation = ? AND m.removed > ? ORDER BY m.removed, m.place
            """, [conversation, number]
        ) { try Self.user($0[0]) }
    }

    /// Who is a member for the longest time.
    func eldest(of conversation: Int64) throws -> Int64? {
        try db.first(
            """
            SELECT user FROM members INDEXED BY members_place
            WHERE conversation = ? AND removed IS NULL ORDER BY place LIMIT 1
            """, [conversation]
        )?[0]
    }

    /// Whether one of the two of a direct conversation blocks the other.
    func isBlocked(_ row: ConversationRow) throws -> Bool {
        guard !row.id.isGroup else { return false }
        return try db.first("SELECT 1 FROM members WHERE conversation = ? AND blocks = 1 LIMIT 1", [row.key]) != nil
    }

    /// How far everybody but `user` is.
    func progress(besides user: Int64, of conversation: Int64) throws -> [ConversationSummary.MemberProgress] {
        try db.all(
            """
            SELECT u.name, m.read, m.delivered FROM members m INDEXED BY members_place JOIN users u ON u.user = m.user
            WHERE m.conversation = ? AND m.removed IS NULL AND m.user <> ? ORDER BY m.place
            """, [conversation, user]
        ) { .init(user: try Self.user($0[0]), readN: $0[1], deliveredN: $0[2]) }
    }

    /// A name that was stored, as the id it was.
    static func user(_ name: String) throws -> UserID {
        guard let user = UserID(name) else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a user's name is no user id")
        }
        return user
    }
}
