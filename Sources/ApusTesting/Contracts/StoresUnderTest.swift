import Core
import Notifications
import Presence
import Testing
import Timelines

/// The three store ports of one adapter on one server, as the contract suites see them.
///
/// All users are new in every case, so cases may run at the same time on one server, and after each other.
public struct StoresUnderTest: Sendable {
    public let timelines: any TimelineStore
    public let inbox: any InboxStore
    public let presence: any PresenceStore
    /// What the adapter was opened with; `StoreLimits.forTests` keeps the suites quick.
    public let limits: StoreLimits

    public init(
        timelines: any TimelineStore, inbox: any InboxStore, presence: any PresenceStore, limits: StoreLimits
    ) {
        self.timelines = timelines
        self.inbox = inbox
        self.presence = presence
        self.limits = limits
    }

    /// `expire` works on all users of a server, so those cases that give notifications a time to live take turns.
    static let expiryTurns = Turnstile()
}

extension StoreLimits {
    /// Small caps, real times. Groups have the same three sizes as in `standard`: all told of read cursors, all written
    /// to, and beyond.
    public static let forTests: StoreLimits = {
        var limits = StoreLimits(
            timelineEvents: 100, inboxItems: 30, timelineMilliseconds: StoreLimits.standard.timelineMilliseconds,
            dedupMilliseconds: StoreLimits.standard.dedupMilliseconds)
        limits.groupFanOut = Limits.receiptMembersMax + 8
        limits.groupMembers = limits.groupFanOut + 10
        return limits
    }()
}

// The ports as async functions.
extension StoresUnderTest {
    func open(_ user: UserID, at cursor: Cursor? = nil, limit: Int = 200) async throws -> TimelineOpening {
        try await answer { timelines.open(user, at: cursor, limit: limit, $0) }
    }

    func read(
        _ user: UserID, after seq: Int64, last: String? = nil, epoch: String? = nil, limit: Int = 1000
    ) async throws -> TimelinePage {
        try await answer { timelines.read(user, after: seq, last: last, epoch: epoch, limit: limit, $0) }
    }

    func heads(_ users: [UserID]) async throws -> [TimelineHead] { try await answer { timelines.heads(users, $0) } }

    @discardableResult
    func append(_ notification: Notification, to user: UserID, at now: Int64 = Sample.now) async throws -> AppendOutcome
    {
        try await answer { inbox.append(notification, to: user, nowMilliseconds: now, $0) }
    }

    /// Appends `count` plain notifications one after another and gives their ids.
    @discardableResult
    func append(count: Int, category: String = "like", to user: UserID, at now: Int64 = Sample.now) async throws
        -> [String]
    {
        var ids: [String] = []
        for _ in 0..<count {
            let notification = Sample.notification(category: category, at: now)
            try await append(notification, to: user, at: now)
            ids.append(notification.id.text)
        }
        return ids
    }

    func page(_ query: InboxQuery, of user: UserID, at now: Int64 = Sample.now) async throws -> InboxPage {
        try await answer { inbox.page(query, of: user, nowMilliseconds: now, $0) }
    }

    /// All items of a query, page by page.
    func items(
        of user: UserID, limit: Int = 7, category: String? = nil, unreadOnly: Bool = false, at now: Int64 = Sample.now
    ) async throws -> [[UInt8]] {
        var items: [[UInt8]] = []
        var query = InboxQuery(limit: limit, category: category, unreadOnly: unreadOnly)
        for _ in 0..<2000 {
            let page = try await page(query, of: user, at: now)
            #expect(page.items.count <= limit, "a page is never longer than asked")
            items += page.items
            guard let cursor = page.cursor else { return items }
            query.before = cursor
        }
        throw TestFailure("the pages of an inbox have no end")
    }

    func markRead(
        _ selection: ReadSelection, category: String? = nil, of user: UserID,
        id: EventID = .new(atMilliseconds: Sample.now),
        at now: Int64 = Sample.now
    ) async throws -> ReadOutcome {
        try await answer {
            inbox.markRead(selection, category: category, of: user, id: id, nowMilliseconds: now, $0)
        }
    }

    func counts(of user: UserID, at now: Int64 = Sample.now) async throws -> InboxCounts {
        try await answer { inbox.counts(of: user, nowMilliseconds: now, $0) }
    }

    func expire(limit: Int = 1000, at now: Int64) async throws -> [ExpiryOutcome] {
        try await answer { inbox.expire(limit: limit, nowMilliseconds: now, $0) }
    }

    /// Runs `expire` until the server has nothing more to retract; gives what concerned `user`.
    func expireAll(of user: UserID, at now: Int64) async throws -> [ExpiryOutcome] {
        var found: [ExpiryOutcome] = []
        for _ in 0..<200 {
            let outcomes = try await expire(at: now)
            if outcomes.isEmpty { return found }
            found += outcomes.filter { $0.user == user }
        }
        throw TestFailure("expire has no end")
    }

    func drift(of user: UserID, at now: Int64 = Sample.now) async throws -> Int {
        try await answer { inbox.unreadDrift(of: user, nowMilliseconds: now, $0) }
    }

    func register(_ record: SessionRecord, of user: UserID, limit: Int = 0) async throws -> [SessionRecord] {
        try await answer { presence.register(record, of: user, limit: limit, $0) }
    }

    func remove(_ sessions: [SessionID], of user: UserID, at now: Int64 = Sample.now) async throws {
        try await answer { presence.remove(sessions, of: user, nowMilliseconds: now, $0) }
    }

    func lookup(_ users: [UserID]) async throws -> [UserSessions] { try await answer { presence.lookup(users, $0) } }

    func lookup(_ user: UserID) async throws -> UserSessions { try #require(await lookup([user]).first) }
}

/// Values for the suites.
enum Sample {
    /// The hour at which the cases begin; they move time by passing other hours.
    static let now: Int64 = 1_760_000_000_000

    static func user(_ prefix: String = "u") -> UserID {
        id("\(prefix)-\(RandomToken.make(length: 12))") { UserID($0) }
    }

    static func eventID(_ text: String) -> EventID { id(text) { EventID($0) } }

    static func incarnation(_ node: String = "gw") -> Incarnation { id(node) { Incarnation(newOf: $0) } }

    static func session(
        on holder: Incarnation, since: Int64 = now, device: String? = nil
    ) -> SessionRecord {
        SessionRecord(
            session: .new(), holder: holder, device: device.flatMap { DeviceName($0) }, sinceMilliseconds: since)
    }

    static func notification(
        id: EventID? = nil, category: String = "like", collapse: String? = nil, ttlMilliseconds: Int64? = nil,
        text: String = "Grüße, \\\"x\\\"", at now: Int64 = now
    ) -> Notification {
        let rest =
            "\"type\":\"\(category).made\",\"category\":\"\(category)\",\"ts\":\(now),"
            + "\"actor\":{\"id\":\"100058\"},\"data\":{ \"text\" : \"\(text)\",\"n\":1.50}"
        return Notification(
            id: id ?? .new(atMilliseconds: now), category: category, collapse: collapse,
            expiresAtMilliseconds: ttlMilliseconds.map { now + $0 }, timestampMilliseconds: now, rest: Array(rest.utf8))
    }

    private static func id<ID>(_ text: String, _ make: (String) -> ID?) -> ID {
        guard let id = make(text) else { preconditionFailure("\(text) is not a valid id") }
        return id
    }
}

extension [UInt8] {
    /// As text, for messages a person can read.
    var text: String { String(decoding: self, as: UTF8.self) }
}
