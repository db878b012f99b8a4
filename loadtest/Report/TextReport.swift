import Foundation

/// A result as text, for a terminal and for logs.
enum TextReport {
    static func text(_ result: RunResult) -> String {
        var lines = ["\(result.scenario): \(verdict(result))"]
        lines += table(result.settings.map { ($0.name, $0.value) })
        lines += section("figures", table(figures(result)))
        lines += section("latency", latency(result.latency))
        lines += section("memory and CPU", processes(result))
        lines += section("checks", checks(result.checks))
        lines += section("notes", result.notes.map { "  - \($0)" })
        lines += ["", "  " + result.machine.text]
        if !result.versions.isEmpty {
            lines.append(
                "  "
                    + result.versions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            )
        }
        return lines.joined(separator: "\n") + "\n"
    }

    static func verdict(_ result: RunResult) -> String {
        switch result.verdict {
        case .held: "every check held"
        case .broken: "CHECKS FAILED"
        case .incomplete: "NOT FINISHED: \(result.failure ?? "")"
        }
    }

    /// The scenario's own, then what the counts give. Used by the HTML report too.
    static func figures(_ result: RunResult) -> [(String, String)] {
        var rows = result.figures.map { ($0.name, $0.text) }
        let totals = result.totals
        for (name, count) in [
            ("connects", totals.connects), ("resumes", totals.resumes), ("publishes", totals.publishes),
            ("deliveries", totals.deliveries), ("replies", totals.replies), ("told to come later", totals.deferred),
            ("connections dropped", totals.drops), ("errors", totals.errors),
        ] where count > 0 {
            rows.append((name, FigureText.count(count)))
        }
        if let peak = result.samples.map({ $0.rate(\.deliveries) }).max(), peak > 0 {
            rows.append(("deliveries, best second", FigureText.number(peak) + "/s"))
        }
        rows.append(("duration", FigureText.duration(result.seconds)))
        return rows
    }

    private static func section(_ title: String, _ lines: [String]) -> [String] {
        lines.isEmpty ? [] : ["", title] + lines
    }

    private static func table(_ rows: [(String, String)]) -> [String] {
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { "  " + $0.0.padding(toLength: width + 2, withPad: " ", startingAt: 0) + $0.1 }
    }

    private static func latency(_ all: [Timed: LatencySummary]) -> [String] {
        table(
            Timed.allCases.compactMap { timed in
                all[timed].map { summary in
                    let figures = [
                        ("p50", summary.p50), ("p90", summary.p90), ("p99", summary.p99), ("p99.9", summary.p999),
                        ("max", summary.max),
                    ].map { "\($0.0) \(FigureText.milliseconds($0.1))" }
                    return (timed.title, figures.joined(separator: ", ") + " of \(FigureText.count(summary.count))")
                }
            })
    }

    private static func processes(_ result: RunResult) -> [String] {
        table(
            ProcessSeries.Role.allCases.compactMap { role in
                let all = result.processes.filter { $0.role == role }
                guard !all.isEmpty else { return nil }
                let peak = FigureText.bytes(all.map(\.peakResident).reduce(0, +))
                let cpu = FigureText.number(all.map(\.cpuSeconds).reduce(0, +))
                let title = all.count > 1 ? "\(role.title) (\(all.count))" : role.title
                return (title, "at most \(peak) resident, \(cpu) s of CPU")
            })
    }

    private static func checks(_ checks: RunChecks) -> [String] {
        var rows = [("verified", FigureText.count(checks.verified))]
        rows += RunCheck.allCases.map { ($0.title, FigureText.count(checks[$0])) }
        return table(rows)
            + checks.offenders.map { "  ! \($0.check.title): \($0.user) expected \($0.expected), got \($0.got)" }
    }
}
