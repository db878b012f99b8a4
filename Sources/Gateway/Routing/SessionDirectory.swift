import Core
import Presence
import Synchronization

/// This node's part of the session directory: what it has registered, and what it still has to take out.
///
/// The store may be away when a session ends; its record would then say "online" for as long as this node lives. So
/// removals that failed are kept and repeated with every renewal of the lease.
final class SessionDirectory: Sendable {
    private typealias Entry = (user: UserID, record: SessionRecord)

    private struct State {
        var registered: [SessionID: Entry] = [:]
        var toRemove: [SessionID: UserID] = [:]
        /// Those of `toRemove` whose end nobody is told of.
        var invisible: Set<SessionID> = []
    }

    /// A store that took over from another may lack what that one took in last; sessions older than this were replicated.
    private static let recentMilliseconds: Int64 = 60_000

    private let presence: any PresenceStore
    private let limit: Int
    private let time: any TimeSource
    private let changed: @Sendable (PresenceChange) -> Void
    private let state = Mutex(State())

    /// - Parameter changed: Told of a visible session once the store has taken it in, and once it is out.
    init(
        presence: any PresenceStore, limit: Int, time: any TimeSource,
        changed: @escaping @Sendable (PresenceChange) -> Void = { _ in }
    ) {
        self.presence = presence
        self.limit = limit
        self.time = time
        self.changed = changed
    }

    /// Registers a session; answers with those that it pushed out.
    func register(_ record: SessionRecord, of user: UserID, _ done: @escaping Completion<[SessionRecord]>) {
        state.withLock { $0.registered[record.session] = (user, record) }
        presence.register(record, of: user, limit: limit) { result in
            if case .success = result { self.hasRegistered(record, of: user) }
            done(result)
        }
    }

    private func hasRegistered(_ record: SessionRecord, of user: UserID) {
        guard !record.isInvisible else { return }
        changed(PresenceChange(user: user, kind: .online(sinceMilliseconds: record.sinceMilliseconds)))
    }

    func remove(_ session: SessionID, of user: UserID) {
        state.withLock { Self.end(session, of: user, &$0) }
        remove([session], of: user)
    }

    private static func end(_ session: SessionID, of user: UserID, _ state: inout State) {
        if state.registered[session]?.record.isInvisible == true { state.invisible.insert(session) }
        state.registered[session] = nil
        state.toRemove[session] = user
    }

    private func remove(_ sessions: [SessionID], of user: UserID) {
        presence.remove(sessions, of: user, nowMilliseconds: time.wallMilliseconds()) { result in
            guard case .success = result else { return }
            let visible = self.state.withLock { state in
                sessions.filter { session in
                    state.toRemove[session] = nil
                    return state.invisible.remove(session) == nil
                }
            }
            if !visible.isEmpty { self.changed(PresenceChange(user: user, kind: .ended)) }
        }
    }

    /// Takes out a session that a dead node left behind. Not repeated when it fails: whoever meets it next tries again.
    func prune(_ session: SessionID, of user: UserID, atMilliseconds at: Int64? = nil) {
        presence.remove([session], of: user, nowMilliseconds: at ?? time.wallMilliseconds()) { _ in }
    }

    enum Anew { case nothing, recent, everything }

    /// Repeats what failed, and registers sessions anew: all of them when the lease was lost, because others may have
    /// dropped them; the recent ones when the store was away, because a server that took over may not know them.
    func repair(_ anew: Anew) {
        let recent = time.wallMilliseconds() - Self.recentMilliseconds
        let (removals, records) = state.withLock { state -> ([SessionID: UserID], [Entry]) in
            switch anew {
            case .nothing: return (state.toRemove, [])
            case .recent:
                return (state.toRemove, state.registered.values.filter { $0.record.sinceMilliseconds > recent })
            case .everything: return (state.toRemove, Array(state.registered.values))
            }
        }
        for (user, sessions) in Dictionary(grouping: removals.keys, by: { removals[$0] }) {
            if let user { remove(sessions, of: user) }
        }
        for (user, record) in records {
            presence.register(record, of: user, limit: 0) { result in
                guard case .success = result else { return }
                // It may have ended meanwhile on its loop, whose command may have been faster: it would be there for ever.
                guard self.state.withLock({ $0.registered[record.session] != nil }) else {
                    return self.remove([record.session], of: user)
                }
                self.hasRegistered(record, of: user)
            }
        }
    }

    /// Takes every session out, at the end of a drain.
    func removeAll() {
        let users = state.withLock { state in
            for (session, entry) in state.registered { Self.end(session, of: entry.user, &state) }
            return state.toRemove
        }
        for (user, sessions) in Dictionary(grouping: users.keys, by: { users[$0] }) {
            if let user { remove(sessions, of: user) }
        }
    }

    /// Removals that the store has not confirmed.
    var pendingRemovals: Int { state.withLock { $0.toRemove.count } }
}
