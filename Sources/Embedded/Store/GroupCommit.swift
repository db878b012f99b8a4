import Core
import Foundation
import GRDB
import Metrics
import Synchronization

/// The one way to the database: operations are queued in the order of the calls, and whatever has gathered while the
/// disk was busy with one transaction makes up the next. One fsync serves many appends, and nobody waits for a timer.
///
/// Answers are given after the commit. When a transaction fails, its operations run again one by one, each in a
/// transaction of its own: one that cannot succeed does not hurt the others, and reads go on while the disk is full.
final class GroupCommit: Sendable {
    /// Operations that may wait; past it, calls fail at once, since the disk is hopelessly behind.
    static let waitingMax = 10_000
    /// Operations in one transaction: bounds how long the first one waits for the last.
    static let groupMax = 512

    /// Calls a completion, after the commit.
    private typealias Answer = @Sendable () -> Void

    private struct Operation: Sendable {
        /// Works on the database and gives back how to tell of the success.
        let run: @Sendable (Database) throws -> Answer
        let fail: @Sendable (StoreError) -> Void
    }

    private struct Waiting {
        var operations: [Operation] = []
        var isDraining = false
        var isClosed = false
    }

    private let database: DatabaseQueue
    private let waiting = Mutex(Waiting())
    private let waitingMax: Int
    /// Transactions that were committed; far fewer than operations when many come at once.
    let commits = Atomic(0)
    private let commitSeconds = Metrics.Timer(label: "apus_embedded_commit_seconds")
    private let groupSize = Recorder(label: "apus_embedded_group_operations")
    private let failures = Counter(label: "apus_embedded_failures_total")

    init(_ database: DatabaseQueue, waitingMax: Int = GroupCommit.waitingMax) {
        self.database = database
        self.waitingMax = waitingMax
    }

    /// Queues an operation. `done` is called after its transaction, on the writer's thread.
    func submit<Value: Sendable>(
        _ done: @escaping Completion<Value>, _ body: @escaping @Sendable (Database) throws -> Value
    ) {
        let operation = Operation(
            run: { db in
                let value = try body(db)
                return { done(.success(value)) }
            },
            fail: { done(.failure($0)) })
        let (refusal, start) = waiting.withLock { waiting -> (String?, Bool) in
            if waiting.isClosed { return ("the store is closed", false) }
            if waiting.operations.count >= waitingMax { return ("too many operations wait for the disk", false) }
            waiting.operations.append(operation)
            defer { waiting.isDraining = true }
            return (nil, !waiting.isDraining)
        }
        if let refusal { return done(.failure(StoreError(.notStored, refusal))) }
        if start { database.asyncWriteWithoutTransaction { self.drain($0) } }
    }

    /// Refuses new operations, and returns when those that wait were answered and the file is closed.
    /// - Returns: Whether this call closed it.
    func close() async -> Bool {
        let isFirst = waiting.withLock { waiting in
            defer { waiting.isClosed = true }
            return !waiting.isClosed
        }
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            // The writer's queue is serial: this comes after the drain that is running or scheduled.
            database.asyncWriteWithoutTransaction { db in
                // Leaves one tidy file behind. When it fails, the log is simply read at the next start.
                // Only once: SQLite would follow a null pointer on a connection that is closed.
                if isFirst { _ = try? db.checkpoint(.truncate) }
                done.resume()
            }
        }
        if isFirst { try? database.close() }
        return isFirst
    }

    // MARK: On the writer's thread

    private func drain(_ db: Database) {
        while let group = next() {
            groupSize.record(group.count)
            let answers = commit(group, db) ?? group.flatMap { oneByOne($0, db) }
            for answer in answers { answer() }
        }
    }

    private func next() -> [Operation]? {
        waiting.withLock { waiting in
            guard !waiting.operations.isEmpty else {
                waiting.isDraining = false
                return nil
            }
            guard waiting.operations.count > Self.groupMax else {
                defer { waiting.operations = [] }
                return waiting.operations
            }
            defer { waiting.operations.removeFirst(Self.groupMax) }
            return Array(waiting.operations.prefix(Self.groupMax))
        }
    }

    /// Runs all in one transaction; nil, and nothing happened, when that failed.
    private func commit(_ group: [Operation], _ db: Database) -> [Answer]? {
        let start = ContinuousClock.now
        do {
            try db.beginTransaction(.deferred)
            let answers = try group.map { try $0.run(db) }
            try db.commit()
            commitSeconds.record(duration: ContinuousClock.now - start)
            commits.add(1, ordering: .relaxed)
            return answers
        } catch {
            rollBack(db)
            return nil
        }
    }

    private func oneByOne(_ operation: Operation, _ db: Database) -> [Answer] {
        var committing = false
        do {
            try db.beginTransaction(.deferred)
            let answer = try operation.run(db)
            committing = true
            try db.commit()
            return [answer]
        } catch {
            rollBack(db)
            failures.increment()
            let storeError = Self.storeError(error, committing: committing)
            return [{ operation.fail(storeError) }]
        }
    }

    private func rollBack(_ db: Database) {
        // SQLite has rolled back by itself after some errors (a full disk, for one).
        if db.isInsideTransaction { try? db.rollback() }
    }

    /// A transaction that failed was rolled back. Only an I/O error in the commit itself leaves open what is on the disk.
    static func storeError(_ error: any Error, committing: Bool) -> StoreError {
        guard let error = error as? DatabaseError else { return StoreError(.notStored, "SQLite: \(type(of: error))") }
        let unknown = committing && error.resultCode == .SQLITE_IOERR
        // Neither the statement nor its arguments: they hold users' data.
        return StoreError(unknown ? .unknown : .notStored, "SQLite: \(error.extendedResultCode) \(error.message ?? "")")
    }
}
