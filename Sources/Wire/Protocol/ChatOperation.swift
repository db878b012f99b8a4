import Core

/// What a client asks for in conversations (PROTOCOL §2.3). To add one: a case, its reading below, its doing in
/// `Gateway/Session/Shard+Chat.swift`.
public enum ChatOperation: Hashable, Sendable {
    case send(Send)
    case history(History)
    case conversations(cursor: String?, limit: Int)
    case read(ConversationID, n: Int64, force: Bool)
    case delivered(ConversationID, n: Int64)
    case typing(ConversationID, on: Bool)
    case edit(ConversationID, n: Int64, body: [UInt8])
    case recall(ConversationID, n: Int64)
    case react(ConversationID, n: Int64, key: String, on: Bool)
    case groupCreate(title: String?, members: [UserID], cid: ClientMessageID?)
    case groupUpdate(ConversationID, title: String)
    case groupAdd(ConversationID, [UserID])
    case groupRemove(ConversationID, [UserID])
    case groupLeave(ConversationID)
    case mute(ConversationID, on: Bool)
    case block(UserID, on: Bool)
    case blocks

    public struct Send: Hashable, Sendable {
        public enum Target: Hashable, Sendable { case user(UserID), conversation(ConversationID) }
        public var target: Target
        public var cid: ClientMessageID
        public var body: [UInt8]
    }

    public struct History: Hashable, Sendable {
        public enum Range: Hashable, Sendable { case before(Int64?), after(Int64) }
        public var conversation: ConversationID
        public var range: Range
        public var limit: Int
    }

    /// - Returns: nil when `op` is none of these.
    init?(_ op: String, _ object: JSONObject) throws(ApusError) {
        switch op {
        case "send": self = .send(try Send(object))
        case "history": self = .history(try History(object))
        case "conversations":
            self = .conversations(
                cursor: try object.text("cursor"),
                limit: Int(try object.integer("limit", 1...Int64(Limits.conversationsPageMax)) ?? 50))
        case "read":
            self = .read(
                try object.conversation(), n: try object.number(from: 0), force: try object.flag("force") ?? false)
        case "delivered": self = .delivered(try object.conversation(), n: try object.number(from: 0))
        case "typing": self = .typing(try object.conversation(), on: try object.flag("on") ?? true)
        case "edit": self = .edit(try object.conversation(), n: try object.number(), body: try object.messageBody())
        case "recall": self = .recall(try object.conversation(), n: try object.number())
        case "react":
            self = .react(
                try object.conversation(), n: try object.number(), key: try object.reactionKey(),
                on: try object.flag("on") ?? true)
        case "mute": self = .mute(try object.conversation(), on: try object.flag("on") ?? true)
        case "block": self = .block(try object.user("user"), on: true)
        case "unblock": self = .block(try object.user("user"), on: false)
        case "blocks": self = .blocks
        default:
            guard let group = try Self.group(op, object) else { return nil }
            self = group
        }
    }

    private static func group(_ op: String, _ object: JSONObject) throws(ApusError) -> ChatOperation? {
        switch op {
        case "group.create":
            return .groupCreate(
                title: try object.title(), members: try object.memberUsers() ?? [], cid: try object.cid())
        case "group.update":
            return .groupUpdate(try object.group(), title: try object.need("title", try object.title()))
        case "group.add": return .groupAdd(try object.group(), try object.need("members", try object.memberUsers()))
        case "group.remove":
            return .groupRemove(try object.group(), try object.need("members", try object.memberUsers()))
        case "group.leave": return .groupLeave(try object.group())
        default: return nil
        }
    }
}

extension ChatOperation.Send {
    init(_ object: JSONObject) throws(ApusError) {
        target = try object.target()
        cid = try object.need("cid", try object.cid())
        body = try object.messageBody()
    }
}

extension ChatOperation.History {
    init(_ object: JSONObject) throws(ApusError) {
        conversation = try object.conversation()
        let before = try object.integer("before", 1...Int64.max)
        let after = try object.integer("after", 0...Int64.max)
        guard before == nil || after == nil else { throw .badRequest("give one of before and after") }
        range = after.map { .after($0) } ?? .before(before)
        limit = Int(try object.integer("limit", 1...Int64(Limits.historyPageMax)) ?? 50)
    }
}

/// Members of requests about conversations; also used for what backends send.
extension JSONObject {
    /// `to` (a user) or `conv`.
    public func target() throws(ApusError) -> ChatOperation.Send.Target {
        guard (present("to") == nil) != (present("conv") == nil) else { throw .badRequest("give one of to and conv") }
        return present("to") == nil ? .conversation(try conversation()) : .user(try user("to"))
    }

    public func conversation() throws(ApusError) -> ConversationID {
        guard let conversation = ConversationID(try need("conv", try text("conv"))) else {
            throw .badRequest("conv: is no conversation id (d:<lower>:<higher> or g:<id>)")
        }
        return conversation
    }

    public func user(_ key: String) throws(ApusError) -> UserID {
        guard let user = UserID(try need(key, try text(key))) else {
            throw .badRequest("\(key): must be 1 to \(Limits.userBytesMax) of A-Za-z0-9._:@+=~-")
        }
        return user
    }

    public func cid() throws(ApusError) -> ClientMessageID? {
        guard let text = try text("cid") else { return nil }
        guard let cid = ClientMessageID(text) else { throw .badRequest("cid: must match [A-Za-z0-9_-]{1,64}") }
        return cid
    }

    /// `body`: an object, as it came.
    public func messageBody() throws(ApusError) -> [UInt8] {
        let body = try need("body", present("body"))
        guard body.kind == .object else { throw .badRequest("body: must be an object") }
        guard body.bytes.count <= Limits.bodyBytesMax else {
            throw ApusError(.tooLarge, "body: at most \(Limits.bodyBytesMax) bytes, this one \(body.bytes.count)")
        }
        return Array(body.bytes)
    }

    fileprivate func group() throws(ApusError) -> ConversationID {
        let conversation = try conversation()
        guard conversation.isGroup else { throw .badRequest("conv: is no group") }
        return conversation
    }

    fileprivate func number(from least: Int64 = 1) throws(ApusError) -> Int64 {
        try need("n", try integer("n", least...Int64.max))
    }

    /// Its characters are those of ids, so that it stands in JSON and in records as it is.
    fileprivate func reactionKey() throws(ApusError) -> String {
        let key = try need("key", try text("key"))
        guard key.utf8.count <= Limits.reactionKeyBytesMax, EventID(key) != nil else {
            throw .badRequest(
                "key: must be 1 to \(Limits.reactionKeyBytesMax) bytes without quotes, backslashes or control characters"
            )
        }
        return key
    }

    /// An empty title takes the title away.
    fileprivate func title() throws(ApusError) -> String? {
        guard let title = try text("title") else { return nil }
        guard title.utf8.count <= Limits.titleBytesMax, title.unicodeScalars.allSatisfy({ $0.value >= 0x20 }) else {
            throw .badRequest("title: at most \(Limits.titleBytesMax) bytes without control characters")
        }
        return title
    }

    /// `members`: each named once.
    fileprivate func memberUsers() throws(ApusError) -> [UserID]? {
        guard let names = try texts("members", countMax: Limits.groupChangeUsersMax) else { return nil }
        var users: [UserID] = []
        for (index, name) in names.enumerated() {
            guard let user = UserID(name) else { throw .badRequest("members[\(index)]: is no user id") }
            if !users.contains(user) { users.append(user) }
        }
        return users
    }
}
