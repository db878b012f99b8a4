import Core

/// Whether a user has a session on a living node (PROTOCOL §2.4).
public enum PresenceState: Hashable, Sendable {
    /// Online since the oldest living session began.
    case online(sinceMilliseconds: Int64, sessions: Int)
    case offline(lastSeenMilliseconds: Int64?)

    /// Judges a directory's answer by who is alive: what a dead node left there does not count.
    public init(_ found: UserSessions, alive: Set<Incarnation>) {
        let living = found.sessions.filter { alive.contains($0.holder) }
        if let since = living.map(\.sinceMilliseconds).min() {
            self = .online(sinceMilliseconds: since, sessions: living.count)
        } else {
            self = .offline(lastSeenMilliseconds: found.lastSeenMilliseconds)
        }
    }
}
