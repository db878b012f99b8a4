import Synchronization

/// The figures of an import.
struct ImportCounts: Hashable, Sendable {
    /// Rows that are not imported for one reason.
    struct Passed: Hashable, Sendable {
        var count = 0
        /// The first few, in the order of the file.
        var first: [String] = []
    }

    /// A conversation that could not be written to its end.
    struct Refused: Hashable, Sendable {
        var conversation: String
        /// Whispers that are not in it.
        var left: Int
        var why: String
    }

    private static let offendersShown = 5

    var rows = 0
    var whispers = 0
    var passed: [Whisper.Reason: Passed] = [:]
    var conversations = 0
    var users = 0
    /// Everything was read.
    var isSorted = false

    var imported = 0
    var alreadyThere = 0
    var conversationsDone = 0
    var refused: [Refused] = []
    /// Whispers that were read in paopao and count as unread here.
    var readAfterUnread = 0

    mutating func pass(_ row: WhisperColumns.Passed, at place: String) {
        let name = row.id.map { "\(place) (id \($0))" } ?? place
        add(Passed(count: 1, first: row.reason.isExpected ? [] : [name]), for: row.reason)
    }

    /// Adds what was read of some more rows.
    mutating func add(_ more: ImportCounts) {
        rows += more.rows
        whispers += more.whispers
        for (reason, passed) in more.passed { add(passed, for: reason) }
    }

    private mutating func add(_ more: Passed, for reason: Whisper.Reason) {
        var passed = passed[reason] ?? Passed()
        passed.count += more.count
        passed.first += more.first.prefix(max(0, Self.offendersShown - passed.first.count))
        self.passed[reason] = passed
    }
}

/// The figures while an import runs.
final class ImportProgress: Sendable {
    private let counts = Mutex(ImportCounts())

    var now: ImportCounts { counts.withLock { $0 } }

    func change(_ body: (inout ImportCounts) -> Void) { counts.withLock { body(&$0) } }
}
