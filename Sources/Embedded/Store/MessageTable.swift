import Chat
import Core
import GRDB

/// What is known of a message before it is changed.
struct MessageRow {
    let n: Int64
    let sender: Int64
    /// When it was sent; milliseconds since 1970.
    let at: Int64
    let isRecalled: Bool
    let edits: Int
    /// Its row in `bodies`.
    let body: Int64
}

/// Messages and the reactions to them, inside a transaction of `GroupCommit`.
struct MessageTable {
    let db: Database

    func find(_ n: Int64, _ conversation: Int64) throws -> MessageRow? {
        try db.first(
            """
            SELECT m.sender, l.at, b.gone, m.edits, m.body FROM messages m
                JOIN log l ON l.conversation = m.conversation AND l.number = m.number
                JOIN bodies b ON b.body = m.body
            WHERE m.conversation = ? AND m.n = ?
            """, [conversation, n]
        ).map { MessageRow(n: n, sender: $0[0], at: $0[1], isRecalled: $0[2], edits: $0[3], body: $0[4]) }
    }

    /// Adds the message of an entry; `own` counts those of its sender.
    func insert(_ entry: LogEntry, sender: Int64, own: Int64, cid: String, body: Int64, _ conversation: Int64) throws {
        try db.run(
            """
            INSERT INTO messages (conversation, n, number, sender, own, cid, body) VALUES (?, ?, ?, ?, ?, ?, ?)
            """, [conversation, entry.messages, entry.position.number, sender, own, cid, body])
    }

    func edit(_ n: Int64, body: Int64, at: Int64, _ conversation: Int64) throws {
        try db.run(
            "UPDATE messages SET body = ?, edited = ?, edits = edits + 1 WHERE conversation = ? AND n = ?",
            [body, at, conversation, n])
    }

    /// The number of the entry that message `n` is.
    func number(_ n: Int64, _ conversation: Int64) throws -> Int64? {
        try db.first("SELECT number FROM messages WHERE conversation = ? AND n = ?", [conversation, n])?[0]
    }

    /// How many messages up to `n` are the sender's own, of those since `hidden`.
    func own(by sender: Int64, upTo n: Int64, since hidden: Int64, _ conversation: Int64) throws -> Int64 {
        try db.first(
            """
            SELECT own FROM messages INDEXED BY messages_own
            WHERE conversation = ? AND sender = ? AND n > ? AND n <= ? ORDER BY n DESC LIMIT 1
            """, [conversation, sender, hidden, n]
        )?[0] ?? 0
    }

    // MARK: Pages

    /// - Parameter hidden: Messages up to this one are not shown.
    func page(_ range: HistoryRange, hidden: Int64, limit: Int, _ conversation: Int64) throws -> HistoryPage {
        let bounds: (after: Int64, before: Int64, order: String) =
            switch range {
            case .before(let n): (hidden, n ?? .max, "DESC")
            case .after(let n): (max(n, hidden), .max, "ASC")
            }
        let limit = max(1, limit)
        // One more than asked tells whether another page follows.
        let found = try db.all(
            """
            SELECT m.n, l.id, l.at, u.name, m.cid, b.text, m.edited FROM messages m
                JOIN log l ON l.conversation = m.conversation AND l.number = m.number
                JOIN users u ON u.user = m.sender
                LEFT JOIN bodies b ON b.body = m.body AND b.gone = 0
            WHERE m.conversation = ? AND m.n > ? AND m.n < ? ORDER BY m.n \(bounds.order) LIMIT ?
            """, [conversation, bounds.after, bounds.before, limit + 1]
        ) {
            StoredMessage(
                n: $0[0], id: $0[1], timestampMilliseconds: $0[2], sender: try ConversationTable.user($0[3]),
                cid: $0[4], body: try $0.optionalBytes(5), editedMilliseconds: $0[6])
        }
        var messages = Array(found.prefix(limit))
        if bounds.order == "DESC" { messages.reverse() }
        try addReactions(to: &messages, conversation)
        return HistoryPage(messages: messages, more: found.count > limit)
    }

    private func addReactions(to messages: inout [StoredMessage], _ conversation: Int64) throws {
        guard let first = messages.first?.n, let last = messages.last?.n else { return }
        let found = try db.all(
            """
            SELECT r.n, r.key, u.name FROM reactions r JOIN users u ON u.user = r.user
            WHERE r.conversation = ? AND r.n BETWEEN ? AND ? ORDER BY r.n, r.appeared, r.place
            """, [conversation, first, last]
        ) { (n: $0[0] as Int64, key: $0[1] as String, user: try ConversationTable.user($0[2])) }
        for (n, key, user) in found {
            // Messages have no holes between the first and the last.
            let index = Int(n - first)
            if messages[index].reactions.last?.key != key {
                messages[index].reactions.append(StoredMessage.Reaction(key: key, users: []))
            }
            messages[index].reactions[messages[index].reactions.count - 1].users.append(user)
        }
    }

    // MARK: Reactions

    func hasReaction(_ key: String, by user: Int64, to n: Int64, _ conversation: Int64) throws -> Bool {
        try db.first(
            "SELECT 1 FROM reactions WHERE conversation = ? AND n = ? AND key = ? AND user = ?",
            [conversation, n, key, user]) != nil
    }

    func reactions(to n: Int64, _ conversation: Int64) throws -> Int {
        try db.first("SELECT count(*) FROM reactions WHERE conversation = ? AND n = ?", [conversation, n])?[0] ?? 0
    }

    /// - Parameter number: Of the entry that says so.
    func setReaction(
        _ key: String, on: Bool, by user: Int64, to n: Int64, number: Int64, _ conversation: Int64
    ) throws {
        guard on else {
            try db.run(
                "DELETE FROM reactions WHERE conversation = ? AND n = ? AND key = ? AND user = ?",
                [conversation, n, key, user])
            return
        }
        let appeared = try db.first(
            "SELECT appeared FROM reactions WHERE conversation = ? AND n = ? AND key = ? LIMIT 1",
            [conversation, n, key])
        try db.run(
            "INSERT INTO reactions (conversation, n, key, user, appeared, place) VALUES (?, ?, ?, ?, ?, ?)",
            [conversation, n, key, user, appeared.map { $0[0] as Int64 } ?? number, number])
    }
}
