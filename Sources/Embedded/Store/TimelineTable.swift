import Core
import GRDB
import Timelines

import struct Foundation.Data

/// A user's row, and with it the head of the timeline.
struct UserRow {
    let user: Int64
    let epoch: String
    var seq: Int64
    var last: String

    var head: TimelineHead { TimelineHead(epoch: epoch, seq: seq, last: last) }
}

/// Reading and appending events, inside a transaction of `GroupCommit`.
struct TimelineTable {
    let db: Database
    let limits: StoreLimits

    func find(_ user: UserID) throws -> UserRow? {
        try db.first("SELECT user, epoch, seq, last FROM users WHERE name = ?", [user.text])
            .map { UserRow(user: $0[0], epoch: $0[1], seq: $0[2], last: $0[3]) }
    }

    /// The user's row; a timeline that is not there begins now.
    func findOrBegin(_ user: UserID) throws -> UserRow {
        if let row = try find(user) { return row }
        let epoch = RandomToken.make(length: 8)
        try db.run("INSERT INTO users (name, epoch, seq, last) VALUES (?, ?, 0, '')", [user.text, epoch])
        return UserRow(user: db.lastInsertedRowID, epoch: epoch, seq: 0, last: "")
    }

    /// Appends the event after `row`'s head, moves the head, and trims what is too much or too old.
    ///
    /// - Parameters:
    ///   - frame: The whole frame, or with `body` what a recall would leave of it.
    ///   - body: The row of `bodies` with what belongs into the frame for as long as it is there.
    func append(id: String, frame: [UInt8], body: Int64? = nil, to row: inout UserRow, now: Int64) throws {
        row.seq += 1
        row.last = id
        try db.run(
            "INSERT INTO events (user, seq, id, at, frame, body) VALUES (?, ?, ?, ?, ?, ?)",
            [row.user, row.seq, id, now, Data(frame), body])
        try db.run("UPDATE users SET seq = ?, last = ? WHERE user = ?", [row.seq, id, row.user])
        try trim(row, now: now)
    }

    /// Looks at the few oldest events only: each append brings one, so it need not take away many.
    private func trim(_ row: UserRow, now: Int64) throws {
        let beyond = row.seq - Int64(limits.timelineEvents)
        let oldest = try db.all("SELECT seq, at FROM events WHERE user = ? ORDER BY seq LIMIT 4", [row.user]) {
            (seq: $0[0] as Int64, at: $0[1] as Int64)
        }
        let gone = oldest.prefix {
            $0.seq <= beyond || ($0.at < now - limits.timelineMilliseconds && $0.seq < row.seq)
        }
        guard let bound = gone.last?.seq else { return }
        try db.run("DELETE FROM events WHERE user = ? AND seq <= ?", [row.user, bound])
    }

    func judge(_ cursor: Core.Cursor?, _ row: UserRow) throws -> ResumeVerdict {
        let oldest = try db.first("SELECT seq FROM events WHERE user = ? ORDER BY seq LIMIT 1", [row.user])
            .map { $0[0] as Int64 }
        var failure: (any Error)?
        let verdict = ResumeVerdict.judge(cursor, head: row.head, oldest: oldest ?? row.seq + 1) { seq in
            do {
                return try db.first("SELECT id FROM events WHERE user = ? AND seq = ?", [row.user, seq])?[0]
            } catch {
                failure = error
                return nil
            }
        }
        if let failure { throw failure }
        return verdict
    }

    func entries(_ row: UserRow, after seq: Int64, limit: Int) throws -> [TimelineEntry] {
        try db.all(
            """
            SELECT e.seq, e.id, e.frame, b.text FROM events e LEFT JOIN bodies b ON b.body = e.body AND b.gone = 0
            WHERE e.user = ? AND e.seq > ? ORDER BY e.seq LIMIT ?
            """, [row.user, seq, max(0, limit)]
        ) {
            let frame = try $0.bytes(2)
            let whole = try $0.optionalBytes(3).map { BodyTable.frame(frame, with: $0) }
            return TimelineEntry(seq: $0[0], id: $0[1], frame: whole ?? frame)
        }
    }
}
