import Core

/// One frame of a client: `{"id":…,"op":"…", …}` (PROTOCOL §2.2).
public struct ClientRequest: Sendable {
    /// The bytes of `id` as the client wrote them, to be echoed in `re`; nil when it had none.
    public var id: [UInt8]?
    /// The operation, or why it cannot be done.
    public var operation: Result<Operation, ApusError>

    /// Reads a frame. What is no request at all (no JSON object, an unusable `id`) is an error without an id.
    public static func parse(_ frame: [UInt8]) -> ClientRequest {
        let object: JSONObject
        do { object = try JSONObject(frame) } catch {
            return ClientRequest(id: nil, operation: .failure(.badRequest("not a request: \(error)")))
        }
        guard let id = requestID(object) else {
            return ClientRequest(
                id: nil,
                operation: .failure(
                    .badRequest("id: must be an integer or a string of at most \(Limits.requestIDBytesMax) bytes")))
        }
        do {
            return ClientRequest(id: id.isEmpty ? nil : id, operation: .success(try Operation(object)))
        } catch {
            return ClientRequest(id: id.isEmpty ? nil : id, operation: .failure(error))
        }
    }

    /// The id's bytes, empty when there is none; nil when it is of no use.
    private static func requestID(_ object: JSONObject) -> [UInt8]? {
        guard let id = object.present("id") else { return [] }
        if id.kind == .number, id.integer != nil { return Array(id.bytes) }
        guard let text = id.string, text.utf8.count <= Limits.requestIDBytesMax else { return nil }
        return Array(id.bytes)
    }
}

/// What a client asks for (PROTOCOL §2.3). To add an operation: a case here, its reading below, its doing in
/// `Gateway/Session/Shard+Operations.swift`.
public enum Operation: Hashable, Sendable {
    case hello(Hello)
    case ping
    case auth(token: String)
    case sync(Sync)
    case inbox(Inbox)
    case inboxRead(InboxRead)
    case subscribe(Topic)
    case unsubscribe(Topic)
    case presenceWatch([UserID])
    case presenceUnwatch([UserID])
    case chat(ChatOperation)

    public struct Hello: Hashable, Sendable {
        public var token: String?
        public var device: DeviceName?
        public var resume: Cursor?
        /// Others do not see that this session is there.
        public var invisible: Bool
    }

    public struct Sync: Hashable, Sendable {
        public var after: Int64
        public var limit: Int
        /// When given, the id that must stand at `after`, and the epoch it is of (additions of docs/protocol.md).
        public var last: String?
        public var epoch: String?
    }

    public struct Inbox: Hashable, Sendable {
        public var before: String?
        public var limit: Int
        public var category: String?
        public var unreadOnly: Bool
    }

    public struct InboxRead: Hashable, Sendable {
        public enum Selection: Hashable, Sendable { case ids([String]), upTo(String), all }
        public var selection: Selection
        public var category: String?
    }

    init(_ object: JSONObject) throws(ApusError) {
        guard let op = try object.text("op") else { throw .badRequest("op: is missing") }
        switch op {
        case "hello": self = .hello(try Hello(object))
        case "ping": self = .ping
        case "auth": self = .auth(token: try object.need("token", try object.text("token")))
        case "sync": self = .sync(try Sync(object))
        case "inbox": self = .inbox(try Inbox(object))
        case "inbox.read": self = .inboxRead(try InboxRead(object))
        case "subscribe": self = .subscribe(try object.topic())
        case "unsubscribe": self = .unsubscribe(try object.topic())
        case "presence.watch": self = .presenceWatch(try object.watchedUsers())
        case "presence.unwatch": self = .presenceUnwatch(try object.watchedUsers())
        default:
            if let chat = try ChatOperation(op, object) {
                self = .chat(chat)
                return
            }
            throw ApusError(.unknownOp, "op: \(JSONText.quoted(op.prefix(64))) is not known")
        }
    }
}

extension Operation.Hello {
    init(_ object: JSONObject) throws(ApusError) {
        token = try object.text("token")
        device = nil
        if let name = try object.text("device") {
            guard let device = DeviceName(name) else { throw .badRequest("device: must match [A-Za-z0-9._-]{1,64}") }
            self.device = device
        }
        resume = nil
        invisible = try object.flag("invisible") ?? false
        guard let value = object.present("resume") else { return }
        guard let fields = value.object else { throw .badRequest("resume: must be an object") }
        let epoch = try fields.need("resume.epoch", try fields.text("epoch", at: "resume.epoch"))
        let seq = try fields.need("resume.seq", try fields.integer("seq", 0...Int64.max, at: "resume.seq"))
        resume = Cursor(epoch: epoch, seq: seq, last: try fields.text("last", at: "resume.last"))
    }
}

