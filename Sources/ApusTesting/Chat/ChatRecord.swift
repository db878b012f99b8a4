import Chat
import Core

/// All that happened in conversations, as it was committed: what timelines are held against.
public struct ChatRecord: Sendable {
    struct Place: Sendable {
        var conversation: ConversationID
        /// 1, 2, 3 …
        var number: Int64
    }

    private(set) var logs: [ConversationID: [LogEntry]] = [:]
    private var places: [String: Place] = [:]
    private var bodies: [ConversationID: [Int64: [[UInt8]]]] = [:]
    private var recalled: [ConversationID: Set<Int64>] = [:]

    public init() {}

    /// Adds the next entry of a log, with the body it was committed with; one that is there already is passed over.
    public mutating func add(_ entry: LogEntry, in conversation: ConversationID) {
        guard entry.position.number == Int64(log(conversation).count) + 1 else { return }
        logs[conversation, default: []].append(entry)
        places[entry.position.id] = Place(conversation: conversation, number: entry.position.number)
        switch entry.content {
        case .message(_, let body?): add(body: body, of: entry.messages, in: conversation)
        case .edited(let n, let body?): add(body: body, of: n, in: conversation)
        case .recalled(let n): recalled[conversation, default: []].insert(n)
        default: break
        }
    }

    /// Adds a body that a message had at some time: an edit changes the log, but not what was brought to timelines before.
    public mutating func add(body: [UInt8], of n: Int64, in conversation: ConversationID) {
        bodies[conversation, default: [:]][n, default: []].append(body)
    }

    func log(_ conversation: ConversationID) -> [LogEntry] { logs[conversation] ?? [] }

    func place(of id: String) -> Place? { places[id] }

    /// The contents with which an entry may stand in a timeline, by how much of the log was known when it was brought there.
    ///
    /// - Parameter isRecallSeen: The timeline has the recall of that message: then there is no body.
    func contents(of entry: LogEntry, in conversation: ConversationID, isRecallSeen: Bool) -> [LogEntry.Content] {
        let isRecalled = { (n: Int64) in recalled[conversation]?.contains(n) ?? false }
        switch entry.content {
        case .message(let cid, _):
            let without = isRecalled(entry.messages) ? [LogEntry.Content.message(cid: cid, body: nil)] : []
            if isRecallSeen { return without }
            return without + (bodies[conversation]?[entry.messages] ?? []).map { .message(cid: cid, body: $0) }
        case .edited(let n, let body):
            let without = isRecalled(n) ? [LogEntry.Content.edited(n: n, body: nil)] : []
            return isRecallSeen ? without : without + [.edited(n: n, body: body)]
        default: return [entry.content]
        }
    }
}
