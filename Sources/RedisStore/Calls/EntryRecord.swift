import Chat
import Core

/// The parts of a record in Redis. The byte 0x1F stands between them; only the last one may have it inside.
struct RecordParts {
    static let separator: UInt8 = 0x1F

    private var rest: ArraySlice<UInt8>?

    init(_ record: ArraySlice<UInt8>) { rest = record }

    mutating func bytes() throws(ReplyFields.Malformed) -> ArraySlice<UInt8> {
        guard let left = rest else { throw ReplyFields.Malformed() }
        let end = left.firstIndex(of: Self.separator)
        rest = end.map { left[($0 + 1)...] }
        return left[..<(end ?? left.endIndex)]
    }

    mutating func text() throws(ReplyFields.Malformed) -> String { String(decoding: try bytes(), as: UTF8.self) }

    mutating func integer() throws(ReplyFields.Malformed) -> Int64 {
        guard let number = DecimalText.read(try bytes()) else { throw ReplyFields.Malformed() }
        return number
    }

    /// All that is left.
    mutating func last() throws(ReplyFields.Malformed) -> ArraySlice<UInt8> {
        guard let left = rest else { throw ReplyFields.Malformed() }
        rest = nil
        return left
    }
}

/// Writes parts one after another, as `RecordParts` reads them.
struct RecordWriter {
    private(set) var bytes: [UInt8] = []
    private var isFirst = true

    /// Most records fit: one allocation instead of one for each doubling.
    init() { bytes.reserveCapacity(256) }

    mutating func add(_ text: String) {
        begin()
        bytes.append(contentsOf: text.utf8)
    }

    mutating func add(_ part: [UInt8]) {
        begin()
        bytes += part
    }

    mutating func add(_ number: Int64) {
        begin()
        DecimalText.with(number) { bytes.append(contentsOf: $0) }
    }

    mutating func add(letter: UInt8) {
        begin()
        bytes.append(letter)
    }

    private mutating func begin() {
        if !isFirst { bytes.append(RecordParts.separator) }
        isFirst = false
    }
}

/// How users stand in the records of one conversation: the two of a direct one by a digit, members of a group by their id.
struct RecordNames {
    let conversation: ConversationID

    func name(of user: UserID) -> String {
        guard case .direct(let lower, let higher) = conversation.kind else { return user.text }
        return user == lower ? "0" : user == higher ? "1" : user.text
    }

    func user(_ name: String) throws(ReplyFields.Malformed) -> UserID {
        if case .direct(let lower, let higher) = conversation.kind {
            if name == "0" { return lower }
            if name == "1" { return higher }
        }
        guard let user = UserID(name) else { throw ReplyFields.Malformed() }
        return user
    }
}

/// An entry of a log as Redis keeps it: `id␟kind␟messages␟author␟time␟rest` (docs/redis-keys.md). Scripts write it when an
/// entry is appended to the log, and this when it goes into a member's timeline.
///
/// In a timeline `~` and a mark may follow the entry's id (`AppendMark`); the event's id is then both.
struct EntryRecord {
    /// The letters of the kinds.
    enum Kind: UInt8 {
        case message = 0x6D  // m
        /// A message that was edited; only in logs.
        case editedMessage = 0x4D  // M
        case edited = 0x65  // e
        case recalled = 0x72  // r
        case reaction = 0x61  // a
        case read = 0x64  // d
        case group = 0x67  // g
        /// Only in timelines.
        case reset = 0x78  // x
        case mute = 0x75  // u
        case block = 0x62  // b

        init(of content: LogEntry.Content) {
            self =
                switch content {
                case .message: .message
                case .edited: .edited
                case .recalled: .recalled
                case .reaction: .reaction
                case .read: .read
                case .group: .group
                }
        }
    }

    let id: String
    let kind: Kind
    let messages: Int64
    let author: String
    let timestampMilliseconds: Int64
    var rest: RecordParts

    init(_ record: ArraySlice<UInt8>) throws(ReplyFields.Malformed) {
        var parts = RecordParts(record)
        id = try parts.text()
        let letter = try parts.bytes()
        guard letter.count == 1, let kind = letter.first.flatMap(Kind.init) else { throw ReplyFields.Malformed() }
        self.kind = kind
        messages = try parts.integer()
        author = try parts.text()
        let time = try parts.bytes()
        guard let onTop = time.isEmpty ? 0 : DecimalText.read(time) else { throw ReplyFields.Malformed() }
        timestampMilliseconds = ULIDTime.milliseconds(of: id) + onTop
        rest = RecordParts(try parts.last())
    }

    /// A record whose rest is written by `rest`.
    static func pack(
        _ kind: Kind, id: String, mark: String? = nil, messages: Int64 = 0, author: String = "",
        at milliseconds: Int64, rest: (inout RecordWriter) -> Void
    ) -> [UInt8] {
        var writer = RecordWriter()
        writer.add(mark.map { id + "~" + $0 } ?? id)
        writer.add(letter: kind.rawValue)
        writer.add(messages)
        writer.add(author)
        let onTop = milliseconds - ULIDTime.milliseconds(of: id)
        if onTop == 0 { writer.add("") } else { writer.add(onTop) }
        rest(&writer)
        return writer.bytes
    }

