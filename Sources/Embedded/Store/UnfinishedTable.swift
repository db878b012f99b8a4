import Chat
import Core
import GRDB

/// The set of conversations whose members are not all advanced, inside a transaction of `GroupCommit`.
///
/// A mark is the number of the entry that it stands for, so a repeated `send` gets the one of the first.
struct UnfinishedTable {
    /// How long a conversation that was handed out is nobody else's.
    private static let claimMilliseconds: Int64 = 60_000
    /// After the mark of a ticket that was handed out: its holder advances everybody, whatever came before.
    private static let sweeping = "+"

    let db: Database

    /// Marks a conversation for an entry that was just appended.
    ///
    /// - Parameter isNarrow: Whether the entry concerns somebody whom later entries do not: one who was removed, or who
    ///   joined a large group. When such a mark is replaced before it is finished, finishing the later one does not do:
    ///   the set keeps its time, and a sweeper has to look.
    func put(_ number: Int64, isNarrow: Bool, _ conversation: Int64, now: Int64) throws {
        try db.run(
            """
            INSERT INTO unfinished (conversation, mark, at, claimed, narrow, owed) VALUES (?, ?, ?, 0, ?, 0)
            ON CONFLICT (conversation) DO UPDATE SET mark = excluded.mark, claimed = 0, narrow = excluded.narrow,
                at = iif(max(owed, narrow), at, excluded.at), owed = max(owed, narrow)
            """, [conversation, number, now, isNarrow])
    }

    static func ticket(_ number: Int64, _ conversation: ConversationID) -> FanOutTicket {
        FanOutTicket(conversation: conversation, mark: "\(number)")
    }

    func claim(limit: Int, before: Int64, now: Int64) throws -> [FanOutTicket] {
        let found = try db.all(
            """
            SELECT f.conversation, c.name, f.mark FROM unfinished f JOIN conversations c USING (conversation)
            WHERE f.at < ? AND f.claimed <= ? ORDER BY f.at LIMIT ?
            """, [before, now, max(0, limit)]
        ) { (key: $0[0] as Int64, name: $0[1] as String, mark: $0[2] as Int64) }
        return try found.compactMap { found in
            try db.run(
                "UPDATE unfinished SET claimed = ? WHERE conversation = ?", [now + Self.claimMilliseconds, found.key])
            guard let conversation = ConversationID(found.name) else { return nil }
            return FanOutTicket(conversation: conversation, mark: "\(found.mark)" + Self.sweeping)
        }
    }

    func finish(_ ticket: FanOutTicket) throws {
        let isSweep = ticket.mark.hasSuffix(Self.sweeping)
        guard let mark = Int64(isSweep ? ticket.mark.dropLast() : ticket.mark[...]) else { return }
        try db.run(
            """
            DELETE FROM unfinished WHERE mark = ? AND (owed = 0 OR ?)
                AND conversation = (SELECT conversation FROM conversations WHERE name = ?)
            """, [mark, isSweep, ticket.conversation.text])
    }
}
