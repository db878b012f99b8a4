import Core
import Notifications
import Presence
import Synchronization

/// Who is connected, in memory: the sessions are in this process, so they end with it.
final class SessionDirectory: Sendable {
    /// Users whose last seen is remembered; past it, those seen longest ago are forgotten.
    static let lastSeenMax = 100_000

    private struct State {
        var sessions: [UserID: [SessionRecord]] = [:]
        var lastSeen: [UserID: Int64] = [:]
        var leases: [Incarnation: (node: NodeRecord, endsAtNanoseconds: UInt64)] = [:]
    }

    private let state = Mutex(State())
    private let time: any TimeSource
    private let lastSeenMax: Int

    init(time: any TimeSource, lastSeenMax: Int = SessionDirectory.lastSeenMax) {
        self.time = time
        self.lastSeenMax = lastSeenMax
    }

    func routes(of user: UserID) -> [SessionRoute] {
        state.withLock { $0.sessions[user] ?? [] }
            .map { SessionRoute(session: $0.session.text, holder: $0.holder) }
    }

    /// As `PresenceStore.register`.
    func register(_ record: SessionRecord, of user: UserID, limit: Int) -> [SessionRecord] {
        state.withLock { state in
            var records = state.sessions[user] ?? []
            if !records.contains(where: { $0.session == record.session }) { records.append(record) }
            var dropped: [SessionRecord] = []
            if limit > 0, records.count > limit {
                let others = records.filter { $0.session != record.session }
                    .sorted { $0.sinceMilliseconds < $1.sinceMilliseconds }
                dropped = Array(others.prefix(records.count - limit))
                let gone = Set(dropped.map(\.session))
                records.removeAll { gone.contains($0.session) }
            }
            state.sessions[user] = records
            return dropped
        }
    }

    /// As `PresenceStore.remove`.
    func remove(_ sessions: [SessionID], of user: UserID, nowMilliseconds: Int64) {
        state.withLock { state in
            guard var records = state.sessions[user] else { return }
            let hasEnded = records.contains { sessions.contains($0.session) && !$0.isInvisible }
            records.removeAll { sessions.contains($0.session) }
            state.sessions[user] = records.isEmpty ? nil : records
            // Where no visible session ends now, last seen stays what it was.
            guard hasEnded, records.allSatisfy(\.isInvisible) else { return }
            state.lastSeen[user] = max(nowMilliseconds, state.lastSeen[user] ?? nowMilliseconds)
            if state.lastSeen.count > lastSeenMax { Self.forgetHalf(&state.lastSeen) }
        }
    }

    /// Forgetting many at once costs a sort now and then instead of an ordered structure all the time.
    private static func forgetHalf(_ lastSeen: inout [UserID: Int64]) {
        let kept = lastSeen.sorted { $0.value > $1.value }.prefix(lastSeen.count / 2)
        lastSeen = Dictionary(uniqueKeysWithValues: kept.map { ($0.key, $0.value) })
    }

    func lookup(_ users: [UserID]) -> [UserSessions] {
        state.withLock { state in
            users.map { UserSessions(sessions: state.sessions[$0] ?? [], lastSeenMilliseconds: state.lastSeen[$0]) }
        }
    }

    /// As `PresenceStore.renewLease`.
    func renewLease(_ node: NodeRecord, seconds: Int) -> LeaseRenewal {
        let now = time.monotonicNanoseconds()
        return state.withLock { state in
            state.leases = state.leases.filter { $0.value.endsAtNanoseconds > now }
            let wasLost = state.leases[node.incarnation] == nil
            state.leases[node.incarnation] = (node, now + UInt64(max(0, seconds)) * 1_000_000_000)
            return LeaseRenewal(alive: state.leases.values.map(\.node), wasLost: wasLost)
        }
    }

    func dropLease(_ node: Incarnation) { state.withLock { _ = $0.leases.removeValue(forKey: node) } }
}

extension EmbeddedStore: PresenceStore {
    public func register(
        _ record: SessionRecord, of user: UserID, limit: Int, _ done: @escaping Completion<[SessionRecord]>
    ) {
        done(.success(directory.register(record, of: user, limit: limit)))
    }

    public func remove(
        _ sessions: [SessionID], of user: UserID, nowMilliseconds: Int64, _ done: @escaping Completion<Void>
    ) {
        done(.success(directory.remove(sessions, of: user, nowMilliseconds: nowMilliseconds)))
    }

    public func lookup(_ users: [UserID], withBlocked: Bool, _ done: @escaping Completion<[UserSessions]>) {
        guard withBlocked else { return done(.success(directory.lookup(users))) }
        let (limits, directory) = (limits, directory)
        group.submit(done) { db in
            var found = directory.lookup(users)
            for (index, user) in users.enumerated() {
                guard let row = try TimelineTable(db: db, limits: limits).find(user) else { continue }
                found[index].blocked = try MembershipTable(db: db).blocks(row.user)
            }
            return found
        }
    }

    public func renewLease(_ node: NodeRecord, seconds: Int, _ done: @escaping Completion<LeaseRenewal>) {
        done(.success(directory.renewLease(node, seconds: seconds)))
    }

    public func dropLease(_ node: Incarnation, _ done: @escaping Completion<Void>) {
        done(.success(directory.dropLease(node)))
    }
}