    /// An entry for the timeline of `user`: only senders see their `cid`.
    static func pack(
        _ entry: LogEntry, in conversation: ConversationID, for user: UserID, mark: String?
    ) -> [UInt8] {
        pack(
            Kind(of: entry.content), id: entry.position.id, mark: mark, messages: entry.messages,
            author: RecordNames(conversation: conversation).name(of: entry.author), at: entry.timestampMilliseconds
        ) { rest in
            switch entry.content {
            case .message(let cid, let body):
                rest.add(entry.author == user ? cid : "")
                rest.add(body ?? [])
            case .edited(let n, let body):
                rest.add(n)
                rest.add("")
                rest.add(body ?? [])
            case .recalled(let n): rest.add(n)
            case .reaction(let n, let key, let on):
                rest.add(n)
                rest.add(on ? 1 : 0)
                rest.add(key)
            case .read(let n, let own):
                rest.add(n)
                rest.add(own)
            case .group(let change):
                rest.add(change.kind.rawValue)
                rest.add(change.users.map(\.text).joined(separator: " "))
                rest.add(title(change.title))
            }
        }
    }

    /// A title, or none, as one part.
    static func title(_ title: String?) -> String { title.map { "=" + $0 } ?? "" }
}

// MARK: Reading

extension EntryRecord {
    /// The entry that stands at `number` of the log; in timelines nobody asks for the number.
    func entry(
        in conversation: ConversationID, number: Int64 = 0
    ) throws(ReplyFields.Malformed) -> LogEntry {
        LogEntry(
            position: EntryPosition(number: number, id: id), timestampMilliseconds: timestampMilliseconds,
            author: try RecordNames(conversation: conversation).user(author), messages: messages, content: try content()
        )
    }

    private func content() throws(ReplyFields.Malformed) -> LogEntry.Content {
        var rest = rest
        switch kind {
        case .message: return .message(cid: try rest.text(), body: Self.body(try rest.last()))
        case .editedMessage:
            let cid = try rest.text()
            _ = try rest.bytes()
            return .message(cid: cid, body: Self.body(try rest.last()))
        case .edited:
            let n = try rest.integer()
            // The edit before it.
            _ = try rest.bytes()
            return .edited(n: n, body: Self.body(try rest.last()))
        case .recalled: return .recalled(n: try rest.integer())
        case .reaction:
            let (n, on) = (try rest.integer(), try rest.text() == "1")
            return .reaction(n: n, key: String(decoding: try rest.last(), as: UTF8.self), on: on)
        case .read: return .read(n: try rest.integer(), own: try rest.integer())
        case .group: return .group(try Self.change(&rest))
        case .reset, .mute, .block: throw ReplyFields.Malformed()
        }
    }

    private static func change(_ rest: inout RecordParts) throws(ReplyFields.Malformed) -> GroupChange {
        guard let kind = GroupChange.Kind(rawValue: try rest.text()) else { throw ReplyFields.Malformed() }
        var users: [UserID] = []
        for name in try rest.text().split(separator: " ") {
            guard let user = UserID(name) else { throw ReplyFields.Malformed() }
            users.append(user)
        }
        return GroupChange(
            kind: kind, title: title(from: String(decoding: try rest.last(), as: UTF8.self)), users: users)
    }

    /// What `title` made.
    static func title(from part: String) -> String? { part.isEmpty ? nil : String(part.dropFirst()) }

    private static func body(_ part: ArraySlice<UInt8>) -> [UInt8]? { part.isEmpty ? nil : Array(part) }

    /// A message as `history` shows it.
    /// - Parameter reactions: What the script found beside it: `key␞user␞user…␟key␞user…`.
    func message(
        in conversation: ConversationID, reactions: [UInt8]
    ) throws(ReplyFields.Malformed) -> StoredMessage {
        var rest = rest
        let cid = try rest.text()
        var edited: Int64?
        if kind == .editedMessage {
            // How often, by which entry, when.
            guard let time = try rest.text().split(separator: ":").last, let milliseconds = Int64(time) else {
                throw ReplyFields.Malformed()
            }
            edited = milliseconds
        } else if kind != .message {
            throw ReplyFields.Malformed()
        }
        let names = RecordNames(conversation: conversation)
        return StoredMessage(
            n: messages, id: id, timestampMilliseconds: timestampMilliseconds, sender: try names.user(author), cid: cid,
            body: Self.body(try rest.last()), editedMilliseconds: edited,
            reactions: try Self.reactions(reactions, names))
    }

    private static func reactions(
        _ packed: [UInt8], _ names: RecordNames
    ) throws(ReplyFields.Malformed) -> [StoredMessage.Reaction] {
        var found: [StoredMessage.Reaction] = []
        for reaction in packed.split(separator: RecordParts.separator) {
            let parts = reaction.split(separator: 0x1E).map { String(decoding: $0, as: UTF8.self) }
            var users: [UserID] = []
            for name in parts.dropFirst() { users.append(try names.user(name)) }
            found.append(StoredMessage.Reaction(key: parts[0], users: users))
        }
        return found
    }
}

/// The time that a ULID begins with. Most ids are ULIDs of the very millisecond at which the entry was appended, so records
/// have only the difference.
enum ULIDTime {
    private static let digits = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

    /// Milliseconds since 1970; 0 for an id that is no ULID. `id_time` of lib_conversations.lua decides alike. A mark behind
    /// the id is not looked at.
    static func milliseconds(of id: String) -> Int64 {
        let id = id.utf8.prefix { $0 != UInt8(ascii: "~") }
        guard id.count == 26, let first = id.first, 0x30...0x37 ~= first else { return 0 }
        var time: Int64 = 0
        for (place, byte) in id.enumerated() {
            guard let digit = digits.firstIndex(of: byte) else { return 0 }
            if place < 10 { time = time << 5 | Int64(digit) }
        }
        return time
    }
}
