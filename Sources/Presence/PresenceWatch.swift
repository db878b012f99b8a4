import Core

/// What a node knows of the users that its sessions watch, and when it says so: grace, confirmation, blocks (ADR 16).
///
/// A pure machine. It hears of changes (hints, which may be lost or late), asks questions, and takes in answers of the
/// directory, which is the truth. Whatever it says of a user is said to all watchers of this node in the same order.
///
/// - "online" is said at once: whoever hints at it has put the session into the directory before.
/// - "offline" is never said on a hint. It waits for the grace, which hides reconnects, and then for an answer that was
///   asked for after it.
/// - An answer is void where something was heard of the user after its question was asked.
public struct PresenceWatch: Sendable {
    public struct Question: Hashable, Sendable {
        public var user: UserID
        /// Offline is said without a further grace when the answer says it.
        public var isFinal: Bool
        fileprivate var version: UInt32
    }

    /// Something to tell the sessions of this node that watch a user.
    public struct Telling: Hashable, Sendable {
        public enum Audience: Hashable, Sendable {
            case everybody(except: Set<UserID>)
            case one(UserID)
        }
        public var user: UserID
        public var state: PresenceState
        public var audience: Audience

        public init(user: UserID, state: PresenceState, audience: Audience) {
            self.user = user
            self.state = state
            self.audience = audience
        }
    }

    private struct Entry {
        /// Loops of this node with sessions that watch the user.
        var interest = 0
        /// What was told; nil until the first answer.
        var state: PresenceState?
        var blocked: Set<UserID> = []
        var next: (atMilliseconds: UInt64, isFinal: Bool)?
        /// Counts what was heard.
        var version: UInt32 = 0
    }

    private let graceMilliseconds: UInt64
    /// When a question is asked again whose answer was doubtful: a node that has a lease has shown up by then.
    private let doubtMilliseconds: UInt64
    private static let retryMilliseconds: UInt64 = 1000

    private var entries: [UserID: Entry] = [:]
    /// Users with a `next`.
    private var waiting: Set<UserID> = []

    public init(
        graceMilliseconds: UInt64 = UInt64(Limits.presenceGraceSeconds) * 1000,
        doubtMilliseconds: UInt64 = UInt64(Limits.leaseRefreshSeconds + 1) * 1000
    ) {
        self.graceMilliseconds = graceMilliseconds
        self.doubtMilliseconds = doubtMilliseconds
    }

    public var count: Int { entries.count }

    /// What a viewer may know. Nil: not watched, or not known yet.
    public func state(of user: UserID, for viewer: UserID) -> PresenceState? {
        guard let entry = entries[user], let state = entry.state else { return nil }
        return entry.blocked.contains(viewer) ? .offline(lastSeenMilliseconds: nil) : state
    }

    // MARK: Interest

    public mutating func add(_ user: UserID) { entries[user, default: Entry()].interest += 1 }

    public mutating func remove(_ user: UserID) {
        guard let interest = entries[user]?.interest else { return }
        if interest > 1 {
            entries[user]?.interest -= 1
        } else {
            entries[user] = nil
            waiting.remove(user)
        }
    }

    // MARK: What is heard

    /// A node has a visible session of this user.
    public mutating func online(_ user: UserID, sinceMilliseconds since: Int64) -> [Telling] {
        guard var entry = entries[user] else { return [] }
        defer { entries[user] = entry }
        entry.version &+= 1
        entry.next = nil
        waiting.remove(user)
        if entry.state?.isOnline == true { return [] }
        let wasTold = entry.state != nil
        let state = PresenceState.online(sinceMilliseconds: since, sessions: 1)
        entry.state = state
        return wasTold ? [Telling(user: user, state: state, audience: .everybody(except: entry.blocked))] : []
    }

    /// A visible session of this user has ended.
    public mutating func ended(_ user: UserID, nowMilliseconds now: UInt64) {
        guard let entry = entries[user] else { return }
        entries[user]?.version &+= 1
        if entry.state?.isOnline == false { return }
        schedule(user, at: now + graceMilliseconds, isFinal: true)
    }

