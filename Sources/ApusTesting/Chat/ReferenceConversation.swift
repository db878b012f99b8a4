import Chat
import Core

/// A conversation as plain arrays, without regard to speed: what `ConversationStore` means, to be read beside its
/// contract. `ReferenceChatStore` serves it, and the walks of the contract suites compare adapters with it.
///
/// Where the contract leaves something open (which code a refusal has, for instance), this is one of the answers.
public struct ReferenceConversation: Sendable {
    /// Somebody's stay in the conversation.
    struct Stay: Sendable {
        var user: UserID
        /// The entry with which it began, and how many messages there were before.
        var joined: Int64
        var joinedMessages: Int64
        var readN: Int64
        var deliveredN: Int64
        /// The entry with which it ended; nil while the user is a member.
        var left: Int64?
    }

    private struct Sent: Sendable {
        var body: [UInt8]
        var number: Int64
        var atMilliseconds: Int64
    }

    public let id: ConversationID
    let limits: StoreLimits
    public internal(set) var entries: [LogEntry] = []
    var messages: [StoredMessage] = []
    /// Members, in the order in which they joined.
    var members: [Stay] = []
    /// The last stay of those who were removed or left.
    var gone: [UserID: Stay] = [:]
    var owner: UserID?
    var title: String?
    private var sent: [String: Sent] = [:]
    /// Who takes no messages from the partner.
    var blocking: Set<UserID> = []

    public init(id: ConversationID, limits: StoreLimits) {
        self.id = id
        self.limits = limits
    }

    public var head: EntryPosition { entries.last?.position ?? .start }
    var messageCount: Int64 { Int64(messages.count) }
    var isLarge: Bool { members.count > limits.groupFanOut }

    func stay(of user: UserID) -> Stay? { members.first { $0.user == user } }

    /// How many of the messages up to `n` are the user's own, counted since the present stay began: a member's side
    /// whose cursor is put to the joining knows of no others.
    func own(_ stay: Stay, upTo n: Int64) -> Int64 {
        Int64(messages.filter { $0.sender == stay.user && $0.n > stay.joinedMessages && $0.n <= n }.count)
    }

    // MARK: Changes

    /// Judges a change, and applies it when it is not refused.
    public mutating func commit(
        _ change: ConversationChange, by author: UserID, id event: EventID, nowMilliseconds now: Int64,
        ticket: FanOutTicket
    ) -> CommitOutcome {
        let time = max(now, entries.last?.timestampMilliseconds ?? now)
        let entering = Entering(id: event.text, time: time, now: now, author: author, ticket: ticket)
        if id.excludes(author) { return Self.notFound }
        switch change {
        case .create(let title, let users): return create(title, users, entering)
        case .send(let cid, let body): return send(cid, body, entering)
        case .block(let on): return block(on, author)
        default: break
        }
        guard stay(of: author) != nil else { return Self.notFound }
        switch change {
        case .edit(let n, let body): return edit(n, body, entering)
        case .recall(let n): return recall(n, entering)
        case .react(let n, let key, let on): return react(n, key, on, entering)
        case .read(let n, let force): return read(n, force, entering)
        case .delivered(let n): return delivered(n, author)
        case .typing: return noted(author, changed: false)
        case .update, .add, .remove, .leave: return changeGroup(change, entering)
        case .send, .block, .create: return Self.notFound
        }
    }

    /// What a new entry is made from.
    struct Entering {
        var id: String
        var time: Int64
        var now: Int64
        var author: UserID
        var ticket: FanOutTicket
    }

    static let notFound = CommitOutcome.refused(ApusError(.notFound, "there is no such conversation"))
    private static let forbidden = CommitOutcome.refused(ApusError(.forbidden, "that is not allowed here"))

    mutating func append(_ content: LogEntry.Content, _ entering: Entering) -> LogEntry {
        let entry = LogEntry(
            position: EntryPosition(number: head.number + 1, id: entering.id), timestampMilliseconds: entering.time,
            author: entering.author, messages: messageCount, content: content)
        entries.append(entry)
        return entry
    }

