import Chat
import Core
import GRDB

/// The log of a conversation and the messages in it, inside a transaction of `GroupCommit`.
struct LogTable {
    let db: Database

    // MARK: Entries

    /// - Parameter body: The row of `bodies` that an edit put there; the log keeps which one.
    func append(_ entry: LogEntry, author: Int64, body: Int64?, _ conversation: Int64) throws {
        let row = StoredContent(entry, body: body)
        try db.run(
            """
            INSERT INTO log (conversation, number, id, at, author, messages, kind, n, value, text, users)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                conversation, entry.position.number, entry.position.id, entry.timestampMilliseconds, author,
                entry.messages, row.kind, row.n, row.value, row.text, row.users,
            ])
    }

    /// The entries after one number and up to another: messages with the bodies that they have now, edits with theirs.
    func entries(after first: Int64, upTo last: Int64, limit: Int, _ conversation: Int64) throws -> [LogEntry] {
        try db.all(
            """
            SELECT l.number, l.id, l.at, u.name, l.messages, l.kind, l.n, l.value, l.text, l.users, m.cid, b.text
            FROM log l JOIN users u ON u.user = l.author
                LEFT JOIN messages m ON m.conversation = l.conversation AND m.n = l.n AND l.kind = 'message'
                LEFT JOIN bodies b ON b.body = iif(l.kind = 'edited', l.value, m.body) AND b.gone = 0
            WHERE l.conversation = ? AND l.number > ? AND l.number <= ? ORDER BY l.number LIMIT ?
            """, [conversation, first, last, max(0, limit)]
        ) { row in
            let content = StoredContent(
                kind: row[5], n: row[6], value: row[7], text: row[8], users: row[9])
            return LogEntry(
                position: EntryPosition(number: row[0], id: row[1]), timestampMilliseconds: row[2],
                author: try ConversationTable.user(row[3]), messages: row[4],
                content: try content.content(cid: row[10], body: try row.optionalBytes(11)))
        }
    }

    /// nil when the log does not go so far.
    func position(_ number: Int64, _ conversation: Int64) throws -> EntryPosition? {
        if number == 0 { return .start }
        return try db.first("SELECT id FROM log WHERE conversation = ? AND number = ?", [conversation, number])
            .map { EntryPosition(number: number, id: $0[0]) }
    }

    // MARK: Deduplication

    /// The message that was sent with this `cid` within the horizon, and the fingerprint of its first body.
    func known(
        _ cid: ClientMessageID, by sender: Int64, _ conversation: Int64, horizon: Int64
    ) throws -> (n: Int64, fingerprint: Int64)? {
        let found = try db.first(
            "SELECT n, fingerprint, at FROM sends WHERE conversation = ? AND sender = ? AND cid = ?",
            [conversation, sender, cid.text])
        guard let found else { return nil }
        guard found[2] as Int64 > horizon else {
            try db.run("DELETE FROM sends WHERE conversation = ? AND n = ?", [conversation, found[0] as Int64])
            return nil
        }
        return (found[0], found[1])
    }

    /// Remembers a `cid`, and forgets a few of those that are past the horizon.
    func remember(
        _ cid: ClientMessageID, n: Int64, fingerprint: Int64, by sender: Int64, _ conversation: Int64, now: Int64,
        horizon: Int64
    ) throws {
        let oldest = try db.all("SELECT n, at FROM sends WHERE conversation = ? ORDER BY n LIMIT 8", [conversation]) {
            (n: $0[0] as Int64, at: $0[1] as Int64)
        }
        if let bound = oldest.prefix(while: { $0.at <= horizon }).last?.n {
            try db.run("DELETE FROM sends WHERE conversation = ? AND n <= ?", [conversation, bound])
        }
        try db.run(
            "INSERT INTO sends (conversation, n, sender, cid, at, fingerprint) VALUES (?, ?, ?, ?, ?, ?)",
            [conversation, n, sender, cid.text, now, fingerprint])
    }
}

/// The content of an entry in columns.
private struct StoredContent {
    var kind: String
    var n: Int64?
    var value: Int64?
    var text: String?
    var users: String?

    init(kind: String, n: Int64?, value: Int64?, text: String?, users: String?) {
        (self.kind, self.n, self.value, self.text, self.users) = (kind, n, value, text, users)
    }

    init(_ entry: LogEntry, body: Int64?) {
        self.init(kind: "", n: nil, value: nil, text: nil, users: nil)
        switch entry.content {
        case .message: (kind, n) = ("message", entry.messages)
        case .edited(let n, _): (kind, self.n, value) = ("edited", n, body)
        case .recalled(let n): (kind, self.n) = ("recalled", n)
        case .reaction(let n, let key, let on): (kind, self.n, value, text) = ("reaction", n, on ? 1 : 0, key)
        case .read(let n, let own): (kind, self.n, value) = ("read", n, own)
        case .group(let change):
            (kind, text) = (change.kind.rawValue, change.title)
            users = change.users.map(\.text).joined(separator: " ")
        }
    }

    /// - Parameters:
    ///   - cid: Of the message; only for `message`.
    ///   - body: What the message has now, or what the edit brought; nil when the message was recalled.
    func content(cid: String?, body: [UInt8]?) throws -> LogEntry.Content {
        switch kind {
        case "message": return .message(cid: cid ?? "", body: body)
        case "edited": return .edited(n: n ?? 0, body: body)
        case "recalled": return .recalled(n: n ?? 0)
        case "reaction": return .reaction(n: n ?? 0, key: text ?? "", on: value == 1)
        case "read": return .read(n: n ?? 0, own: value ?? 0)
        default:
            guard let kind = GroupChange.Kind(rawValue: kind) else {
                throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "an entry of an unknown kind")
            }
            let users = try (users ?? "").split(separator: " ").map { try ConversationTable.user(String($0)) }
            return .group(GroupChange(kind: kind, title: text, users: users))
        }
    }
}
