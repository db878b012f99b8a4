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

    @OptionGroup var measure: MeasureOptions

    func validate() throws {
        for name in only { _ = try Peers.named(name) }
    }

    func run() async throws {
        do { try await measureServers() } catch { throw ExitStatus.of(error) }
    }

    private func measureServers() async throws {
        let machine = measure.machine(Executables.processors())
        let comparison = Comparison(bench: try await measure.bench())
        let display = measure.display()
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
        if let document = measure.document {
            try GeneratedTables.rewrite(
                document, ["peers": BenchText.heading(machine, versions) + ". Payloads of 100 bytes.\n\n" + table])
        }
        try ExitStatus.check(lines.flatMap(\.verdicts))
    }

    private static func text(_ result: RunResult) -> String {
        let figures = result.figures.map { "\($0.name) \($0.text)" }.joined(separator: ", ")
        return figures + (figures.isEmpty ? "" : ", ") + "checks " + BenchText.checks(result)
    }
}
