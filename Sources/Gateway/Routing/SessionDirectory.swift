import Core
import Presence
import Synchronization

/// This node's part of the session directory: what it has registered, and what it still has to take out.
///
/// The store may be away when a session ends; its record would then say "online" for as long as this node lives. So
/// removals that failed are kept and repeated with every renewal of the lease.
final class SessionDirectory: Sendable {
    private struct State {
        var registered: [SessionID: (user: UserID, record: SessionRecord)] = [:]
        var toRemove: [SessionID: UserID] = [:]
    }

    private let presence: any PresenceStore
    private let limit: Int
    private let time: any TimeSource
    private let state = Mutex(State())

    init(presence: any PresenceStore, limit: Int, time: any TimeSource) {
        self.presence = presence
        self.limit = limit
        self.time = time
    }

    /// Registers a session; answers with those that it pushed out.
    func register(_ record: SessionRecord, of user: UserID, _ done: @escaping Completion<[SessionRecord]>) {
        state.withLock { $0.registered[record.session] = (user, record) }
        presence.register(record, of: user, limit: limit, done)
    }

    func remove(_ session: SessionID, of user: UserID) {
        state.withLock { state in
            state.registered[session] = nil
            state.toRemove[session] = user
        }
        remove([session], of: user)
    }

    private func remove(_ sessions: [SessionID], of user: UserID) {
        presence.remove(sessions, of: user, nowMilliseconds: time.wallMilliseconds()) { result in
            guard case .success = result else { return }
            self.state.withLock { state in sessions.forEach { state.toRemove[$0] = nil } }
        }
    }

    /// Takes out a session that a dead node left behind. Not repeated when it fails: whoever meets it next tries again.
    func prune(_ session: SessionID, of user: UserID) {
        presence.remove([session], of: user, nowMilliseconds: time.wallMilliseconds()) { _ in }
    }

    /// Repeats what failed. With `everything`, also registers all sessions anew: the lease was lost, and others may have
    /// dropped them.
    func repair(everything: Bool) {
        let (removals, records) = state.withLock { state in
            (state.toRemove, everything ? Array(state.registered.values) : [])
        }
        for (user, sessions) in Dictionary(grouping: removals.keys, by: { removals[$0] }) {
            if let user { remove(sessions, of: user) }
        }
        for (user, record) in records { presence.register(record, of: user, limit: 0) { _ in } }
    }

    /// Takes every session out, at the end of a drain.
    func removeAll() {
        let users = state.withLock { state in
            for (session, entry) in state.registered { state.toRemove[session] = entry.user }
            state.registered = [:]
            return state.toRemove
        }
        for (user, sessions) in Dictionary(grouping: users.keys, by: { users[$0] }) {
            if let user { remove(sessions, of: user) }
        }
    }

    /// Removals that the store has not confirmed.
    var pendingRemovals: Int { state.withLock { $0.toRemove.count } }
}
