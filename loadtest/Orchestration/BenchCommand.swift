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

    @Option(help: "Seconds of each step of a search for capacity.")
    var stepSeconds = 4.0

    @Option(help: "The executable of the nodes; by default `apus` beside this program.")
    var apus: String?

    @Option(help: "The document whose tables are written, such as docs/performance.md.")
    var document: String?

    @Option(help: "A folder for a JSON result and an HTML report of each case.")
    var reports: String?

    @Flag(help: "Leave nodes and load where the kernel puts them.")
    var unpinned = false

    @Flag(help: "Show no progress.")
    var quiet = false

    func validate() throws {
        guard stepSeconds >= 3 else {
            throw ValidationError("--step-seconds must be 3 at least: samples are of a second")
        }
        let known = Bench().cases.map(\.name)
        for name in only where !known.contains(name) {
            throw ValidationError("--only \(name): the cases are \(known.joined(separator: ", "))")
        }
        if let reports { try FileManager.default.createDirectory(atPath: reports, withIntermediateDirectories: true) }
    }

    func run() async throws {
        var bench = Bench(executable: apus, stepSeconds: stepSeconds)
        let processors = Executables.processors()
        if !unpinned, let first = processors.first, let last = processors.last, first != last {
            (bench.nodeCore, bench.loadCore) = (first, last)
            try await Affinity.pin(to: last)
        }
        let display = LiveDisplay(form: quiet ? .none : .of(STDERR_FILENO))
        var rows: [Bench.Row] = []
        var (machine, versions, allHeld) = (Machine.current(), [String: String](), true)
        machine.cores = processors.isEmpty ? machine.cores : processors.count
        for name in bench.cases.map(\.name) where only.isEmpty || only.contains(name) {
            guard let one = bench.cases.first(where: { $0.name == name }) else { continue }
            let result = try await bench.result(one, display)
            versions.merge(result.versions) { _, new in new }
            allHeld = allHeld && result.verdict == .held
            if name == "durable", let most = result.figures.first(where: { $0.key == "capacity_published_per_second" })
            {
                bench.halfRate = (most.value / 2).rounded()
            }
            let row = one.row(one, result)
            rows.append(row)
            Terminal.write(Self.line(row), to: STDOUT_FILENO)
            try save(one, result)
        }
        if let document {
            try GeneratedTables.rewrite(
                document,
                [
                    "bench": BenchText.heading(machine, versions) + ". Payloads of 100 bytes"
                        + (bench.nodeCore == nil ? "" : ", the node on one core, everything else on the other")
                        + ".\n\n"
                        + GeneratedTables.markdown(head: Bench.Row.head, rows: rows.map(\.cells))
                ])
        }
        guard allHeld else { throw ExitCode(1) }
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
