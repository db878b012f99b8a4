import ArgumentParser
import Foundation

/// `make million`.
struct MillionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "million",
        abstract: "A million authenticated sessions on one machine, each notified and verified.",
        discussion: """
            Starts Redis, NATS and as many nodes as are needed, opens the sessions (each of a user of its own, registered in \
            the session directory), sends one durable notification to each through JetStream, breaks some connections \
            and has them resume while the rest is held, and drains the nodes. If the machine does not carry that many, the \
            report says what held it back and at which count. Needs about 18 KB of memory per session in all (both ends \
            of the connection are on this machine): 20 GB for a million.
            """)

    @Option(help: "Sessions of distinct users to hold.")
    var sessions = 1_000_000

    @Option(help: "Sessions of each node: a process may open 20,000 files here.")
    var sessionsPerNode = 18_900

    @Option(help: "How many of the nodes take notifications from JetStream; the others only hold sessions.")
    var notifiers = 2

    @Option(help: "New sessions per second, if the nodes keep up.")
    var connectsPerSecond = 6000.0

    @Option(help: "Notifications per second, if the nodes keep up.")
    var rate = 3500.0

    @Option(help: "How many to break and have resume.")
    var drop = 10_000

    @Option(help: "APUS_PING_SECONDS: a million pings every 25 s would be a core of their own.")
    var pingSeconds = 900

    @Option(help: "How long the sessions are held idle, in seconds.")
    var hold = 10.0

    @Option(help: "Stop when the machine has less than this to give, in MB.")
    var reserve = 500

    @Option(help: "The executable of the nodes; by default `apus` beside this program.")
    var apus: String?

    @Option(help: "A document with a place for the table `million`, such as docs/performance.md.")
    var document: String?

    @OptionGroup(title: "Results") var report: ReportOptions

    func validate() throws {
        guard (1000...10_000_000).contains(sessions) else {
            throw ValidationError("--sessions must be from 1000 to 10000000")
        }
        guard (100...1_000_000).contains(sessionsPerNode) else {
            throw ValidationError("--sessions-per-node must be from 100 to 1000000")
        }
        guard notifiers >= 1 else { throw ValidationError("--notifiers must be 1 at least") }
        guard connectsPerSecond > 0, rate > 0 else {
            throw ValidationError("--connects-per-second and --rate must be above 0")
        }
        guard (0...sessions).contains(drop) else { throw ValidationError("--drop must be from 0 to --sessions") }
        guard (1...3600).contains(pingSeconds) else { throw ValidationError("--ping-seconds must be from 1 to 3600") }
        guard hold >= 0, reserve >= 0 else { throw ValidationError("--hold and --reserve must not be negative") }
    }

    func run() async throws {
        let run = MillionRun(
            sessions: sessions, sessionsPerNode: sessionsPerNode, notifiers: notifiers,
            connectsPerSecond: connectsPerSecond, rate: rate, drop: drop, pingSeconds: pingSeconds, holdSeconds: hold,
            reserveBytes: reserve * 1_000_000, executable: apus)
        let result = try await run.result(report.display())
        if let document, result.failure == nil {
            try GeneratedTables.rewrite(document, ["million": MillionRun.table(result)])
        }
        try report.finish(result)
    }
}