    /// What is told of an entry that is in the log.
    func committed(_ entry: LogEntry, _ ticket: FanOutTicket) -> Commit {
        let number = entry.position.number
        var concerned: [UserID]?
        if case .group(let change) = entry.content, change.kind != .updated { concerned = change.users }
        let others = (concerned ?? []).filter { stay(of: $0) == nil }
        return Commit(
            entry: entry, previous: number == 1 ? .start : entries[Int(number) - 2].position,
            members: isLarge ? concerned ?? members.map(\.user) : members.map(\.user) + others,
            isFannedOut: !isLarge || concerned != nil, isLarge: isLarge, ticket: ticket)
    }

    private func noted(_ author: UserID, changed: Bool, deliveredN: Int64? = nil) -> CommitOutcome {
        let audience = blocking.isEmpty && !members.isEmpty ? members.map(\.user) : [author]
        return .noted(CommitOutcome.Audience(members: audience, changed: changed, deliveredN: deliveredN))
    }

    private mutating func send(_ cid: ClientMessageID, _ body: [UInt8], _ entering: Entering) -> CommitOutcome {
        let key = "\(entering.author.text) \(cid.text)"
        if let known = known(key, body, entering) { return known }
        if case .direct(let lower, let higher) = id.kind {
            guard blocking.isEmpty else { return Self.forbidden }
            if members.isEmpty {
                members = [lower, higher].map {
                    Stay(user: $0, joined: 1, joinedMessages: 0, readN: 0, deliveredN: 0)
                }
            }
        }
        guard stay(of: entering.author) != nil else { return Self.notFound }
        messages.append(
            StoredMessage(
                n: messageCount + 1, id: entering.id, timestampMilliseconds: entering.time, sender: entering.author,
                cid: cid.text, body: body))
        let entry = append(.message(cid: cid.text, body: body), entering)
        sent[key] = Sent(body: body, number: entry.position.number, atMilliseconds: entering.now)
        return .appended(committed(entry, entering.ticket))
    }

    private func known(_ key: String, _ body: [UInt8], _ entering: Entering) -> CommitOutcome? {
        guard let first = sent[key], entering.now - first.atMilliseconds < limits.dedupMilliseconds else { return nil }
        guard first.body == body else {
            return .refused(ApusError(.conflict, "cid: was used for a message with another body"))
        }
        return .duplicate(committed(entries[Int(first.number) - 1], entering.ticket))
    }

    private mutating func block(_ on: Bool, _ author: UserID) -> CommitOutcome {
        guard !id.isGroup else { return stay(of: author) == nil ? Self.notFound : Self.forbidden }
        let changed = on ? blocking.insert(author).inserted : blocking.remove(author) != nil
        return noted(author, changed: changed)
    }

    /// The index of message `n`, when the author may see it.
    private func visible(_ n: Int64, to user: UserID) -> Int? {
        guard let stay = stay(of: user), n > stay.joinedMessages, n <= messageCount else { return nil }
        return Int(n) - 1
    }

    private mutating func edit(_ n: Int64, _ body: [UInt8], _ entering: Entering) -> CommitOutcome {
        guard blocking.isEmpty else { return Self.forbidden }
        guard let index = visible(n, to: entering.author), messages[index].body != nil else { return Self.notFound }
        guard messages[index].sender == entering.author,
            entering.now - messages[index].timestampMilliseconds <= limits.editMilliseconds
        else { return Self.forbidden }
        messages[index].body = body
        messages[index].editedMilliseconds = entering.time
        setBody(of: n, to: body)
        return .appended(committed(append(.edited(n: n, body: body), entering), entering.ticket))
    }

    private mutating func recall(_ n: Int64, _ entering: Entering) -> CommitOutcome {
        guard let index = visible(n, to: entering.author) else { return Self.notFound }
        guard messages[index].sender == entering.author else { return Self.forbidden }
        guard messages[index].body != nil else { return noted(entering.author, changed: false) }
        messages[index].body = nil
        setBody(of: n, to: nil)
        return .appended(committed(append(.recalled(n: n), entering), entering.ticket))
    }

