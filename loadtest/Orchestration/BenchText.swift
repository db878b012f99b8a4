import Foundation

/// How the tables of docs/performance.md say where their figures come from.
enum BenchText {
    /// `2026-11-30, 2 cores of …; apus 0.1.0, …`
    static func heading(_ machine: Machine, _ versions: [String: String], date: Date = .now) -> String {
        let names = versions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        return "\(day(date)), \(machine.text); \(names)"
    }

    static func day(_ date: Date) -> String { date.formatted(.iso8601.year().month().day().dateSeparator(.dash)) }

    static func checks(_ result: RunResult) -> String {
        switch result.verdict {
        case .held: "held"
        case .incomplete: "not finished: \(result.failure ?? "")"
        case .broken:
            RunCheck.allCases.filter { result.checks[$0] > 0 }
                .map { "\(FigureText.count(result.checks[$0])) \($0.title)" }.joined(separator: ", ")
        }
    }
}
