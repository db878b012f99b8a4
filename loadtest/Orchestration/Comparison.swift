import Foundation

/// Apus beside other servers: the same engine, payloads, processors and steps, in one run. Live events only: what is durable
/// nobody else has.
struct Comparison: Sendable {
    var bench: Bench

    /// What one server came to; nil where a case came to no end.
    struct Line: Equatable, Sendable {
        var title: String
        var broadcast: Double?
        var live: Double?
        var idleBytes: Double?
        /// What went wrong, and what checks found.
        var remarks: [String] = []
        /// Of its cases.
        var verdicts: [RunResult.Verdict] = []
    }

    /// The cases of one server; nil is Apus.
    func cases(_ peer: String?) -> [Bench.Case] {
        let none: @Sendable (Bench.Case, RunResult) -> Bench.Row = { one, result in
            Bench.Row(what: one.title, result: "", checks: BenchText.checks(result))
        }
        // The first steps are far below what any of them carries.
        var broadcast = Bench.Case(
            name: "broadcast", title: "broadcast to 2,000", sessions: 2000,
            scenario: CapacityScenario(
                kind: .topic, from: 25, fanOut: 2000, p99: 200, topics: 1, stepSeconds: bench.stepSeconds), row: none)
        var live = Bench.Case(
            name: "live", title: "to random ones of 5,000", sessions: 5000,
            scenario: CapacityScenario(kind: .live, from: 4000, p99: 100, stepSeconds: bench.stepSeconds), row: none)
        var idle = Bench.Case(
            name: "idle", title: "10,000 idle sessions", sessions: 10_000,
            scenario: IdleScenario(seconds: 1, warmUp: 500), row: none)
        (broadcast.peer, live.peer, idle.peer) = (peer, peer, peer)
        return [broadcast, live, idle]
    }

    /// Measures one server. - Parameter done: Called after each case.
    func line(
        _ title: String, _ peer: String?, _ display: LiveDisplay, done: (Bench.Case, RunResult) throws -> Void
    ) async throws -> Line {
        var line = Line(title: title)
        for one in cases(peer) {
            let result = try await bench.result(one, display)
            try done(one, result)
            let figures = Dictionary(result.figures.map { ($0.key, $0.value) }) { first, _ in first }
            switch one.name {
            case "broadcast": line.broadcast = figures["capacity_per_second"]
            case "live": line.live = figures["capacity_per_second"]
            default: line.idleBytes = figures["node_bytes_per_session"]
            }
            line.verdicts.append(result.verdict)
            if result.verdict != .held { line.remarks.append("\(one.name): \(BenchText.checks(result))") }
        }
        return line
    }

    // MARK: The table

    static func table(_ lines: [Line]) -> String {
        let apus = lines.first
        let rows = lines.map { line in
            [
                line.title, rate(line.broadcast, apus?.broadcast), rate(line.live, apus?.live),
                line.idleBytes.map { FigureText.value($0, "bytes") } ?? "–",
                line.remarks.isEmpty ? "held" : line.remarks.joined(separator: "; "),
            ]
        }
        return GeneratedTables.markdown(
            head: [
                "one core each", "broadcast to 2,000, deliveries/s with p99 ≤ 200 ms",
                "to random ones of 5,000, per second with p99 ≤ 100 ms", "memory per idle session", "checks",
            ], rows: rows)
    }

    /// With its ratio to that of Apus, which stands in the first line.
    private static func rate(_ value: Double?, _ apus: Double?) -> String {
        guard let value else { return "–" }
        guard let apus, apus > 0, value != apus else { return FigureText.number(value) }
        return "\(FigureText.number(value)) (\(String(format: "%.2f", value / apus)) of Apus)"
    }
}
