import Core

/// Users for whom something may have been appended without an answer, so that nobody was told of it, and in how many beats
/// they are still looked at: it may also be done a little later than it was given up (ADR 23).
struct UncertainUsers: Sendable {
    /// What was given up after its deadline is done by then, or its connection is gone and with it what was in it.
    static let beats = 3
    static let usersMax = 100_000

    private var left: [UserID: Int] = [:]
    private var isLooking = false

    /// Beyond the bound nobody is added: the next event, or the client's `ping`, finds what is missing.
    mutating func add(_ user: UserID) {
        guard left.count < Self.usersMax || left[user] != nil else { return }
        left[user] = Self.beats
    }

    /// A beat. - Returns: Who is to be looked at now; nobody while the look before is under way.
    /// - Parameter mayBeLate: What was unknown may still be waiting to be done: then nobody's looks are used up.
    mutating func beginLook(mayBeLate: Bool) -> [UserID] {
        guard !isLooking, !left.isEmpty else { return [] }
        isLooking = true
        let users = Array(left.keys)
        if !mayBeLate { left = left.compactMapValues { $0 > 1 ? $0 - 1 : nil } }
        return users
    }

    mutating func endLook() { isLooking = false }
}
