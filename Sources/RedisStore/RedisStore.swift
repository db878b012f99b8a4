import Core
import Logging
import Metrics
import NIOCore
import Notifications
import Presence
import Timelines

/// Timelines, inboxes, conversations and the session directory on Redis 6.2 or newer, one server or a Cluster.
///
/// Every operation is one script in one slot, of a user or a conversation (docs/redis-keys.md), so any node may call
/// any of them at any time. Connections are kept up by themselves; while Redis is away, operations fail at once with
/// `.notStored`, and nothing is queued. No operation takes longer than `RedisConfiguration.deadlineMilliseconds`.
public final class RedisStore: TimelineStore, InboxStore, PresenceStore {
    let pool: any RedisPool
    let configuration: RedisConfiguration
    let limits: StoreLimits
    let clock: any TimeSource
    let appendMark: AppendMark
    private let metrics: RedisMetrics

    /// - Parameters:
    ///   - eventLoopGroup: One connection is opened for each of its loops; in a Cluster, one to each master.
    ///   - clock: Tells `open` which notifications are over.
    /// - Throws: When the file with the certificate authorities cannot be used.
    public init(
        configuration: RedisConfiguration, eventLoopGroup: any EventLoopGroup, limits: StoreLimits = .standard,
        logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory, clock: any TimeSource = SystemTime()
    ) throws(RedisStartError) {
        let metrics = RedisMetrics(metrics, logger)
        let appendMark = AppendMark(clock: clock)
        if configuration.isCluster {
            pool = try ClusterPool(
                configuration: configuration, eventLoopGroup: eventLoopGroup, clock: clock, logger: logger,
                metrics: metrics, appendMark: appendMark)
        } else {
            pool = try SingleServerPool(
                configuration: configuration, eventLoopGroup: eventLoopGroup, clock: clock, logger: logger,
                metrics: metrics, appendMark: appendMark)
        }
        self.configuration = configuration
        self.limits = limits
        self.clock = clock
        self.appendMark = appendMark
        self.metrics = metrics
    }

    /// Connects, trying again for as long as `seconds` says. Call once, before anything else.
    /// - Throws: What is wrong and what to do about it; at once when the server refuses the password or TLS fails.
    public func connect(withinSeconds seconds: Int = 30) async throws(RedisStartError) {
        try await pool.connect(within: .seconds(Int64(seconds)))
        appendMark.started()
    }

    /// Whether every connection is usable now.
    public var isConnected: Bool { pool.isConnected }

    /// Sets what is called each time Redis is back after an outage: hints may have been lost meanwhile.
    /// It is called on an event loop.
    public func onReconnect(_ action: @escaping @Sendable () -> Void) { pool.onReconnect(action) }

    /// Waits for what is in flight, at most one deadline, and closes the connections. Operations fail afterwards.
    public func close() async { await pool.close() }

    /// Runs a script where its keys are.
    func run<Answer>(_ call: ScriptCall<Answer>, _ done: @escaping Completion<Answer>) {
        guard let digest = pool.digest(of: call.script) else { return done(.failure(Self.neverConnected)) }
        pool.send(call.command(digest)) { result in
            done(result.flatMap { call.answer($0) })
        }
    }

    static let neverConnected = StoreError(.notStored, "Redis is not connected: not connected yet")
}

// MARK: Timelines

extension RedisStore {
    public func open(
        _ user: UserID, at cursor: Cursor?, limit: Int, _ done: @escaping Completion<TimelineOpening>
    ) {
        run(.open(user, at: cursor, limit: limit, now: clock.wallMilliseconds()), done)
    }

    public func read(
        _ user: UserID, after seq: Int64, last: String?, epoch: String?, limit: Int,
        _ done: @escaping Completion<TimelinePage>
    ) {
        run(.read(user, after: seq, last: last, epoch: epoch, limit: limit), done)
    }

    public func heads(_ users: [UserID], _ done: @escaping Completion<[TimelineHead]>) {
        ask(Self.headCommands(users), done) { replies throws(ReplyFields.Malformed) in
            try replies.map { reply throws(ReplyFields.Malformed) in try Self.head(reply) }
        }
    }

    public var mayBeLate: Bool { metrics.lateCalls > 0 }

