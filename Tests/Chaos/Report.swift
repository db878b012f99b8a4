import Foundation

/// The table of docs/reliability.md, written between its markers.
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
        var isClean: Bool { failures.isEmpty && outcomes.allSatisfy(\.verdict.isClean) }
    }

    private static let begin = "<!-- written by make chaos -->"
    private static let end = "<!-- end of what make chaos writes -->"

    var rows: [Row]
    var mutants: [(mutant: Mutant, verdict: Verdict)]
    var seed: UInt64
    var date: Date
    var machine: String

    /// - Parameter old: The table of an earlier run: rows that this one did not try are kept from it.
    func text(over old: Substring = "") -> String {
        var lines = ["Seed \(seed), \(day), \(machine).", ""]
        lines.append(
            "| fault | runs | operations | lost | phantom | doubled | misordered | silent gaps | false presence | "
                + "told to read afresh | forgotten by the store | back after |")
        lines.append("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
        let new = Dictionary(rows.map { ($0.fault.name, line($0)) }) { $1 }
        lines += Fault.table.compactMap { new[$0.name] ?? Self.line(of: $0.name, in: old) }
        lines += ["", "| defect | fault | caught as | how often |", "|---|---|---|--:|"]
        let caught = Dictionary(mutants.map { ($0.mutant.defect, line($0.mutant, $0.verdict)) }) { $1 }
        lines += Mutant.all.compactMap { mutant in
            caught[mutant.defect] ?? Self.line(of: "`\(mutant.defect.rawValue)`", in: old)
        }
        return lines.joined(separator: "\n")
    }

    private static func line(of name: String, in text: Substring) -> String? {
        text.split(separator: "\n").first { $0.hasPrefix("| \(name) | ") }.map(String.init)
    }

    private func line(_ mutant: Mutant, _ verdict: Verdict) -> String {
        "| `\(mutant.defect.rawValue)` | \(mutant.fault.name) | \(mutant.caughtBy.rawValue) | "
            + "\(verdict[mutant.caughtBy] > 0 ? "\(verdict[mutant.caughtBy])" : "**not caught**") |"
    }

    private func line(_ row: Row) -> String {
        let cells: [String] = [
            row.fault.name, "\(row.outcomes.count)" + (row.failures.isEmpty ? "" : " (\(row.failures.count) failed)"),
            "\(row.operations)", "\(row.count(.lost, .undelivered))", "\(row.count(.phantom, .contradiction))",
            "\(row.count(.doubled))", "\(row.count(.misordered))", "\(row.count(.silentGap, .hole))",
            "\(row.count(.falsePresence))",
            "\(row.outcomes.reduce(0) { $0 + $1.verdict.resyncs })"
                + (row.count(.falseResync) > 0 ? " (\(row.count(.falseResync)) without reason)" : ""),
            "\(row.outcomes.reduce(0) { $0 + $1.verdict.forgotten })",
            row.outcomes.compactMap(\.recoverySeconds).max().map { String(format: "%.1f s", $0) } ?? "–",
        ]
        return "| " + cells.joined(separator: " | ") + " |"
    }

    private var day: String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.dateFormat = "yyyy-MM-dd"
        return format.string(from: date)
    }

    /// Puts the table into the document.
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
