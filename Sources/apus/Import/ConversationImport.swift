import Chat
import Core
import Embedded

/// Writes the whispers of two users into their conversation. Every step may be done again, by this process or another
/// one, and may have been done in part: what is there is looked up, and a node's sweeper may advance members meanwhile.
///
///     look what is there ──► send, one after the other ──► read cursors ──► both timelines ──► finish
///
/// Sends are not pipelined: a failed one before a stored one would be a hole that no later run can see.
struct ConversationImport: Sendable {
    /// What was done of it, over all attempts.
    struct Tally: Sendable {
        /// Appended by this run.
        var imported = 0
        /// Of the file's whispers: how many are in the conversation now.
        var there = 0
        var readAfterUnread = 0
        /// Why it was not written to its end.
        var refusal: String?
        var head = EntryPosition.start
        /// Of the last entry that this run appended.
        var ticket: FanOutTicket?
    }

    private static let recordsAtOnce = 200
    private static let historyPage = 200
    /// Each turn needs somebody who wrote a message in the middle of the turn before.
    private static let turnsMax = 20

    let target: ImportTarget
    let sorter: PairSorter
    let pair: PairSorter.Pair
    /// Whether whispers may come after newer messages.
    let appends: Bool
    let progress: ImportProgress
    let conversation: ConversationID
    private let low: UserID
    private let high: UserID

    init(
        _ pair: PairSorter.Pair, in sorter: PairSorter, to target: ImportTarget, appends: Bool, progress: ImportProgress
    ) {
        guard let low = UserID(String(pair.low)), let high = UserID(String(pair.high)),
            let conversation = ConversationID(between: low, and: high)
        else { preconditionFailure("two different positive numbers are two user ids") }
        self.target = target
        self.sorter = sorter
        self.pair = pair
        self.appends = appends
        self.progress = progress
        self.conversation = conversation
        self.low = low
        self.high = high
    }

    // MARK: The conversation

    /// Sends what is not there, and moves the read cursors.
    func write(_ tally: inout Tally) async throws {
        let standing = try await ImportStanding.find(conversation, of: low, pair, in: sorter, at: target)
        var frontier = ReadFrontier()
        var messages = standing.messages
        var last: PairSorter.Place?
        (tally.head, tally.refusal) = (standing.head, nil)
        reading: while true {
            let records = try await sorter.records(of: pair, after: last, limit: Self.recordsAtOnce)
            for record in records {
                var n: Int64?
                if !standing.covers(record.place) {
                    if tally.imported == 0 { tally.refusal = refusal(of: record, standing) }
                    guard tally.refusal == nil else { break reading }
                    n = try await send(record, after: &messages, &tally)
                    guard n != nil else { break reading }
                }
                frontier.take(id: record.id, sentByLow: record.isSentByLow, isRead: record.isRead, n: n)
                last = record.place
                if tally.refusal != nil { break reading }
            }
            if records.count < Self.recordsAtOnce { break }
        }
        tally.there = frontier.count
        tally.readAfterUnread = frontier.readAfterUnread
        guard let last else { return }
        let milliseconds = last.at * 1000
        try await read(frontier.mark(ofLow: true), by: low, from: standing.lowReadN, standing, milliseconds, &tally)
        try await read(frontier.mark(ofLow: false), by: high, from: standing.highReadN, standing, milliseconds, &tally)
    }

    /// Why whispers must not follow what is there.
    private func refusal(of first: PairSorter.Record, _ standing: ImportStanding) -> String? {
        guard !appends, let last = standing.lastMilliseconds, last > first.milliseconds else { return nil }
        return "newer messages are there already; --append puts the whispers after them"
    }

