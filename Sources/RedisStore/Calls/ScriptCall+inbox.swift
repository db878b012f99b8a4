import Core
import Notifications

extension ScriptCall where Answer == AppendOutcome {
    /// `append.lua`
    static func append(_ notification: Notification, to user: UserID, now: Int64, _ limits: StoreLimits) -> Self {
        var arguments = RedisArguments()
        arguments.add(now)
        arguments.add(notification.id.text)
        arguments.add(notification.category)
        arguments.add(notification.collapse ?? "")
        arguments.add(notification.expiresAtMilliseconds.map { String($0) } ?? "")
        arguments.add(notification.timestampMilliseconds)
        arguments.add(notification.rest)
        arguments.add(RandomToken.make(length: 8))
        arguments.add(limits.timelineEvents)
        arguments.add(limits.timelineMilliseconds)
        arguments.add(limits.inboxItems)
        arguments.add(limits.dedupMilliseconds)
        let id = notification.id.text
        return ScriptCall(.append, keys: .append(user), arguments: arguments) { fields throws(ReplyFields.Malformed) in
            let (seq, item, previous) = (try fields.integer(), try fields.text(), try fields.text())
            let frame = try fields.bytes()
            let entry = frame.isEmpty ? nil : AppendedEntry(seq: seq, id: id, previous: previous, frame: frame)
            return AppendOutcome(entry: entry, seq: seq, item: item, routes: try fields.routes())
        }
    }
}

extension ScriptCall where Answer == ReadOutcome {
    /// `mark_read.lua`
    static func markRead(
        _ selection: ReadSelection, category: String?, of user: UserID, id: EventID, now: Int64, _ limits: StoreLimits
    ) -> Self {
        var arguments = RedisArguments()
        arguments.add(now)
        arguments.add(id.text)
        arguments.add(now)
        arguments.add(RandomToken.make(length: 8))
        arguments.add(limits.timelineEvents)
        arguments.add(limits.timelineMilliseconds)
        arguments.add(category ?? "")
        switch selection {
        case .ids(let ids):
            arguments.add("ids")
            for id in ids { arguments.add(id) }
        case .upTo(let id):
            arguments.add("up_to")
            arguments.add(id)
        case .all: arguments.add("all")
        }
        return ScriptCall(.markRead, keys: .inbox(user), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            let (seq, previous, frame) = (try fields.integer(), try fields.text(), try fields.bytes())
            let entry = seq == 0 ? nil : AppendedEntry(seq: seq, id: id.text, previous: previous, frame: frame)
            return ReadOutcome(entry: entry, counts: try fields.counts(), routes: try fields.routes())
        }
    }
}

extension ScriptCall where Answer == InboxPage {
    /// `page.lua`. - Parameter before: The number that a cursor stands for.
    static func page(_ query: InboxQuery, before: Int64?, of user: UserID, now: Int64) -> Self {
        var arguments = RedisArguments()
        arguments.add(now)
        arguments.add(before.map { String($0) } ?? "")
        arguments.add(query.limit)
        arguments.add(query.category ?? "")
        arguments.add(query.unreadOnly ? "1" : "0")
        return ScriptCall(.page, keys: .of(user, ["i", "u", "w"]), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            let cursor = try fields.text()
            let counts = try fields.counts()
            return InboxPage(items: try fields.rest(), cursor: cursor.isEmpty ? nil : cursor, counts: counts)
        }
    }
}

extension ScriptCall where Answer == InboxCounts {
    /// `counts.lua`
    static func counts(of user: UserID, now: Int64) -> Self {
        var arguments = RedisArguments()
        arguments.add(now)
        return ScriptCall(
            .counts, keys: .of(user, ["u", "w"]), arguments: arguments
        ) { fields throws(ReplyFields.Malformed) in try fields.counts() }
    }
}

extension ScriptCall where Answer == Int {
    /// `drift.lua`
    static func drift(of user: UserID, now: Int64) -> Self {
        var arguments = RedisArguments()
        arguments.add(now)
        return ScriptCall(.drift, keys: .of(user, ["i", "u", "x"]), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in try fields.count()
        }
    }
}

extension ReplyFields {
    /// What `append_counts` of `lib.lua` wrote.
    fileprivate mutating func counts() throws(Malformed) -> InboxCounts {
        let unread = try unread()
        let categories = try count()
        var byCategory: [String: Int] = [:]
        for _ in 0..<max(0, categories) {
            let category = try text()
            byCategory[category, default: 0] += try count()
        }
        return InboxCounts(unread: unread, byCategory: byCategory)
    }

    /// Messages and notifications.
    mutating func unread() throws(Malformed) -> Unread { Unread(messages: try count(), notifications: try count()) }

    /// What `append_sessions` of `lib.lua` wrote; it ends the answer.
    mutating func routes() throws(Malformed) -> [SessionRoute] {
        var routes: [SessionRoute] = []
        while !isAtEnd {
            let session = try text()
            let record = try bytes()
            let end = record.firstIndex(of: UInt8(ascii: "|")) ?? record.endIndex
            guard let holder = Incarnation(text: String(decoding: record[..<end], as: UTF8.self)) else {
                throw Malformed()
            }
            routes.append(SessionRoute(session: session, holder: holder))
        }
        return routes
    }
}
