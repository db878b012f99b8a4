import Core
import GRDB
import Notifications

import struct Foundation.Data

/// Reading and changing items, inside a transaction of `GroupCommit`.
///
/// Everything that looks at items leaves out those whose time is over (`living`); retracting them is left to `expire`.
struct InboxTable {
    let db: Database
    let limits: StoreLimits
    let now: Int64

    private static let living = "(expires IS NULL OR expires > ?)"

    // MARK: Counts

    func unread(_ user: Int64) throws -> Unread {
        let count = try db.first(
            "SELECT count(*) FROM items INDEXED BY items_unread WHERE user = ? AND read = 0 AND \(Self.living)",
            [user, now])
        return Unread(messages: try MembershipTable(db: db).unread(user), notifications: count?[0] ?? 0)
    }

    func counts(_ user: Int64) throws -> InboxCounts {
        let categories = try db.all(
            """
            SELECT category, count(*) FROM items INDEXED BY items_unread
            WHERE user = ? AND read = 0 AND \(Self.living) GROUP BY category
            """, [user, now]
        ) { ($0[0] as String, $0[1] as Int) }
        // SQLite tells bytes apart that are the same text to Swift, such as é in its two forms.
        let byCategory = Dictionary(categories, uniquingKeysWith: +)
        let messages = try MembershipTable(db: db).unread(user)
        let unread = Unread(messages: messages, notifications: byCategory.values.reduce(0, +))
        return InboxCounts(unread: unread, byCategory: byCategory)
    }

    /// Counts from the items themselves, past the indices.
    func unreadByItems(_ user: Int64) throws -> Int {
        let items = try db.all("SELECT read, expires FROM items NOT INDEXED WHERE user = ?", [user]) {
            (read: $0[0] as Bool, expires: $0[1] as Int64?)
        }
        return items.filter { !$0.read && ($0.expires ?? .max) > now }.count
    }

    // MARK: Deduplication

    /// What became of an id within the horizon.
    func known(_ id: EventID, _ user: Int64) throws -> (seq: Int64, item: String)? {
        guard let row = try db.first("SELECT seq, item, at FROM dedup WHERE user = ? AND id = ?", [user, id.text])
        else {
            return nil
        }
        guard row[2] as Int64 > now - limits.dedupMilliseconds else {
            try db.run("DELETE FROM dedup WHERE user = ? AND id = ?", [user, id.text])
            return nil
        }
        return (row[0], row[1] ?? id.text)
    }

    /// Remembers an id, and forgets a few of those that are past the horizon.
    func remember(_ id: EventID, seq: Int64, item: String, _ user: Int64) throws {
        let oldest = try db.all("SELECT seq, at FROM dedup WHERE user = ? ORDER BY seq LIMIT 8", [user]) {
            (seq: $0[0] as Int64, at: $0[1] as Int64)
        }
        if let bound = oldest.prefix(while: { $0.at <= now - limits.dedupMilliseconds }).last?.seq {
            try db.run("DELETE FROM dedup WHERE user = ? AND seq <= ?", [user, bound])
        }
        try db.run(
            "INSERT INTO dedup (user, seq, id, item, at) VALUES (?, ?, ?, ?, ?)",
            [user, seq, id.text, item == id.text ? nil : item, now])
    }

    // MARK: Changing

    /// Puts the content into the unread item with the same key, when there is one. - Returns: that item's id.
    func collapse(_ notification: Notification, _ user: Int64) throws -> String? {
        guard let key = notification.collapse else { return nil }
        let found = try db.first(
            "SELECT item, id FROM items WHERE user = ? AND collapse = ? AND read = 0 AND \(Self.living) LIMIT 1",
            [user, key, now])
        guard let found else { return nil }
        try db.run(
            "UPDATE items SET category = ?, expires = ?, rest = ? WHERE item = ?",
            [notification.category, notification.expiresAtMilliseconds, Data(notification.rest), found[0] as Int64])
        return found[1]
    }

