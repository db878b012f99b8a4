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
        try OptionRange.check("--sessions", sessions, 1000...OptionRange.sessions.upperBound)
        try OptionRange.check("--sessions-per-node", sessionsPerNode, 100...1_000_000)
        try OptionRange.check("--notifiers", notifiers, 1...SitePlan.nodesMax)
        try OptionRange.check("--connects-per-second", connectsPerSecond, OptionRange.perSecond)
        try OptionRange.check("--rate", rate, OptionRange.perSecond)
        try OptionRange.check("--drop", drop, 0...sessions)
        try OptionRange.check("--ping-seconds", pingSeconds, 1...3600)
        try OptionRange.check("--hold", hold, 0...OptionRange.seconds.upperBound)
        try OptionRange.check("--reserve", reserve, 0...1_000_000_000)
        let nodes = (sessions + sessionsPerNode - 1) / sessionsPerNode
        guard nodes <= SitePlan.nodesMax else {
            throw ValidationError(
                "\(nodes) nodes are too many, \(SitePlan.nodesMax) at most: raise --sessions-per-node")
        }
    }

    func run() async throws {
        let run = MillionRun(
            sessions: sessions, sessionsPerNode: sessionsPerNode, notifiers: notifiers,
            connectsPerSecond: connectsPerSecond, rate: rate, drop: drop, pingSeconds: pingSeconds, holdSeconds: hold,
            reserveBytes: reserve * 1_000_000, executable: apus)
        do {
            let result = try await run.result(report.display())
            if let document, result.failure == nil {
                try GeneratedTables.rewrite(document, ["million": MillionRun.table(result)])
            }
            try report.finish(result)
        } catch {
            throw ExitStatus.of(error)
        }
    }
}