    /// - Parameter messages: How many the conversation has, as far as is known.
    /// - Returns: The message's number; nil when it was refused.
    private func send(
        _ record: PairSorter.Record, after messages: inout Int64, _ tally: inout Tally
    ) async throws -> Int64? {
        let name = ImportedName.message(record.id)
        guard let cid = ClientMessageID(name), let id = EventID(name) else { return nil }
        let outcome = try await target.commit(
            .send(cid: cid, body: Whisper.body(record.payload)), to: conversation,
            by: record.isSentByLow ? low : high, id: id, milliseconds: record.milliseconds)
        CrashPoint.reach("import.sent")
        switch outcome {
        case .appended(let commit):
            tally.imported += 1
            progress.change { $0.imported += 1 }
            (tally.head, tally.ticket) = (commit.entry.position, commit.ticket)
            let n = commit.entry.messages
            if n > messages + 1, !appends {
                tally.refusal = "people write in it meanwhile; --append puts the whispers after what they wrote"
            }
            messages = n
            return n
        case .duplicate(let commit):
            // Another import is under way, and was faster.
            messages = max(messages, commit.entry.messages)
            if commit.entry.position.number > tally.head.number { tally.head = commit.entry.position }
            tally.ticket = commit.ticket
            return commit.entry.messages
        case .refused(let error):
            tally.refusal = error.message
            return nil
        case .noted, .cursor: return nil
        }
    }

    // MARK: Read cursors

    private func read(
        _ mark: ReadFrontier.Mark?, by member: UserID, from readN: Int64, _ standing: ImportStanding,
        _ milliseconds: Int64, _ tally: inout Tally
    ) async throws {
        guard let mark, let n = try await number(of: mark, above: readN, standing), n > readN,
            let id = EventID(ImportedName.read(mark.id))
        else { return }
        // At the time of the newest whisper: an entry of now would make all whispers of a later export as late.
        let outcome = try await target.commit(
            .read(n: n, force: false), to: conversation, by: member, id: id, milliseconds: milliseconds)
        CrashPoint.reach("import.read")
        if case .appended(let commit) = outcome {
            (tally.head, tally.ticket) = (commit.entry.position, commit.ticket)
        }
    }

    /// The number of a whisper; nil when it is not above `readN`, or not there.
    private func number(of mark: ReadFrontier.Mark, above readN: Int64, _ standing: ImportStanding) async throws
        -> Int64?
    {
        if let n = mark.n { return n }
        guard let newest = standing.newest else { return nil }
        // It is there since an earlier run, at or before the newest one.
        var before = newest.n + 1
        while before > readN + 1 {
            let page = try await target.history(of: conversation, for: low, before: before, limit: Self.historyPage)
            if let found = page.last(where: { ImportedName.whisper(of: $0) == mark.id }) { return found.n }
            guard let first = page.first else { return nil }
            before = first.n
        }
        return nil
    }

    // MARK: Timelines

    /// Brings both members' timelines to the head by one event each, and takes the mark away.
    func bringForward(_ tally: Tally) async throws {
        guard tally.head != .start else { return }
        async let isLowThere = bring(low, to: tally.head)
        async let isHighThere = bring(high, to: tally.head)
        let areThere = try await (isLowThere, isHighThere)
        // Otherwise the sweeper of a node does it.
        if let ticket = tally.ticket, areThere.0, areThere.1 { try await target.finish(ticket) }
    }

    private func bring(_ member: UserID, to head: EntryPosition) async throws -> Bool {
        var head = head
        for _ in 0..<Self.turnsMax {
            // A step without entries asks where the member is.
            switch try await target.advance(member, in: conversation, by: AdvanceStep(from: head, entries: [])) {
            case .advanced, .beyond: return true
            case .gap, .forked: break
            }
            guard let summary = try await target.summary(of: conversation, for: member) else { return true }
            let counts = ConversationCounts(
                messages: summary.messages, own: summary.own, readN: summary.readN, readOwn: summary.readOwn)
            _ = try await target.advance(
                member, in: conversation,
                by: AdvanceStep(mode: .reset(id: .short(), counts), from: summary.head, entries: []))
            CrashPoint.reach("import.advanced")
            // A node may have brought a message of just now to the member, which the reset has taken back.
            guard let now = try await target.head(of: conversation), now != summary.head else { return true }
            head = now
        }
        return false
    }
}
