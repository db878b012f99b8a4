import ArgumentParser
import Foundation

/// The part of `make bench` that other servers are measured in.
struct PeersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peers", abstract: "Apus beside nats-server, Nchan, uWebSockets and plain SwiftNIO.",
        discussion: """
            Each server has one processor; Redis, NATS and the load generator have another. `scripts/setup peers` installs \
            what is missing; without it that server is left out. With --document the table there is written anew.
            """)

    @Option(
        name: .customLong("only"), parsing: .upToNextOption,
        help: "Besides Apus, only these: nats, nchan, uwebsockets, plain-nio.")
    var only: [String] = []

    @Option(help: "Seconds of each step of a search for capacity.")
    var stepSeconds = 4.0

    @Option(help: "The executable of the nodes; by default `apus` beside this program.")
    var apus: String?

    @Option(help: "The document whose table is written, such as docs/performance.md.")
    var document: String?

    @Flag(help: "Leave servers and load where the kernel puts them.")
    var unpinned = false

    @Flag(help: "Show no progress.")
    var quiet = false

    func validate() throws {
        guard stepSeconds >= 3 else {
            throw ValidationError("--step-seconds must be 3 at least: samples are of a second")
        }
        for name in only { _ = try Peers.named(name) }
    }

    func run() async throws {
        var bench = Bench(executable: apus, stepSeconds: stepSeconds)
        let processors = Executables.processors()
        if !unpinned, let first = processors.first, let last = processors.last, first != last {
            (bench.nodeCore, bench.loadCore) = (first, last)
            try await Affinity.pin(to: last)
        }
        let comparison = Comparison(bench: bench)
        let display = LiveDisplay(form: quiet ? .none : .of(STDERR_FILENO))
        let (there, missing) = Peers.installed()
        for line in missing { Terminal.write(line + "\n", to: STDERR_FILENO) }
        let servers: [(title: String, peer: String?)] =
            [("Apus", nil)]
            + there.filter { only.isEmpty || only.contains($0.name) }.map { ($0.title, $0.name) }
        var lines: [Comparison.Line] = []
        var versions: [String: String] = [:]
        for server in servers {
            let line = try await comparison.line(server.title, server.peer, display) { one, result in
                versions.merge(result.versions) { _, new in new }
                Terminal.write("\(server.title), \(one.title): \(Self.text(result))\n", to: STDOUT_FILENO)
            }
            lines.append(line)
        }
        let table = Comparison.table(lines)
        Terminal.write("\n" + table, to: STDOUT_FILENO)
        guard let document else { return }
        var machine = Machine.current()
        machine.cores = processors.isEmpty ? machine.cores : processors.count
        try GeneratedTables.rewrite(
            document, ["peers": BenchText.heading(machine, versions) + ". Payloads of 100 bytes.\n\n" + table])
    }

    private static func text(_ result: RunResult) -> String {
        let figures = result.figures.map { "\($0.name) \($0.text)" }.joined(separator: ", ")
        return figures + (figures.isEmpty ? "" : ", ") + "checks " + BenchText.checks(result)
    }
}
