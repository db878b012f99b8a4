import Core
import Embedded

/// Writes all conversations of a sorter, many at once.
///
/// Conversations begin in the order of their newest whispers, and the timelines of a user are brought forward in that
/// order: it is the order of the user's list.
struct ImportRun: Sendable {
    /// A conversation that is under way.
    private struct Turn: Sendable {
        let pair: PairSorter.Pair
        let task: Task<Void, any Error>
    }

    private static let pairsAtOnce = 256
    private static let pauseMilliseconds = 250

    let sorter: PairSorter
    let target: ImportTarget
    let appends: Bool
    let progress: ImportProgress

    /// - Throws: `UnreachableError` when the store fails for `Limits.importPatienceSeconds`.
    func run() async throws {
        try await withThrowingTaskGroup(of: Turn.self) { group in
            // The last conversation of each user that is under way.
            var newest: [Int64: Turn] = [:]
            var running = 0
            var rank: Int64 = 0
            while true {
                let pairs = try await sorter.pairs(after: rank, limit: Self.pairsAtOnce)
                guard let last = pairs.last else { break }
                rank = last.rank
                for pair in pairs {
                    if running == Limits.importConversationsMax, let done = try await group.next() {
                        running -= 1
                        for user in [done.pair.low, done.pair.high] where newest[user]?.pair.rank == done.pair.rank {
                            newest[user] = nil
                        }
                    }
                    let turn = begin(pair, after: [pair.low, pair.high].compactMap { newest[$0]?.task })
                    newest[pair.low] = turn
                    newest[pair.high] = turn
                    running += 1
                    group.addTask {
                        try await turn.task.value
                        return turn
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    private func begin(_ pair: PairSorter.Pair, after before: [Task<Void, any Error>]) -> Turn {
        Turn(
            pair: pair,
            task: Task {
                let work = ConversationImport(pair, in: sorter, to: target, appends: appends, progress: progress)
                var tally = ConversationImport.Tally()
                try await patiently { try await work.write(&tally) }
                for task in before { _ = await task.result }
                try await patiently { try await work.bringForward(tally) }
                progress.change { Self.count(tally, of: work, in: &$0) }
            })
    }

    private static func count(
        _ tally: ConversationImport.Tally, of work: ConversationImport, in counts: inout ImportCounts
    ) {
        counts.conversationsDone += 1
        counts.alreadyThere += tally.there - tally.imported
        counts.readAfterUnread += tally.readAfterUnread
        guard let why = tally.refusal else { return }
        let left = work.pair.records - tally.there
        counts.refused.append(
            ImportCounts.Refused(conversation: work.conversation.text, left: left, why: why))
    }

    /// Does it again while the store fails: whatever was done of it is found again.
    private func patiently(_ body: () async throws -> Void) async throws {
        let clock = ContinuousClock()
        var began: ContinuousClock.Instant?
        while true {
            do { return try await body() } catch let error as StoreError {
                let since = began ?? clock.now
                began = since
                guard clock.now - since < .seconds(Limits.importPatienceSeconds) else {
                    throw UnreachableError(
                        "the store has failed for \(Limits.importPatienceSeconds) s (\(error)); when it is back, run the "
                            + "same command again: it goes on where it stopped")
                }
                try await Task.sleep(for: .milliseconds(Self.pauseMilliseconds))
            }
        }
    }
}
