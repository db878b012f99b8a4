import ArgumentParser
import Foundation

/// `make bench`.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "All figures of docs/performance.md, in some minutes.",
        discussion: """
            Each case starts a site of its own: one node on one processor; Redis, NATS and the load generator on another. \
            With --document the tables there are written anew.
            """)

    @Option(
        name: .customLong("only"), parsing: .upToNextOption,
        help: "Cases: broadcast, live, durable, dm, dm-fleet, idle, storm, half, half-slow. By default all.")
    var only: [String] = []

    @Option(help: "A folder for a JSON result and an HTML report of each case.")
    var reports: String?

    @OptionGroup var measure: MeasureOptions

    func validate() throws {
        let known = Bench().cases.map(\.name)
        for name in only where !known.contains(name) {
            throw ValidationError("--only \(name): the cases are \(known.joined(separator: ", "))")
        }
        if let reports { try FileManager.default.createDirectory(atPath: reports, withIntermediateDirectories: true) }
    }

    func run() async throws {
        do { try await measureCases() } catch { throw ExitStatus.of(error) }
    }

    private func measureCases() async throws {
        let machine = measure.machine(Executables.processors())
        var bench = try await measure.bench()
        let display = measure.display()
        var rows: [Bench.Row] = []
        var (versions, verdicts) = ([String: String](), [RunResult.Verdict]())
        for name in bench.cases.map(\.name) where only.isEmpty || only.contains(name) {
            guard let one = bench.cases.first(where: { $0.name == name }) else { continue }
            let result = try await bench.result(one, display)
            versions.merge(result.versions) { _, new in new }
            verdicts.append(result.verdict)
            if name == "durable", let most = result.figures.first(where: { $0.key == "capacity_published_per_second" })
            {
                bench.halfRate = (most.value / 2).rounded()
            }
            let row = one.row(one, result)
            rows.append(row)
            Terminal.write(Self.line(row), to: STDOUT_FILENO)
            try save(one, result)
        }
        if let document = measure.document {
            try GeneratedTables.rewrite(
                document,
                [
                    "bench": BenchText.heading(machine, versions) + ". Payloads of 100 bytes"
                        + (bench.nodeCore == nil ? "" : ", the node on one core, everything else on the other")
                        + ".\n\n"
                        + GeneratedTables.markdown(head: Bench.Row.head, rows: rows.map(\.cells))
                ])
        }
        try ExitStatus.check(verdicts)
    }

    private func save(_ one: Bench.Case, _ result: RunResult) throws {
        guard let reports else { return }
        let base = URL(fileURLWithPath: reports).appendingPathComponent(one.name)
        try RunFile.json(result).write(to: base.appendingPathExtension("json"))
        try Data(HTMLReport.page(result).utf8).write(to: base.appendingPathExtension("html"))
    }

    private static func line(_ row: Bench.Row) -> String {
        let more = [("p50", row.p50), ("p99", row.p99), ("p99.9", row.p999), ("CPU", row.cpu)]
            .filter { !$0.1.isEmpty }.map { "\($0.0) \($0.1)" }
        return "\(row.what): \(([row.result] + more + ["checks " + row.checks]).joined(separator: ", "))\n"
    }
}
