import Foundation

/// The tables of docs/reliability.md, written between their markers.
struct Report {
    struct Row: Sendable {
        var fault: Fault
        var outcomes: [Campaign.Outcome] = []
        /// Runs that did not come to an end.
        var failures: [String] = []

        var operations: Int { outcomes.reduce(0) { $0 + $1.verdict.operations } }
        func count(_ kinds: ViolationKind...) -> Int {
            outcomes.reduce(0) { sum, outcome in kinds.reduce(sum) { $0 + outcome.verdict[$1] } }
        }
    }

    private static let begin = "<!-- written by make chaos -->"
    private static let end = "<!-- end of what make chaos writes -->"

    private static let columns = [
        "fault", "runs", "operations", "lost", "phantom", "doubled", "misordered", "silent gaps", "false presence",
        "told to read afresh", "forgotten by the store", "back after", "whole after", "seed, day",
    ]
    private static let mutantColumns = ["defect", "fault", "caught as", "how often", "seed, day"]

    var rows: [Row]
    /// No verdict: the run did not come to its end.
    var mutants: [(mutant: Mutant, verdict: Verdict?)]
    var seed: UInt64
    var date: Date
    var machine: String

    /// - Parameter old: The tables of earlier runs: rows that this one did not try are kept from them, with their seed
    ///   and day.
    func text(over old: Substring = "") -> String {
        let tried = Dictionary(rows.map { ($0.fault.name, $0) }) { $1 }
        let oldTable = MarkdownTable(in: old, under: "fault")
        var table = MarkdownTable(Self.columns, words: 1)
        for fault in Fault.table {
            if let row = tried[fault.name] { table.add(cells(row)) } else { table.keep(fault.name, of: oldTable) }
        }
        let oldMutants = MarkdownTable(in: old, under: "defect")
        var mutantTable = MarkdownTable(Self.mutantColumns, words: 3)
        for mutant in Mutant.all {
            if let new = mutants.first(where: { $0.mutant.defect == mutant.defect }) {
                mutantTable.add(cells(mutant, new.verdict))
            } else {
                mutantTable.keep("`\(mutant.defect.rawValue)`", of: oldMutants)
            }
        }
        let head = "The last run: seed \(seed), \(day), \(machine). Rows with another seed or day are of earlier ones."
        return ([head, ""] + table.lines + [""] + mutantTable.lines).joined(separator: "\n")
    }

    private func cells(_ mutant: Mutant, _ verdict: Verdict?) -> [String] {
        let howOften = verdict.map { $0[mutant.caughtBy] > 0 ? "\($0[mutant.caughtBy])" : "**not caught**" }
        return [
            "`\(mutant.defect.rawValue)`", mutant.fault.name, mutant.caughtBy.rawValue, howOften ?? "**failed**",
            "\(seed), \(day)",
        ]
    }

    private func cells(_ row: Row) -> [String] {
        let done = row.outcomes.count
        let tried = done + row.failures.count
        return [
            row.fault.name,
            "\(done)" + (tried < row.fault.runs ? " of \(row.fault.runs)" : "")
                + (row.failures.isEmpty ? "" : " (\(row.failures.count) failed)"),
            "\(row.operations)", "\(row.count(.lost, .undelivered, .unsettled))",
            "\(row.count(.phantom, .contradiction))",
            "\(row.count(.doubled))", "\(row.count(.misordered))", "\(row.count(.silentGap, .hole))",
            "\(row.count(.falsePresence))",
            "\(row.outcomes.reduce(0) { $0 + $1.verdict.resyncs })"
                + (row.count(.falseResync) > 0 ? " (\(row.count(.falseResync)) without reason)" : ""),
            "\(row.outcomes.reduce(0) { $0 + $1.verdict.forgotten })",
            longest(row.outcomes.map { $0.recoverySeconds }), longest(row.outcomes.map { $0.wholeSeconds }),
            "\(seed), \(day)",
        ]
    }

    /// Of the runs that came to an end; nil stands for one in which it did not happen.
    private func longest(_ seconds: [Double?]) -> String {
        guard !seconds.isEmpty else { return "–" }
        let known = seconds.compactMap(\.self)
        guard known.count == seconds.count, let most = known.max() else { return "never" }
        return String(format: "%.1f s", most)
    }

    private var day: String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.dateFormat = "yyyy-MM-dd"
        return format.string(from: date)
    }

    /// Puts the tables into the document.
    func write(to file: URL) throws {
        let document = try String(contentsOf: file, encoding: .utf8)
        guard let start = document.range(of: Self.begin), let stop = document.range(of: Self.end) else {
            throw ReportError.noMarkers(file.path)
        }
        let new =
            document[..<start.upperBound] + "\n\n" + text(over: document[start.upperBound..<stop.lowerBound]) + "\n\n"
            + document[stop.lowerBound...]
        try String(new).write(to: file, atomically: true, encoding: .utf8)
    }

    enum ReportError: Error { case noMarkers(String) }
}