    /// Puts another body into the entry of a message; a recall takes it out of its edits too.
    private mutating func setBody(of n: Int64, to body: [UInt8]?) {
        for index in entries.indices {
            switch entries[index].content {
            case .message(let cid, _) where entries[index].messages == n:
                entries[index].content = .message(cid: cid, body: body)
            case .edited(n, _) where body == nil: entries[index].content = .edited(n: n, body: nil)
            default: break
            }
        }
    }

    private mutating func react(_ n: Int64, _ key: String, _ on: Bool, _ entering: Entering) -> CommitOutcome {
        guard blocking.isEmpty else { return Self.forbidden }
        guard let index = visible(n, to: entering.author), messages[index].body != nil else { return Self.notFound }
        var reactions = messages[index].reactions
        let at = reactions.firstIndex { $0.key == key }
        let isSet = at.map { reactions[$0].users.contains(entering.author) } ?? false
        guard isSet != on else { return noted(entering.author, changed: false) }
        if on {
            guard reactions.reduce(0, { $0 + $1.users.count }) < Limits.reactionsPerMessageMax else {
                return .refused(
                    ApusError(.tooLarge, "a message has at most \(Limits.reactionsPerMessageMax) reactions"))
            }
            if let at {
                reactions[at].users.append(entering.author)
            } else {
                reactions.append(StoredMessage.Reaction(key: key, users: [entering.author]))
            }
        } else if let at {
            reactions[at].users.removeAll { $0 == entering.author }
            if reactions[at].users.isEmpty { reactions.remove(at: at) }
        }
        messages[index].reactions = reactions
        return .appended(committed(append(.reaction(n: n, key: key, on: on), entering), entering.ticket))
    }

    private mutating func read(_ n: Int64, _ force: Bool, _ entering: Entering) -> CommitOutcome {
        guard let index = members.firstIndex(where: { $0.user == entering.author }) else { return Self.notFound }
        let stay = members[index]
        let wanted = min(max(n, stay.joinedMessages), messageCount)
        let moves = force ? wanted != stay.readN : wanted > stay.readN
        guard moves else { return .cursor(n: stay.readN, own: own(stay, upTo: stay.readN)) }
        members[index].readN = wanted
        let own = own(stay, upTo: wanted)
        guard members.count <= Limits.receiptMembersMax else { return .cursor(n: wanted, own: own) }
        return .appended(committed(append(.read(n: wanted, own: own), entering), entering.ticket))
    }

    private mutating func delivered(_ n: Int64, _ author: UserID) -> CommitOutcome {
        guard let index = members.firstIndex(where: { $0.user == author }) else { return Self.notFound }
        let wanted = min(n, messageCount)
        let moves = wanted > members[index].deliveredN
        if moves { members[index].deliveredN = wanted }
        return noted(author, changed: moves, deliveredN: members[index].deliveredN)
    }
}

// MARK: Groups

extension ReferenceConversation {
    private mutating func create(_ title: String?, _ users: [UserID], _ entering: Entering) -> CommitOutcome {
        guard id.isGroup else { return Self.forbidden }
        if let first = entries.first {
            guard first.author == entering.author else { return Self.notFound }
            return .duplicate(committed(first, entering.ticket))
        }
        let all = Self.unique([entering.author] + users)
        guard all.count <= limits.groupMembers else { return tooMany }
        self.title = title
        owner = entering.author
        join(all)
        let change = GroupChange(kind: .created, title: title, users: all)
        return .appended(committed(append(.group(change), entering), entering.ticket))
    }