    /// This user blocks another one, or no longer.
    public mutating func blocked(_ user: UserID, _ other: UserID, on: Bool) -> [Telling] {
        guard var entry = entries[user] else { return [] }
        defer { entries[user] = entry }
        entry.version &+= 1
        guard entry.blocked.contains(other) != on else { return [] }
        if on { entry.blocked.insert(other) } else { entry.blocked.remove(other) }
        return Self.told(user, entry, other).map { [$0] } ?? []
    }

    /// What `other` is told after it was put among the blocked, or taken out.
    private static func told(_ user: UserID, _ entry: Entry, _ other: UserID) -> Telling? {
        guard let state = entry.state, state.isOnline else { return nil }
        return Telling(
            user: user, state: entry.blocked.contains(other) ? .offline(lastSeenMilliseconds: nil) : state,
            audience: .one(other))
    }

    // MARK: Questions

    public func question(_ user: UserID, isFinal: Bool = false) -> Question {
        Question(user: user, isFinal: isFinal, version: entries[user]?.version ?? 0)
    }

    /// What is to be asked now.
    public mutating func due(nowMilliseconds now: UInt64) -> [Question] {
        var questions: [Question] = []
        for user in waiting {
            guard let next = entries[user]?.next, next.atMilliseconds <= now else { continue }
            entries[user]?.next = nil
            questions.append(question(user, isFinal: next.isFinal))
        }
        for question in questions { waiting.remove(question.user) }
        return questions
    }

    /// Hints about these users may have been lost. With `isFinal`, a node is gone that left its sessions behind: those who
    /// are shown online, but for those who are asked about soon anyway.
    public func recheck(isFinal: Bool, _ isMeant: (UserID) -> Bool = { _ in true }) -> [Question] {
        entries.filter { user, entry in
            isMeant(user) && (!isFinal || (entry.state?.isOnline == true && entry.next == nil))
        }.map { question($0.key, isFinal: isFinal) }
    }

    /// - Returns: What is to be told, and whether the user must be asked about again at once.
    public mutating func answered(
        _ question: Question, _ finding: PresenceFinding, nowMilliseconds now: UInt64
    ) -> (tellings: [Telling], isAskedAgain: Bool) {
        let user = question.user
        guard var entry = entries[user] else { return ([], false) }
        let isStale = entry.version != question.version
        var tellings = isStale ? [] : Self.update(&entry, user, blocked: finding.blocked)
        var isAskedAgain = false
        switch (finding.state, entry.state) {
        case (.online, .offline?):
            entry.state = finding.state
            tellings.append(
                Telling(user: user, state: finding.state, audience: .everybody(except: entry.blocked)))
        case (.online, _): entry.state = finding.state
        case (.offline, nil):
            isAskedAgain = isStale
            if !isStale { entry.state = finding.state }
        case (.offline, .offline?):
            if !isStale { entry.state = finding.state }
        case (.offline, .online?) where question.isFinal && !isStale:
            entry.state = finding.state
            tellings.append(
                Telling(user: user, state: finding.state, audience: .everybody(except: entry.blocked)))
        case (.offline, .online?): break
        }
        entries[user] = entry
        guard entry.next == nil, entry.state?.isOnline == true else { return (tellings, isAskedAgain) }
        if !finding.isCertain {
            schedule(user, at: now + doubtMilliseconds, isFinal: true)
        } else if isStale || !finding.state.isOnline {
            schedule(user, at: now + graceMilliseconds, isFinal: true)
        }
        return (tellings, isAskedAgain)
    }

    private static func update(_ entry: inout Entry, _ user: UserID, blocked: [UserID]) -> [Telling] {
        let (before, after) = (entry.blocked, Set(blocked))
        guard before != after else { return [] }
        entry.blocked = after
        let changed = entry
        return before.symmetricDifference(after).compactMap { told(user, changed, $0) }
    }

    /// The store did not answer: the question is asked again.
    public mutating func failed(_ question: Question, nowMilliseconds now: UInt64) {
        guard entries[question.user] != nil, entries[question.user]?.next == nil else { return }
        schedule(question.user, at: now + Self.retryMilliseconds, isFinal: question.isFinal)
    }

    private mutating func schedule(_ user: UserID, at: UInt64, isFinal: Bool) {
        entries[user]?.next = (at, isFinal)
        waiting.insert(user)
    }
}
