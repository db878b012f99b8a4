import Core

/// Whether a user has a session that others may see, on a living node (PROTOCOL §2.4).
public enum PresenceState: Hashable, Sendable {
    /// Online since the oldest such session began.
    case online(sinceMilliseconds: Int64, sessions: Int)
    case offline(lastSeenMilliseconds: Int64?)

    /// Judges a directory's answer by who is alive: what a dead node left there does not count.
    public init(_ found: UserSessions, alive: Set<Incarnation>) {
        self = PresenceFinding(found) { alive.contains($0) ? .alive : .dead(atMilliseconds: nil) }.state
    }

    public var isOnline: Bool { if case .online = self { true } else { false } }
}

/// How the node that holds a session stands, as far as presence is concerned.
public enum HolderStanding: Hashable, Sendable {
    /// It has a lease.
    case alive
    /// It has none that this node knows of, but may have one: it started a moment ago, or the store lost it. Its sessions
    /// count, and the question is asked again.
    case doubtful
    /// When it gave its last sign, if that is known.
    case dead(atMilliseconds: Int64?)
}

/// A directory's answer about one user, judged.
public struct PresenceFinding: Hashable, Sendable {
    public var state: PresenceState
    /// False while a holder is `doubtful`.
    public var isCertain: Bool
    /// Sessions that dead nodes left in the directory, and when their node gave its last sign.
    public var left: [Left]
    /// Who is told nothing of this user.
    public var blocked: [UserID]

    public struct Left: Hashable, Sendable {
        public var session: SessionID
        public var atMilliseconds: Int64
    }

    public init(_ found: UserSessions, standing: (Incarnation) -> HolderStanding) {
        (isCertain, left, blocked) = (true, [], found.blocked)
        var (since, sessions, lastSeen) = (Int64.max, 0, found.lastSeenMilliseconds)
        for record in found.sessions {
            switch standing(record.holder) {
            case .dead(let at):
                // Nothing is known of the session after its begin, when nothing is known of its node.
                let at = at ?? record.sinceMilliseconds
                left.append(Left(session: record.session, atMilliseconds: at))
                if !record.isInvisible { lastSeen = max(lastSeen ?? at, at) }
                continue
            case .doubtful: isCertain = false
            case .alive: break
            }
            guard !record.isInvisible else { continue }
            since = min(since, record.sinceMilliseconds)
            sessions += 1
        }
        state =
            sessions > 0
            ? .online(sinceMilliseconds: since, sessions: sessions) : .offline(lastSeenMilliseconds: lastSeen)
    }
}