    private mutating func changeGroup(_ change: ConversationChange, _ entering: Entering) -> CommitOutcome {
        let nothing = CommitOutcome.noted(
            CommitOutcome.Audience(members: members.map(\.user), changed: false))
        guard id.isGroup else { return Self.forbidden }
        var made: GroupChange
        switch change {
        case .update(let title):
            guard title != self.title else { return nothing }
            self.title = title
            made = GroupChange(kind: .updated, title: title)
        case .add(let users):
            made = GroupChange(kind: .added, users: Self.unique(users).filter { stay(of: $0) == nil })
            guard !made.users.isEmpty else { return nothing }
            guard members.count + made.users.count <= limits.groupMembers else { return tooMany }
            join(made.users)
        case .remove(let users):
            guard entering.author == owner else { return Self.forbidden }
            made = GroupChange(kind: .removed, users: Self.unique(users).filter { stay(of: $0) != nil })
            guard !made.users.isEmpty else { return nothing }
            end(made.users)
        default:
            made = GroupChange(kind: .left, users: [entering.author])
            end(made.users)
        }
        return .appended(committed(append(.group(made), entering), entering.ticket))
    }

    private var tooMany: CommitOutcome {
        .refused(ApusError(.tooLarge, "members: a group has at most \(limits.groupMembers)"))
    }

    private mutating func join(_ users: [UserID]) {
        for user in users {
            gone[user] = nil
            members.append(
                Stay(
                    user: user, joined: head.number + 1, joinedMessages: messageCount, readN: messageCount,
                    deliveredN: messageCount))
        }
    }

    private mutating func end(_ users: [UserID]) {
        for user in users {
            guard var stay = stay(of: user) else { continue }
            stay.left = head.number + 1
            gone[user] = stay
            members.removeAll { $0.user == user }
        }
        if let owner, users.contains(owner) { self.owner = members.first?.user }
    }

    private static func unique(_ users: [UserID]) -> [UserID] {
        var seen = Set<UserID>()
        return users.filter { seen.insert($0).inserted }
    }
}

// MARK: Reading

extension ReferenceConversation {
    /// What follows a position for one member; nil for strangers.
    public func page(for member: UserID?, after position: EntryPosition?, limit: Int) -> EntryPage? {
        guard !entries.isEmpty else { return nil }
        let all = members.map(\.user) + gone.keys.sorted()
        var page = EntryPage(from: position ?? .start, isForked: false, entries: [], head: head, members: all)
        guard let member else { return page }
        guard let stay = stay(of: member) ?? gone[member] else { return nil }
        let before = stay.joined == 1 ? .start : entries[Int(stay.joined) - 2].position
        let from = position.map { $0.number < before.number ? before : $0 } ?? before
        page.from = from
        if from.number > head.number || from.number > 0 && entries[Int(from.number) - 1].position != from {
            page.isForked = true
            return page
        }
        let end = stay.left ?? head.number
        if from.number < end { page.entries = Array(entries[Int(from.number)..<Int(end)].prefix(limit)) }
        return page
    }

    /// Messages of one member; nil for strangers.
    public func history(for member: UserID, _ range: HistoryRange, limit: Int) -> HistoryPage? {
        guard let stay = stay(of: member) else {
            return entries.isEmpty && id.partner(of: member) != nil ? HistoryPage(messages: [], more: false) : nil
        }
        let visible = messages.filter { $0.n > stay.joinedMessages }
        switch range {
        case .before(let n):
            let wanted = visible.filter { $0.n < n ?? .max }
            return HistoryPage(messages: Array(wanted.suffix(limit)), more: wanted.count > limit)
        case .after(let n):
            let wanted = visible.filter { $0.n > n }
            return HistoryPage(messages: Array(wanted.prefix(limit)), more: wanted.count > limit)
        }
    }

    /// The conversation as one member sees it; nil for strangers.
    public func summary(for member: UserID) -> ConversationSummary? {
        guard let stay = stay(of: member) else { return nil }
        let others = members.count <= Limits.receiptMembersMax ? members.filter { $0.user != member } : []
        return ConversationSummary(
            conversation: id, members: members.prefix(Limits.membersShownMax).map(\.user), memberCount: members.count,
            owner: owner, title: title, head: head, messages: messageCount,
            last: messages.last { $0.n > stay.joinedMessages }, readN: stay.readN,
            readOwn: own(stay, upTo: stay.readN), own: own(stay, upTo: .max),
            others: others.map {
                ConversationSummary.MemberProgress(user: $0.user, readN: $0.readN, deliveredN: $0.deliveredN)
            },
            isBlocked: blocking.contains(member))
    }
}