extension Operation.Sync {
    init(_ object: JSONObject) throws(ApusError) {
        after = try object.need("after", try object.integer("after", 0...Int64.max))
        limit = Int(try object.integer("limit", 1...Int64(Limits.syncPageMax)) ?? Int64(Limits.syncPageMax))
        last = try object.text("last")
        epoch = try object.text("epoch")
    }
}

extension Operation.Inbox {
    init(_ object: JSONObject) throws(ApusError) {
        before = try object.text("before")
        limit = Int(try object.integer("limit", 1...Int64(Limits.inboxPageMax)) ?? 50)
        category = try object.text("category")
        unreadOnly = try object.flag("unread") ?? false
    }
}

extension Operation.InboxRead {
    init(_ object: JSONObject) throws(ApusError) {
        category = try object.text("category")
        let upTo = try object.text("up_to")
        let all = try object.flag("all") ?? false
        let ids = try object.texts("ids", countMax: Limits.inboxReadIDsMax)
        guard (upTo != nil ? 1 : 0) + (all ? 1 : 0) + (ids != nil ? 1 : 0) == 1 else {
            throw .badRequest("give one of ids, up_to and all:true")
        }
        if let ids { selection = .ids(ids) } else if let upTo { selection = .upTo(upTo) } else { selection = .all }
        guard category.map({ EventID($0) != nil && $0.utf8.count <= Limits.categoryBytesMax }) ?? true else {
            throw .badRequest("category: 1 to \(Limits.categoryBytesMax) bytes without quotes or control characters")
        }
        for (index, id) in (ids ?? upTo.map { [$0] } ?? []).enumerated() where EventID(id) == nil {
            throw .badRequest(upTo == nil ? "ids[\(index)]: is no notification id" : "up_to: is no notification id")
        }
    }
}

/// Reading members with errors that name them. `null` counts as absent.
extension JSONObject {
    /// Reads a backend's body. - Throws: `bad_request` with what is wrong and where.
    public static func request(_ body: [UInt8]) throws(ApusError) -> JSONObject {
        do throws(JSONError) { return try JSONObject(body) } catch {
            throw .badRequest("the body is no JSON object: \(error)")
        }
    }

    public func text(_ key: String, at path: String? = nil) throws(ApusError) -> String? {
        guard let value = present(key) else { return nil }
        guard let text = value.string else { throw .badRequest("\(path ?? key): must be a string") }
        return text
    }

    public func integer(_ key: String, _ range: ClosedRange<Int64>, at path: String? = nil) throws(ApusError) -> Int64?
    {
        guard let value = present(key) else { return nil }
        guard let number = value.integer, range.contains(number) else {
            let most = range.upperBound == .max ? "" : " to \(range.upperBound)"
            throw .badRequest("\(path ?? key): must be an integer from \(range.lowerBound)\(most)")
        }
        return number
    }

    public func flag(_ key: String) throws(ApusError) -> Bool? {
        guard let value = present(key) else { return nil }
        guard let flag = value.bool else { throw .badRequest("\(key): must be true or false") }
        return flag
    }

    public func texts(_ key: String, countMax: Int) throws(ApusError) -> [String]? {
        guard let value = present(key) else { return nil }
        guard let elements = value.array, elements.count <= countMax else {
            throw .badRequest("\(key): must be an array of at most \(countMax) strings")
        }
        var texts: [String] = []
        texts.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            guard let text = element.string else { throw .badRequest("\(key)[\(index)]: must be a string") }
            texts.append(text)
        }
        return texts
    }

    func need<Value>(_ path: String, _ value: Value?) throws(ApusError) -> Value {
        guard let value else { throw .badRequest("\(path): is missing") }
        return value
    }

    /// `users`: each once, in the order of their first naming.
    func watchedUsers() throws(ApusError) -> [UserID] {
        let names = try need("users", try texts("users", countMax: Limits.presenceWatchUsersMax))
        var users: [UserID] = []
        var seen: Set<UserID> = []
        for (index, name) in names.enumerated() {
            guard let user = UserID(name) else { throw .badRequest("users[\(index)]: is no user id") }
            if seen.insert(user).inserted { users.append(user) }
        }
        return users
    }

    func topic() throws(ApusError) -> Topic {
        guard let topic = Topic(try need("topic", try text("topic"))) else {
            throw .badRequest("topic: must match [A-Za-z0-9._-]{1,128}")
        }
        return topic
    }
}
