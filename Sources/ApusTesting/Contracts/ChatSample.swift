import Chat
import Core
import Synchronization

/// Values for the suites of chat.
enum ChatSample {
    static func cid() -> ClientMessageID {
        guard let cid = ClientMessageID(RandomToken.make(length: 16)) else { preconditionFailure("not a cid") }
        return cid
    }

    static func body(_ text: String = "hello") -> [UInt8] { Array("{ \"text\": \"\(text)\", \"n\":1.50}".utf8) }

    /// Two new users, in the order of the conversation's id, and their conversation.
    static func pair() -> (UserID, UserID, ConversationID) {
        let users = [Sample.user(), Sample.user()].sorted()
        return (users[0], users[1], direct(users[0], users[1]))
    }

    static func direct(_ one: UserID, _ other: UserID) -> ConversationID {
        guard let id = ConversationID(between: one, and: other) else { preconditionFailure("the same user twice") }
        return id
    }

    static func users(_ count: Int) -> [UserID] { (0..<count).map { _ in Sample.user() } }

    /// A time before all others that were given out, and before `Sample.now`: what is claimed as marked before such a
    /// time cannot be the mark of another case, though all share one server. The hour after it is the case's own.
    static func earlierHour() -> Int64 {
        let hour = hours.withLock { hours in
            hours += 1
            return hours
        }
        return Sample.now - 86_400_000 * 365 - hour * 3_600_000
    }

    private static let hours = Mutex<Int64>(0)
}

/// A log that no store has: what a member's side is told is up to the case.
struct SampleLog {
    let conversation: ConversationID
    private(set) var entries: [LogEntry] = []
    private var messages: Int64 = 0

    init(_ conversation: ConversationID) { self.conversation = conversation }

    var head: EntryPosition { entries.last?.position ?? .start }

    /// The position of an entry; the start for 0.
    func position(_ number: Int) -> EntryPosition { number == 0 ? .start : entries[number - 1].position }

    @discardableResult
    mutating func add(_ content: LogEntry.Content, by author: UserID) -> LogEntry {
        if case .message = content { messages += 1 }
        let entry = LogEntry(
            position: EntryPosition(number: head.number + 1, id: EventID.new(atMilliseconds: Sample.now).text),
            timestampMilliseconds: Sample.now + head.number, author: author, messages: messages, content: content)
        entries.append(entry)
        return entry
    }

    @discardableResult
    mutating func message(_ text: String = "hello", by author: UserID) -> LogEntry {
        add(.message(cid: ChatSample.cid().text, body: ChatSample.body(text)), by: author)
    }

    /// The entries with these numbers, as a step.
    func step(_ numbers: ClosedRange<Int>, _ mode: AdvanceStep.Mode = .follow) -> AdvanceStep {
        AdvanceStep(
            mode: mode, from: position(numbers.lowerBound - 1),
            entries: Array(entries[numbers.lowerBound - 1...numbers.upperBound - 1]))
    }

    /// All of it as a step.
    var whole: AdvanceStep { step(1...entries.count) }
}
