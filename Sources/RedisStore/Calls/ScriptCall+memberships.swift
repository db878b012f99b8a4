import Chat
import Core

extension ScriptCall where Answer == AdvanceOutcome {
    /// `advance.lua`
    static func advance(
        _ user: UserID, in conversation: ConversationID, by step: AdvanceStep, now: Int64, _ limits: StoreLimits,
        _ appendMark: AppendMark
    ) -> Self {
        var arguments = RedisArguments()
        arguments.addTimeline(now: now, limits)
        arguments.add(conversation.name(for: user))
        arguments.add(step.mode.word)
        arguments.add(step.from.number.bounded)
        arguments.add(step.from.id)
        if case .reset(let id, let counts) = step.mode {
            arguments.add("\(counts.messages) \(counts.own) \(counts.readN) \(counts.readOwn)")
            arguments.add(EntryRecord.pack(.reset, id: id.text, at: now) { $0.add("") })
        } else {
            for entry in step.entries {
                arguments.add(effect(of: entry, on: user))
                let mark = appendMark.word(forEntryAt: entry.timestampMilliseconds)
                arguments.add(EntryRecord.pack(entry, in: conversation, for: user, mark: mark))
            }
        }
        return ScriptCall(.advance, keys: .side(user), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            switch try fields.text() {
            case "advanced": return .advanced(try fields.advance(of: user, in: conversation))
            case "gap":
                let (number, id) = (try fields.text(), try fields.text())
                return .gap(after: Int64(number).map { EntryPosition(number: $0, id: id) })
            case "beyond": return .beyond(try fields.position())
            case "forked": return .forked
            default: throw ReplyFields.Malformed()
            }
        }
    }

    /// What an entry does to the counts and the membership of the user, in the words of `advance.lua`.
    private static func effect(of entry: LogEntry, on user: UserID) -> String {
        switch entry.content {
        case .message: return entry.author == user ? "o" : "m"
        case .recalled(let n): return "c \(n)"
        case .read(let n, let own) where entry.author == user: return "d \(n) \(own)"
        case .group(let change):
            switch change.kind {
            case .created where change.users.contains(user) || entry.author == user: return "j"
            case .added where change.users.contains(user): return "j"
            case .removed where change.users.contains(user): return "g"
            case .left where change.users.contains(user) || entry.author == user: return "g"
            default: return "-"
            }
        case .edited, .reaction, .read: return "-"
        }
    }
}

extension AdvanceStep.Mode {
    fileprivate var word: String {
        switch self {
        case .follow: "follow"
        case .join: "join"
        case .aside(let force): force ? "force" : "aside"
        case .reset: "reset"
        }
    }
}

extension ScriptCall where Answer == MembershipPage {
    /// `conversations.lua`. - Parameter before: The activity that a cursor stands for.
    static func conversations(of user: UserID, before: Int64?, limit: Int) -> Self {
        var arguments = RedisArguments()
        arguments.add(before.map { String($0) } ?? "")
        arguments.add(limit)
        return ScriptCall(.conversations, keys: .of(user, ["v", "a"]), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            let cursor = try fields.text()
            var memberships: [Membership] = []
            while !fields.isAtEnd {
                guard let conversation = ConversationID(named: try fields.text(), by: user) else {
                    throw ReplyFields.Malformed()
                }
                memberships.append(try Membership(stored: try fields.bytes(), conversation))
            }
            return MembershipPage(memberships: memberships, cursor: cursor.isEmpty ? nil : cursor)
        }
    }
}

extension ScriptCall where Answer == MembershipState? {
    /// `membership.lua`
    static func membership(of user: UserID, in conversation: ConversationID, now: Int64) -> Self {
        var arguments = RedisArguments()
        arguments.add(now)
        arguments.add(conversation.name(for: user))
        return ScriptCall(.membership, keys: .of(user, ["u", "x", "v", "w"]), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            fields.isAtEnd ? nil : try fields.state()
        }
    }
}

