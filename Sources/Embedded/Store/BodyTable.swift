import Chat
import Core
import GRDB

import struct Foundation.Data

/// The bodies of messages, inside a transaction of `GroupCommit`: each version stands in the file once, for the log and
/// for the timelines of all members (ADR 14).
///
/// A recall must leave nothing of a body in the file. SQLite moves rows when it splits and merges pages, and what it
/// leaves at the old place outlives even `secure_delete = ON` (of 1000 recalled bodies in frames, 28 were still in the
/// file). So rows of this table never move: they are appended with growing numbers, which splits no page, never deleted,
/// and overwritten in place, since zeros of the same length make a row of the same size. It also makes a recall cost the
/// same for any number of members. The write-ahead log holds a body until it is written over, at the latest when the
/// store is closed.
struct BodyTable {
    let db: Database

    /// The row of this body of message `n`, which is added when it is not there; nil when the message was recalled.
    func keep(_ body: [UInt8], of n: Int64, _ conversation: Int64) throws -> Int64? {
        // Few rows: one for the message and one for each edit.
        let versions = try db.all(
            "SELECT body, gone, gone = 0 AND text = ? FROM bodies WHERE conversation = ? AND n = ?",
            [Data(body), conversation, n]
        ) { (body: $0[0] as Int64, isGone: $0[1] as Bool, isSame: $0[2] as Bool) }
        if versions.contains(where: \.isGone) { return nil }
        if let same = versions.first(where: \.isSame) { return same.body }
        try db.run(
            "INSERT INTO bodies (conversation, n, gone, text) VALUES (?, ?, 0, ?)", [conversation, n, Data(body)])
        return db.lastInsertedRowID
    }

    /// Overwrites all bodies of message `n`.
    func wipe(_ n: Int64, _ conversation: Int64) throws {
        try db.run(
            """
            UPDATE bodies SET gone = 1, text = zeroblob(length(text)) WHERE conversation = ? AND n = ? AND gone = 0
            """, [conversation, n])
    }

    /// Puts a body into what a recall would leave of its frame (`ChatFrames.withoutBody`).
    static func frame(_ frame: [UInt8], with body: [UInt8]) -> [UInt8] {
        // Ids and names before it cannot hold a quote.
        guard let place = frame.firstRange(of: recalled) else { return frame }
        return frame[..<place.lowerBound] + Array("\"body\":".utf8) + body + frame[place.upperBound...]
    }

    private static let recalled = Array("\"recalled\":true".utf8)
}
