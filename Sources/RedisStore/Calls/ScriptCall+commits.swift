import Chat
import Core

extension ScriptCall where Answer == CommitOutcome {
    /// `send.lua`, `revise.lua`, `progress.lua` or `group.lua`.
    ///
    /// - Parameter ticket: The mark that was sent before.
    static func commit(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID, id: EventID, now: Int64,
        _ limits: StoreLimits, ticket: FanOutTicket
    ) -> Self {
        let partner = conversation.partner(of: author)
        var arguments = RedisArguments(
            author.text, partner?.text ?? "", RecordNames(conversation: conversation).name(of: author), id.text)
        arguments.add(now)
        arguments.add(limits.groupFanOut)
        let script = arguments.add(change, by: author, limits)
        let keys: RedisKeySet = script == .send ? .send(conversation) : .of(conversation)
        return ScriptCall(script, keys: keys, arguments: arguments) { fields throws(ReplyFields.Malformed) in
            let word = try fields.text()
            switch word {
            case "refused": return .refused(try fields.refusal(limits))
            case "noted": return .noted(try fields.audience(of: conversation, author))
            case "cursor": return .cursor(n: try fields.integer(), own: try fields.integer())
            case "appended": return .appended(try fields.commit(to: conversation, ticket))
            case "duplicate": return .duplicate(try fields.commit(to: conversation, ticket))
            default: throw ReplyFields.Malformed()
            }
        }
    }
}

extension RedisArguments {
    /// What is special to a change, and which script takes it.
    fileprivate mutating func add(
        _ change: ConversationChange, by author: UserID, _ limits: StoreLimits
    ) -> RedisScript {
        switch change {
        case .send(let cid, let body):
            add(cid.text)
            add(body)
            add(Fingerprint.of("\(author.text)\u{1F}\(cid.text)".utf8).octets)
            add(Fingerprint.of(body).octets)
            add(limits.dedupMilliseconds)
            return .send
        case .edit(let n, let body):
            revise("edit", n)
            add(body)
            add(limits.editMilliseconds)
            add(Limits.editsPerMessageMax)
            return .revise
        case .recall(let n):
            revise("recall", n)
            return .revise
        case .react(let n, let key, let on):
            revise("react", n)
            add(key)
            add(on ? "1" : "0")
            add(Limits.reactionsPerMessageMax)
            return .revise
        case .read(let n, let force):
            add("read")
            add(n.bounded)
            add(force ? "1" : "0")
            add(min(Limits.receiptMembersMax, limits.groupFanOut))
            return .progress
        case .delivered(let n):
            add("delivered")
            add(n.bounded)
            return .progress
        case .typing:
            add("typing")
            return .progress
        case .block(let on):
            add("block")
            add(on ? "1" : "0")
            return .progress
        case .create(let title, let members):
            group("create", title: title, [author] + members, limits)
            return .group
        case .update(let title):
            group("update", title: title, [], limits)
            return .group
        case .add(let users):
            group("add", users, limits)
            return .group
        case .remove(let users):
            group("remove", users, limits)
            return .group
        case .leave:
            group("leave", [], limits)
            return .group
        }
    }

    private mutating func revise(_ what: String, _ n: Int64) {
        add(what)
        add(n.bounded)
    }

    private mutating func group(_ what: String, title: String? = nil, _ users: [UserID], _ limits: StoreLimits) {
        add(what)
        add(limits.groupMembers)
        add(EntryRecord.title(title))
        add(Limits.departureEntries)
        var named: Set<UserID> = []
        for user in users where named.insert(user).inserted { add(user.text) }
    }
}

extension Int64 {
    /// Numbers in Lua are doubles, exact up to here; no message has a number beyond, and 0 is before all.
    var bounded: Int64 { Swift.min(Swift.max(self, 0), 1 << 53) }
}

extension UInt64 {
    /// Its eight bytes: the shortest form of a fingerprint.
    fileprivate var octets: [UInt8] { withUnsafeBytes(of: bigEndian) { Array($0) } }
}

extension ReplyFields {
    /// What `noted` of lib_conversations.lua wrote.
    fileprivate mutating func audience(
        of conversation: ConversationID, _ author: UserID
    ) throws(Malformed) -> CommitOutcome.Audience {
        let isChanged = try text() == "1"
        let isAlone = try text() == "author"
        let deliveredN = Int64(try text())
        return CommitOutcome.Audience(
            members: isAlone ? [author] : try members(of: conversation), changed: isChanged, deliveredN: deliveredN)
    }

    /// What `committed` of lib_conversations.lua wrote.
    fileprivate mutating func commit(
        to conversation: ConversationID, _ ticket: FanOutTicket
    ) throws(Malformed) -> Commit {
        let number = try integer()
        let previous = EntryPosition(number: number - 1, id: try text())
        let (isFannedOut, isLarge) = (try text() == "1", try text() == "1")
        let entry = try EntryRecord(try bytes()[...]).entry(in: conversation, number: number)
        return Commit(
            entry: entry, previous: previous, members: try members(of: conversation), isFannedOut: isFannedOut,
            isLarge: isLarge, ticket: ticket)
    }

    /// The users that end an answer; those of a direct conversation stand in its name.
    mutating func members(of conversation: ConversationID) throws(Malformed) -> [UserID] {
        if case .direct(let lower, let higher) = conversation.kind { return [lower, higher] }
        var users: [UserID] = []
        while !isAtEnd { users.append(try user()) }
        return users
    }

    mutating func user() throws(Malformed) -> UserID {
        guard let user = UserID(try text()) else { throw Malformed() }
        return user
    }

    /// The sentence for a reason of the scripts.
    fileprivate mutating func refusal(_ limits: StoreLimits) throws(Malformed) -> ApusError {
        switch try text() {
        case "not_found": return .noConversation
        case "no_message": return ApusError(.notFound, "there is no message with this n")
        case "recalled": return ApusError(.notFound, "this message was recalled")
        case "blocked": return ApusError(.forbidden, "one of the two blocks the other")
        case "not_own": return ApusError(.forbidden, "only the sender may edit or recall a message")
        case "too_late":
            let hours = limits.editMilliseconds / 3_600_000
            return ApusError(.forbidden, "a message can be edited for \(hours) hours; send another one")
        case "edits":
            return ApusError(
                .tooLarge, "a message can be edited \(Limits.editsPerMessageMax) times; recall it and send another one")
        case "reactions":
            return ApusError(.tooLarge, "a message has at most \(Limits.reactionsPerMessageMax) reactions")
        case "conflict":
            return ApusError(.conflict, "this cid was sent before with another body; take a new cid for a new message")
        case "exists": return ApusError(.conflict, "there is another group with this id; repeat with a new cid")
        case "members": return ApusError(.tooLarge, "a group has at most \(limits.groupMembers) members")
        case "not_owner": return ApusError(.forbidden, "only the owner of the group may remove members")
        case "oneself": return .badRequest("the owner cannot be removed; leave the group with group.leave")
        case "direct_only": return .directOnly
        default: throw Malformed()
        }
    }
}

extension ApusError {
    /// Also for those who may not know that there is one.
    static let noConversation = ApusError(.notFound, "there is no such conversation, or you are no member of it")
    static let groupOnly = ApusError.badRequest(
        "this is a direct conversation; only groups have a title and a membership")
    static let directOnly = ApusError.badRequest(
        "this is a group; only the partner of a direct conversation can be blocked")
}
