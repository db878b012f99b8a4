import Core
import GRDB
import Timelines

extension EmbeddedStore: TimelineStore {
    public func open(_ user: UserID, at cursor: Core.Cursor?, limit: Int, _ done: @escaping Completion<TimelineOpening>)
    {
        let (limits, time) = (limits, time)
        group.submit(done) { db in
            let table = TimelineTable(db: db, limits: limits)
            let row = try table.findOrBegin(user)
            let verdict = try table.judge(cursor, row)
            // The port passes no time here, so items are over by this clock.
            let inbox = InboxTable(db: db, limits: limits, now: time.wallMilliseconds())
            let entries = verdict == .resumed ? try table.entries(row, after: cursor?.seq ?? 0, limit: limit) : []
            return TimelineOpening(
                head: row.head, unread: try inbox.unread(row.user), verdict: verdict, entries: entries)
        }
    }

    public func read(
        _ user: UserID, after seq: Int64, last: String?, epoch: String?, limit: Int,
        _ done: @escaping Completion<TimelinePage>
    ) {
        let limits = limits
        group.submit(done) { db in
            let table = TimelineTable(db: db, limits: limits)
            // One that is not there is empty, and reading does not begin it.
            let row = try table.find(user) ?? UserRow(user: 0, epoch: "", seq: 0, last: "")
            let verdict = try table.judge(Core.Cursor(epoch: epoch ?? row.epoch, seq: seq, last: last), row)
            if case .resync(let reason) = verdict { return TimelinePage(head: row.head, resync: reason, entries: []) }
            return TimelinePage(
                head: row.head, resync: nil, entries: try table.entries(row, after: seq, limit: limit))
        }
    }

    public func heads(_ users: [UserID], _ done: @escaping Completion<[TimelineHead]>) {
        let limits = limits
        group.submit(done) { db in
            let table = TimelineTable(db: db, limits: limits)
            return try users.map { try table.find($0)?.head ?? TimelineHead(epoch: "", seq: 0, last: "") }
        }
    }
}
