import Chat
import Core

/// How a step fits a member's cursor, and so what is to be done; decided without the database.
enum MembershipFit {
    /// The step changes nothing.
    case answer(AdvanceOutcome)
    /// These entries are next; none when all are there.
    case next(ArraySlice<LogEntry>)
    /// The cursor is put to the position before these entries first.
    case jump(EntryPosition, ArraySlice<LogEntry>)
    /// Only the user's own timeline hears of this entry.
    case aside(LogEntry, force: Bool)
    /// Cursor and counts are replaced.
    case reset(EntryPosition, ConversationCounts, id: EventID)

    /// - Parameter cursor: nil when the member has none yet.
    init(_ step: AdvanceStep, to cursor: EntryPosition?) {
        switch step.mode {
        case .follow: self = Self.following(step, cursor, jumps: false)
        case .join: self = Self.following(step, cursor, jumps: true)
        case .reset(let id, let counts): self = .reset(step.from, counts, id: id)
        case .aside(let force):
            // Whoever has read is a member: the conversation has to be brought there first.
            guard cursor != nil else {
                self = .answer(.gap(after: nil))
                return
            }
            self = step.entries.first.map { .aside($0, force: force) } ?? .next([])
        }
    }

    private static func following(_ step: AdvanceStep, _ cursor: EntryPosition?, jumps: Bool) -> MembershipFit {
        let entries = step.entries[...]
        guard let cursor else {
            if step.from == .start { return .next(entries) }
            return jumps ? .jump(step.from, entries) : .answer(.gap(after: nil))
        }
        guard cursor.number >= step.from.number else {
            return jumps ? .jump(step.from, entries) : .answer(.gap(after: cursor))
        }
        let passed = cursor.number - step.from.number
        guard passed <= entries.count else { return .answer(.beyond(cursor)) }
        let known = passed == 0 ? step.from : entries[Int(passed) - 1].position
        return known.id == cursor.id ? .next(entries[Int(passed)...]) : .answer(.forked)
    }
}