    /// Adds an item at the newest place, and drops the oldest ones past the cap.
    func insert(_ notification: Notification, place: Int64, _ user: Int64) throws {
        // An item that is older than the dedup horizon may have the same id; the new one takes its stead.
        try db.run("DELETE FROM items WHERE user = ? AND id = ?", [user, notification.id.text])
        try db.run(
            """
            INSERT INTO items (user, place, id, category, collapse, expires, read, rest)
            VALUES (?, ?, ?, ?, ?, ?, 0, ?)
            """,
            [
                user, place, notification.id.text, notification.category, notification.collapse,
                notification.expiresAtMilliseconds, Data(notification.rest),
            ])
        let beyond = try db.first(
            "SELECT place FROM items INDEXED BY items_place WHERE user = ? ORDER BY place DESC LIMIT 1 OFFSET ?",
            [user, limits.inboxItems])
        if let beyond { try db.run("DELETE FROM items WHERE user = ? AND place <= ?", [user, beyond[0] as Int64]) }
    }

    /// Marks what is selected and unread. - Returns: the selection for the event; nil when nothing was unread.
    func mark(_ selection: ReadSelection, category: String?, _ user: Int64) throws -> ReadSelection? {
        let unread =
            "UPDATE items SET read = 1 WHERE user = ? AND read = 0 AND \(Self.living)"
            + (category == nil ? "" : " AND category = ?")
        let arguments: StatementArguments = category.map { [user, now, $0] } ?? [user, now]
        switch selection {
        case .all:
            return try db.run(unread, arguments) > 0 ? selection : nil
        case .upTo(let id):
            let place = try db.first(
                "SELECT place FROM items WHERE user = ? AND id = ? AND \(Self.living)", [user, id, now])
            guard let place else { return nil }
            return try db.run(unread + " AND place <= ?", arguments + [place[0] as Int64]) > 0 ? selection : nil
        case .ids(let ids):
            // An id that is named twice changes nothing the second time.
            let marked = try ids.filter { try db.run(unread + " AND id = ?", arguments + [$0]) > 0 }
            return marked.isEmpty ? nil : .ids(marked)
        }
    }

    // MARK: Pages

    func page(_ query: InboxQuery, _ user: Int64) throws -> InboxPage {
        var sql = "SELECT place, id, rest, read FROM items INDEXED BY items_place WHERE user = ? AND \(Self.living)"
        var arguments: StatementArguments = [user, now]
        if let before = query.before {
            sql += " AND place < ?"
            // A cursor that no page gave finds nothing; places begin at 1.
            arguments += [Int64(before) ?? 0]
        }
        if let category = query.category {
            sql += " AND category = ?"
            arguments += [category]
        }
        if query.unreadOnly { sql += " AND read = 0" }
        // One more than asked tells whether another page follows.
        let limit = max(1, query.limit)
        let found = try db.all(sql + " ORDER BY place DESC LIMIT ?", arguments + [limit + 1]) { row in
            (place: row[0] as Int64, item: EventFrames.item(id: row[1], rest: try row.bytes(2), read: row[3]))
        }
        let items = found.prefix(limit)
        return InboxPage(
            items: items.map(\.item), cursor: found.count > limit ? items.last.map { "\($0.place)" } : nil,
            counts: try counts(user))
    }

    // MARK: Expiry

    /// Users with items whose time is over.
    func usersWithExpired(limit: Int) throws -> [String] {
        try db.all(
            """
            SELECT name FROM users WHERE user IN
                (SELECT DISTINCT user FROM items INDEXED BY items_expiry WHERE expires <= ? LIMIT ?)
            """, [now, max(0, limit)]
        ) { $0[0] }
    }

    /// Takes items whose time is over out of the inbox, the earliest first. - Returns: their ids.
    func removeExpired(_ user: Int64, limit: Int) throws -> [String] {
        let expired = try db.all(
            "SELECT item, id FROM items WHERE user = ? AND expires <= ? ORDER BY expires, place LIMIT ?",
            [user, now, limit]
        ) { (item: $0[0] as Int64, id: $0[1] as String) }
        for (item, _) in expired { try db.run("DELETE FROM items WHERE item = ?", [item]) }
        return expired.map(\.id)
    }
}
