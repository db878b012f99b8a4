import Core

/// One session in the directory: which node holds it, and since when.
public struct SessionRecord: Hashable, Sendable {
    public var session: SessionID
    public var holder: Incarnation
    public var device: DeviceName?
    /// The time it began, or its complement for an invisible session: every idle session holds one of these.
    private var began: Int64

    public init(
        session: SessionID, holder: Incarnation, device: DeviceName?, sinceMilliseconds: Int64,
        isInvisible: Bool = false
    ) {
        self.session = session
        self.holder = holder
        self.device = device
        began = isInvisible ? ~max(0, sinceMilliseconds) : max(0, sinceMilliseconds)
    }

    public var sinceMilliseconds: Int64 { began < 0 ? ~began : began }
    /// Others do not see it: it makes nobody online, and its end is not a time at which the user was seen.
    public var isInvisible: Bool { began < 0 }
}

/// The directory's answer about one user, as stored: sessions of dead nodes may still be among `sessions`.
public struct UserSessions: Hashable, Sendable {
    public var sessions: [SessionRecord]
    /// When the last visible session ended, if that was ever seen; milliseconds since 1970.
    public var lastSeenMilliseconds: Int64?
    /// Whom this user blocks; empty when that was not asked for.
    public var blocked: [UserID]

    public init(sessions: [SessionRecord], lastSeenMilliseconds: Int64?, blocked: [UserID] = []) {
        self.sessions = sessions
        self.lastSeenMilliseconds = lastSeenMilliseconds
        self.blocked = blocked
    }
}

/// What a node tells the others of itself, and its lease.
public struct NodeRecord: Hashable, Sendable {
    public var incarnation: Incarnation
    public var sinceMilliseconds: Int64
    public var sessions: Int
    public var draining: Bool
    public var version: String
    public var roles: [String]

    public init(
        incarnation: Incarnation, sinceMilliseconds: Int64, sessions: Int, draining: Bool, version: String,
        roles: [String]
    ) {
        self.incarnation = incarnation
        self.sinceMilliseconds = sinceMilliseconds
        self.sessions = sessions
        self.draining = draining
        self.version = version
        self.roles = roles
    }
}

/// The answer to a renewal.
public struct LeaseRenewal: Hashable, Sendable {
    /// The nodes whose lease is valid now, the asking one among them.
    public var alive: [NodeRecord]
    /// The asking node's lease had run out, or was not there: others took its sessions for gone.
    public var wasLost: Bool

    public init(alive: [NodeRecord], wasLost: Bool) {
        self.alive = alive
        self.wasLost = wasLost
    }
}

/// Port: who is connected where (DESIGN §4, "Presence").
///
/// Contract, which `PresenceStoreContract` in ApusTesting checks of every adapter:
/// - A record belongs to its holder's incarnation. The store keeps records of dead incarnations until they are removed
///   or are the oldest past a limit; it never hides them, because only the caller knows who is alive.
/// - Registering the same session again changes nothing (it is how a node repairs the directory).
/// - Time for leases is the store's own clock: nodes' clocks may differ.
/// - `Completion` gives the rules for answers.
public protocol PresenceStore: Sendable {
    /// Adds a session, and, while there are more than `limit` (0: no limit), drops the oldest others and answers with
    /// them.
    func register(
        _ record: SessionRecord, of user: UserID, limit: Int, _ done: @escaping Completion<[SessionRecord]>)

    /// Takes sessions away. Those that are not there are passed over. When the last visible one goes with them, last seen
    /// is set to `now`, unless it is later already.
    func remove(
        _ sessions: [SessionID], of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<Void>)

    /// The records of many users, in the order of `users`; with `withBlocked`, also whom each of them blocks.
    func lookup(_ users: [UserID], withBlocked: Bool, _ done: @escaping Completion<[UserSessions]>)

    /// Extends the lease of a node by `seconds` and answers who is alive.
    func renewLease(_ node: NodeRecord, seconds: Int, _ done: @escaping Completion<LeaseRenewal>)

    /// Ends a lease at once, at the end of a drain.
    func dropLease(_ node: Incarnation, _ done: @escaping Completion<Void>)
}

extension PresenceStore {
    /// The records of many users, in the order of `users`.
    public func lookup(_ users: [UserID], _ done: @escaping Completion<[UserSessions]>) {
        lookup(users, withBlocked: false, done)
    }
}
