import Chat
import Core
import GRDB

/// A user's side of a conversation.
struct MembershipRow {
    let user: Int64
    let conversation: Int64
    var cursor: EntryPosition
    var counts = ConversationCounts()
    var isMuted = false
    /// Whether it is in the user's list; the cursor stays when it is not.
    var isListed = true
    /// The `seq` of the newest message, or of becoming a member.
    var activity: Int64 = 0

    /// What is unread here, muted or not.
    var unread: Int { isListed ? counts.unread : 0 }
    /// What it adds to the totals.
    var counted: Int { isMuted ? 0 : unread }
}

/// Users' sides of conversations, inside a transaction of `GroupCommit`.
struct MembershipTable {
    private static let columns =
        "user, conversation, number, id, messages, own, read, read_own, muted, listed, activity"

    let db: Database

    func find(_ user: Int64, _ conversation: Int64) throws -> MembershipRow? {
        try db.first(
            "SELECT \(Self.columns) FROM memberships WHERE user = ? AND conversation = ?", [user, conversation]
        ).map(Self.row)
    }

    func save(_ row: MembershipRow) throws {
        try db.run(
            """
            INSERT OR REPLACE INTO memberships (\(Self.columns), unread) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                row.user, row.conversation, row.cursor.number, row.cursor.id, row.counts.messages, row.counts.own,
                row.counts.readN, row.counts.readOwn, row.isMuted, row.isListed, row.activity, row.unread,
            ])
    }

    private static func row(_ row: Row) -> MembershipRow {
        MembershipRow(
            user: row[0], conversation: row[1], cursor: EntryPosition(number: row[2], id: row[3]),
            counts: ConversationCounts(messages: row[4], own: row[5], readN: row[6], readOwn: row[7]),
            isMuted: row[8], isListed: row[9], activity: row[10])
    }

    // MARK: Totals

    /// Unread messages in all conversations that are not muted.
    func unread(_ user: Int64) throws -> Int {
        try db.first(
            """
            SELECT sum(unread) FROM memberships INDEXED BY memberships_unread
            WHERE user = ? AND unread > 0 AND muted = 0
            """, [user]
        )?[0] ?? 0
    }

    /// Derives the same from the cursors, past the index.
    func unreadByCursors(_ user: Int64) throws -> Int {
        let rows = try db.all("SELECT \(Self.columns) FROM memberships NOT INDEXED WHERE user = ?", [user], Self.row)
        return rows.reduce(0) { $0 + $1.counted }
    }

    // MARK: Pages

    func page(_ user: Int64, before cursor: String?, limit: Int) throws -> MembershipPage {
        // A cursor that no page gave finds nothing; numbers begin at 1.
        let before = cursor.map { Int64($0) ?? 0 } ?? .max
        let limit = max(1, limit)
        // One more than asked tells whether another page follows.
        let names = Self.columns.split(separator: ", ").map { "m.\($0)" }.joined(separator: ", ")
        let found = try db.all(
            """
            SELECT \(names), c.name FROM memberships m INDEXED BY memberships_activity
                JOIN conversations c ON c.conversation = m.conversation
            WHERE m.user = ? AND m.listed = 1 AND m.activity < ? ORDER BY m.activity DESC LIMIT ?
            """, [user, before, limit + 1]
        ) { (row: Self.row($0), name: $0[11] as String) }
        let shown = found.prefix(limit)
        let memberships = shown.compactMap { found in
            ConversationID(found.name).map {
                Membership(
                    conversation: $0, cursor: found.row.cursor, counts: found.row.counts, isMuted: found.row.isMuted)
            }
        }
        return MembershipPage(
            memberships: memberships, cursor: found.count > limit ? shown.last.map { "\($0.row.activity)" } : nil)
    }

    // MARK: Blocked users

    /// - Returns: Whether something changed.
    func block(_ blocked: UserID, on: Bool, _ user: Int64, place: Int64) throws -> Bool {
        if on {
            return try db.run(
                "INSERT OR IGNORE INTO blocks (user, blocked, place) VALUES (?, ?, ?)", [user, blocked.text, place])
                > 0
        }
        return try db.run("DELETE FROM blocks WHERE user = ? AND blocked = ?", [user, blocked.text]) > 0
    }

    /// Whether nobody else can be blocked.
    func hasMostBlocks(besides blocked: UserID, _ user: Int64) throws -> Bool {
        let others = try db.first(
            "SELECT count(*) FROM blocks WHERE user = ? AND blocked <> ?", [user, blocked.text])
        return others?[0] ?? 0 >= Limits.blocksMax
    }

    func blocks(_ user: Int64) throws -> [UserID] {
        try db.all("SELECT blocked FROM blocks WHERE user = ? ORDER BY place", [user]) {
            try ConversationTable.user($0[0])
        }
    }
}
