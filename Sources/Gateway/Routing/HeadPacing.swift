import NIOCore

/// How many heads are asked for how fast, when those of many users are compared with the store (ADR 23). All nodes do that at
/// the same moment, when a store that was away is back: so each asks small questions, one after another, and leaves the store
/// alone for some time after each.
struct HeadPacing: Hashable, Sendable {
    /// What is asked for at the same time waits behind no more than so many.
    static let usersPerQuestion = 100
    /// Of a whole run.
    private static let pausesMaxNanoseconds: Int64 = 5_000_000_000

    private let questions: Int64

    /// - Parameter users: How many are asked about in the run.
    init(users: Int) { questions = Int64(max(1, (users + Self.usersPerQuestion - 1) / Self.usersPerQuestion)) }

    /// How long the store is left alone after an answer: four times as long as that took, so that one node's run takes no more
    /// than a fifth of it and the questions of many nodes stay apart; but so that the pauses of a run are 5 s in all at most
    /// (GUARANTEES G7: a lost hint is repaired within 10 s).
    func pause(afterNanoseconds time: UInt64) -> TimeAmount {
        .nanoseconds(min(4 * Int64(min(time, 1_000_000_000)), Self.pausesMaxNanoseconds / questions))
    }
}
