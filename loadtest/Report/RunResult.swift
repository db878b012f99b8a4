import Foundation

/// What one run came to: made by a scenario, shown by the text, JSON and HTML reports. Its JSON form is what `--json` writes;
/// members are added, never renamed, and `format` changes when the meaning of one does.
struct RunResult: Codable, Equatable, Sendable {
    var format = 1
    /// The subcommand: `idle`, `notify`, …
    var scenario: String
    /// What was asked for, in the order in which it is shown.
    var settings: [RunSetting] = []
    var machine = Machine()
    /// By program: `apus`, `redis-server`, …
    var versions: [String: String] = [:]
    /// Seconds since 1970.
    var started: Double
    var ended: Double
    /// One per second, or rarer in long runs: `RunSample.seconds` says how long each is.
    var samples: [RunSample] = []
    /// What each process used; empty when the nodes are not on this machine.
    var processes: [ProcessSeries] = []
    /// The kernel's and the store's memory, as often as the processes are looked at.
    var memory: [MemorySample] = []
    var totals = RunCounts()
    /// Of the whole run, by what was timed.
    var latency: [Timed: LatencySummary] = [:]
    /// What this scenario measures besides: memory per session, connect rate, …
    var figures: [RunFigure] = []
    var checks = RunChecks()
    /// What a reader has to know: raised intervals, what held a run back, what was left out.
    var notes: [String] = []
    /// Why the run came to no end; nil when it did.
    var failure: String?

    var verdict: Verdict { failure != nil ? .incomplete : checks.held ? .held : .broken }
    var seconds: Double { max(0, ended - started) }

    enum Verdict: String, Codable, Sendable {
        /// Every check held.
        case held
        /// Something was lost, doubled, misordered, …: `checks` has the counts and the first offenders.
        case broken
        /// The run did not come to its end: `failure` says why.
        case incomplete
    }
}

/// A setting of the run, for the reader.
struct RunSetting: Codable, Equatable, Sendable {
    var name: String
    var value: String

    init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
    init(_ name: String, _ value: Int) { (self.name, self.value) = (name, FigureText.count(value)) }
}

/// A figure of a scenario's own.
struct RunFigure: Codable, Equatable, Sendable {
    /// For programs: `node_bytes_per_session`. Stays the same over versions.
    var key: String
    /// For people.
    var name: String
    var value: Double
    /// `bytes`, `/s`, `ms`, `s`, `µs/s`, `%`, or empty for a count.
    var unit: String

    init(_ key: String, _ name: String, _ value: Double, _ unit: String = "") {
        (self.key, self.name, self.value, self.unit) = (key, name, value, unit)
    }

    var text: String { FigureText.value(value, unit) }
}

/// What is timed. Latency of an open loop counts from when something was *meant* to be sent.
enum Timed: String, Codable, CaseIterable, CodingKeyRepresentable, Sendable {
    /// Publish or send → the socket of the receiver.
    case delivery
    /// Request → its reply (`send` → `ok`).
    case reply
    /// First TCP connect → the first `welcome`.
    case connect
    /// When it was due to be back → the last missed event of a resume.
    case resume

    var title: String {
        switch self {
        case .delivery: "publish to socket"
        case .reply: "request to reply"
        case .connect: "connect to welcome"
        case .resume: "due back to caught up"
        }
    }
}
