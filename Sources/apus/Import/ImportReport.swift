import Foundation

/// What an import says to people.
enum ImportReport {
    private static let refusedShown = 20

    /// One line of how far it is.
    static func progress(_ counts: ImportCounts) -> String {
        guard counts.isSorted else { return "reading: \(counts.rows) rows, \(counts.whispers) whispers" }
        let done = counts.imported + counts.alreadyThere
        return "writing: \(done) of \(counts.whispers) whispers, \(counts.conversationsDone) of "
            + "\(counts.conversations) conversations"
    }

    /// - Parameter isDry: Nothing was to be written.
    static func summary(_ counts: ImportCounts, isDry: Bool) -> String {
        var lines = [row("rows read", counts.rows), row("whispers", counts.whispers)]
        if !isDry {
            let left = counts.whispers - counts.imported - counts.alreadyThere
            lines.append(row("  imported", counts.imported))
            lines.append(row("  already there", counts.alreadyThere))
            if left > 0 { lines.append(row("  not imported", left)) }
        }
        lines += [row("conversations", counts.conversations), row("users", counts.users)]
        lines.append(row("passed over", counts.passed.values.reduce(0) { $0 + $1.count }))
        for reason in Whisper.Reason.allCases {
            guard let passed = counts.passed[reason] else { continue }
            lines.append(row("  \(reason.rawValue)", passed.count, offenders(passed)))
        }
        if counts.readAfterUnread > 0 {
            lines.append(row("read after an unread one", counts.readAfterUnread, "they count as unread"))
        }
        if !counts.refused.isEmpty {
            lines.append(row("conversations not finished", counts.refused.count))
            for refused in counts.refused.prefix(refusedShown) {
                lines.append("  \(refused.conversation): \(refused.left) whispers not imported: \(refused.why)")
            }
            let more = counts.refused.count - refusedShown
            if more > 0 { lines.append("  and \(more) more") }
        }
        return lines.joined(separator: "\n")
    }

    private static func offenders(_ passed: ImportCounts.Passed) -> String {
        guard !passed.first.isEmpty else { return "" }
        return passed.first.joined(separator: ", ") + (passed.count > passed.first.count ? ", …" : "")
    }

    private static func row(_ name: String, _ count: Int, _ note: String = "") -> String {
        let number = String(count)
        let space = String(repeating: " ", count: max(2, 48 - name.count - number.count))
        return name + space + number + (note.isEmpty ? "" : "  \(note)")
    }
}

/// Shows every second how far an import is: on a terminal in one line that changes, otherwise in lines.
struct ProgressLines {
    private let task: Task<Void, Never>
    private let isTerminal = isatty(STDERR_FILENO) == 1

    init(_ progress: ImportProgress) {
        task = Task { [isTerminal] in
            while (try? await Task.sleep(for: .seconds(1))) != nil {
                let line = ImportReport.progress(progress.now)
                if isTerminal { Output.status(line) } else { Output.error(line) }
            }
        }
    }

    /// Leaves a clean line.
    func stop() async {
        task.cancel()
        await task.value
        if isTerminal { Output.status("") }
    }
}