    /// In a Cluster: of the users whose masters are there.
    public func reachableHeads(_ users: [UserID], _ done: @escaping Completion<[TimelineHead?]>) {
        pool.sendEach(Self.headCommands(users)) { answers in
            var heads: [TimelineHead?] = []
            var failure: StoreError?
            for answer in answers {
                switch answer {
                case .success(let reply): heads.append(try? Self.head(reply))
                case .failure(let error):
                    heads.append(nil)
                    failure = error
                }
            }
            if let failure, heads.allSatisfy({ $0 == nil }) { return done(.failure(failure)) }
            done(.success(heads))
        }
    }

    private static func headCommands(_ users: [UserID]) -> [RedisCommand] {
        users.map { user in
            let key = RedisKeys.meta(user)
            return RedisCommand(RedisArguments("HMGET", key, "e", "s", "l"), key: key, isRead: true)
        }
    }

    private static func head(_ reply: RedisReply) throws(ReplyFields.Malformed) -> TimelineHead {
        guard let fields = reply.list, fields.count == 3 else { throw ReplyFields.Malformed() }
        return TimelineHead(epoch: fields[0].string ?? "", seq: fields[1].integer ?? 0, last: fields[2].string ?? "")
    }

    /// Sends plain commands of many users and reads their answers.
    func ask<Value>(
        _ commands: [RedisCommand], _ done: @escaping Completion<Value>,
        decode: @escaping @Sendable ([RedisReply]) throws(ReplyFields.Malformed) -> Value
    ) {
        pool.send(commands) { result in
            done(
                result.flatMap { replies in
                    do {
                        return .success(try decode(replies))
                    } catch {
                        return .failure(StoreError(.unknown, "Redis: the answer of a command is not understood"))
                    }
                })
        }
    }
}

// MARK: Presence

extension RedisStore {
    public func register(
        _ record: SessionRecord, of user: UserID, limit: Int, _ done: @escaping Completion<[SessionRecord]>
    ) {
        run(.register(record, of: user, limit: limit), done)
    }

    public func remove(
        _ sessions: [SessionID], of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<Void>
    ) {
        guard !sessions.isEmpty else { return done(.success(())) }
        run(.remove(sessions, of: user, now: nowMilliseconds), done)
    }

    public func lookup(_ users: [UserID], withBlocked: Bool, _ done: @escaping Completion<[UserSessions]>) {
        let commands = users.flatMap { user in
            let (sessions, meta, blocked) = (RedisKeys.sessions(user), RedisKeys.meta(user), RedisKeys.blocked(user))
            let known = [
                RedisCommand(RedisArguments("HGETALL", sessions), key: sessions, isRead: true),
                RedisCommand(RedisArguments("HGET", meta, "z"), key: meta, isRead: true),
            ]
            guard withBlocked else { return known }
            return known + [
                RedisCommand(RedisArguments("ZRANGE", blocked, "0", "-1"), key: blocked, isRead: true)
            ]
        }
        let perUser = withBlocked ? 3 : 2
        ask(commands, done) { replies throws(ReplyFields.Malformed) in
            var found: [UserSessions] = []
            for at in stride(from: 0, to: replies.count, by: perUser) {
                var fields = ReplyFields(replies[at])
                var user = UserSessions(
                    sessions: try fields.sessionRecords(), lastSeenMilliseconds: replies[at + 1].integer)
                if withBlocked {
                    var fields = ReplyFields(replies[at + 2])
                    while !fields.isAtEnd {
                        guard let blocked = UserID(try fields.text()) else { throw ReplyFields.Malformed() }
                        user.blocked.append(blocked)
                    }
                }
                found.append(user)
            }
            return found
        }
    }

    public func renewLease(_ node: NodeRecord, seconds: Int, _ done: @escaping Completion<LeaseRenewal>) {
        run(.renewLease(node, seconds: seconds), done)
    }

    public func dropLease(_ node: Incarnation, _ done: @escaping Completion<Void>) {
        let command = RedisCommand(RedisArguments("HDEL", RedisKeys.leases, node.text), key: RedisKeys.leases)
        pool.send(command) { done($0.map { _ in }) }
    }
}