extension ScriptCall where Answer == PersonalOutcome? {
    /// `mute.lua` or `block.lua`
    static func personal(
        _ change: PersonalChange, of user: UserID, id: EventID, now: Int64, _ limits: StoreLimits
    ) -> Self {
        var arguments = RedisArguments()
        arguments.addTimeline(now: now, limits)
        let script: RedisScript
        let keys: RedisKeySet
        switch change {
        case .mute(let conversation, let on):
            arguments.add(conversation.name(for: user))
            arguments.add(on ? "1" : "0")
            arguments.add(id.text)
            arguments.add(EntryRecord.pack(.mute, id: id.text, at: now) { $0.add(on ? 1 : 0) })
            (script, keys) = (.mute, .side(user))
        case .block(let blocked, let on):
            arguments.add(blocked.text)
            arguments.add(on ? "1" : "0")
            arguments.add(id.text)
            arguments.add(
                EntryRecord.pack(.block, id: id.text, at: now) {
                    $0.add(blocked.text)
                    $0.add(on ? 1 : 0)
                })
            arguments.add(Limits.blocksMax)
            script = .block
            keys = .of(user, ["m", "t", "d", "b"])
        }
        return ScriptCall(script, keys: keys, arguments: arguments) { fields throws(ReplyFields.Malformed) in
            guard !fields.isAtEnd else { return nil }
            let (seq, previous, event) = (try fields.integer(), try fields.text(), try fields.bytes())
            let entry = try TimelineRecord(event).map { record throws(ReplyFields.Malformed) in
                let (id, frame) = try record.expanded(seq: seq, for: user)
                return AppendedEntry(seq: seq, id: id, previous: previous, frame: frame)
            }
            return PersonalOutcome(entry: entry, routes: try fields.routes())
        }
    }
}

extension ScriptCall where Answer == Int {
    /// `message_drift.lua`
    static func messageDrift(of user: UserID) -> Self {
        return ScriptCall(.messageDrift, keys: .of(user, ["v", "w"]), arguments: RedisArguments()) {
            fields throws(ReplyFields.Malformed) in try fields.count()
        }
    }
}

extension RedisArguments {
    /// Now, the epoch that a timeline begins with, events kept, how long.
    fileprivate mutating func addTimeline(now: Int64, _ limits: StoreLimits) {
        add(now)
        add(RandomToken.make(length: 8))
        add(limits.timelineEvents)
        add(limits.timelineMilliseconds)
    }
}

extension ReplyFields {
    fileprivate mutating func state() throws(Malformed) -> MembershipState {
        MembershipState(readN: try integer(), conversationUnread: try count(), unread: try unread())
    }

    fileprivate mutating func advance(
        of user: UserID, in conversation: ConversationID
    ) throws(Malformed) -> AdvanceOutcome.Advance {
        let count = try count()
        var (seq, previous) = (try integer(), try text())
        let state = try state()
        var entries: [AppendedEntry] = []
        for _ in 0..<max(0, count) {
            guard let record = TimelineRecord(try bytes()) else { throw Malformed() }
            let (id, frame) = try record.expanded(seq: seq, for: user, in: conversation)
            entries.append(AppendedEntry(seq: seq, id: id, previous: previous, frame: frame))
            (seq, previous) = (seq + 1, id)
        }
        return AdvanceOutcome.Advance(entries: entries, routes: try routes(), state: state)
    }
}

extension Membership {
    /// Reads what `write_membership` of lib_memberships.lua wrote.
    fileprivate init(
        stored record: [UInt8], _ conversation: ConversationID
    ) throws(ReplyFields.Malformed) {
        var parts = RecordParts(record[...])
        let cursor = EntryPosition(number: try parts.integer(), id: try parts.text())
        let counts = ConversationCounts(
            messages: try parts.integer(), own: try parts.integer(), readN: try parts.integer(),
            readOwn: try parts.integer())
        self.init(
            conversation: conversation, cursor: cursor, counts: counts, isMuted: try parts.text().contains("m"))
    }
}
