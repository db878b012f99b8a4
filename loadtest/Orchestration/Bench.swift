import Foundation

/// What `make bench` runs: each case starts a site of its own, with the node on one processor and everything else on another.
struct Bench: Sendable {
    /// Where the node runs, and where Redis, NATS and the load generator do.
    var nodeCore: Int?
    var loadCore: Int?
    var executable: String?
    /// Steps of the searches; shorter is rougher.
    var stepSeconds = 4.0
    /// Notifications per second of the cases at half load: half of the capacity that the case `durable` has found.
    var halfRate = 1500.0

    /// One line of the table.
    struct Row: Equatable, Sendable {
        var what: String
        var result: String
        var p50 = ""
        var p99 = ""
        var p999 = ""
        var cpu = ""
        var checks = ""

        var cells: [String] { [what, result, p50, p99, p999, cpu, checks] }
        static let head = ["", "result", "p50", "p99", "p99.9", "CPU of the node", "checks"]
    }

    struct Case: Sendable {
        /// For `--only`.
        var name: String
        var title: String
        var sessions: Int
        var scenario: any Scenario
        var store = SitePlan.Store.fleet
        var nodes = 1
        var connectsPerSecond = 4000.0
        var slowShare = 0.0
        /// Another server instead of the node, by its name in `Peers`.
        var peer: String?
        /// How the result is read.
        var row: @Sendable (Case, RunResult) -> Row
    }

    // MARK: Running

    func result(_ one: Case, _ display: LiveDisplay) async throws -> RunResult {
        var plan = SitePlan(nodes: one.nodes, store: one.store, executable: executable)
        plan.peer = one.peer
        plan.settings = ["APUS_CONNECTS_PER_SECOND": "0"]
        // Two nodes have a core each to themselves nowhere here: they are left where the kernel wants them.
        if one.nodes == 1 {
            plan.nodeCores = nodeCore.map { [$0] }
            plan.serverCores = loadCore.map { [$0] }
        }
        var load = LoadPlan(sessions: one.sessions, connectsPerSecond: one.connectsPerSecond)
        load.slowShare = one.slowShare
        return try await ScenarioRunner.run(one.scenario, load, target: nil, sitePlan: plan, display: display)
    }

    // MARK: Cases

    var cases: [Case] { capacities + connections }

    private func capacity(_ kind: Activity.Kind, from rate: Double, p99: Double, fanOut: Int = 1) -> CapacityScenario {
        CapacityScenario(
            kind: kind, from: rate, fanOut: fanOut, p99: p99, topics: kind == .topic ? 1 : 0, stepSeconds: stepSeconds)
    }

    /// Rates that are raised until they are not carried.
    private var capacities: [Case] {
        [
            Case(
                name: "broadcast", title: "broadcast to 2,000 sessions, p99 ≤ 200 ms", sessions: 2000,
                scenario: capacity(.topic, from: 150, p99: 200, fanOut: 2000), row: Self.capacityRow),
            Case(
                name: "live", title: "live events to random ones of 5,000, through NATS, p99 ≤ 100 ms", sessions: 5000,
                scenario: capacity(.live, from: 8000, p99: 100), row: Self.capacityRow),
            Case(
                name: "durable", title: "durable ones through JetStream to random ones of 5,000, p99 ≤ 100 ms",
                sessions: 5000, scenario: capacity(.notify, from: 1500, p99: 100), row: Self.capacityRow),
            Case(
                name: "dm", title: "messages of 500 pairs, embedded, p99 ≤ 200 ms", sessions: 1000,
                scenario: capacity(.send, from: 500, p99: 200, fanOut: 2), store: .embedded, row: Self.capacityRow),
            Case(
                name: "dm-fleet", title: "messages of 500 pairs, two nodes on Redis and NATS, p99 ≤ 200 ms",
                sessions: 1000, scenario: capacity(.send, from: 500, p99: 200, fanOut: 2), nodes: 2,
                row: Self.capacityRow),
        ]
    }

    /// Sessions that come, stay, and come back; and how long events take when there is room.
    private var connections: [Case] {
        let half = { (seconds: Double) in RateScenario(kind: .notify, name: "notify", rate: halfRate, seconds: seconds)
        }
        return [
            Case(
                name: "idle", title: "10,000 idle sessions", sessions: 10_000,
                scenario: IdleScenario(seconds: 10, warmUp: 500), row: Self.idleRow),
            Case(
                name: "storm", title: "storm: 15,000 drop at once and resume", sessions: 15_000,
                scenario: StormScenario(drop: nil, rate: 100, pauseMilliseconds: 500, seconds: 3),
                connectsPerSecond: 50_000, row: Self.stormRow),
            Case(
                name: "half", title: "durable at half of that rate, \(FigureText.number(halfRate))/s", sessions: 5000,
                scenario: half(15), row: Self.latencyRow),
            Case(
                name: "half-slow", title: "the same with 10 % that never read", sessions: 5000, scenario: half(15),
                slowShare: 0.1, row: Self.latencyRow),
        ]
    }

    // MARK: Rows

    @Sendable private static func capacityRow(_ one: Case, _ result: RunResult) -> Row {
        let figures = figures(result)
        let rate = figures["capacity_per_second"].map { FigureText.number($0) + " deliveries/s" } ?? "–"
        return Row(
            what: one.title, result: rate, p50: milliseconds(figures["capacity_p50_ms"]),
            p99: milliseconds(figures["capacity_p99_ms"]), cpu: percent(figures["capacity_cpu_percent"]),
            checks: BenchText.checks(result))
    }

    @Sendable private static func idleRow(_ one: Case, _ result: RunResult) -> Row {
        let figures = figures(result)
        let bytes = figures["node_bytes_per_session"].map { FigureText.value($0, "bytes") } ?? "–"
        let cpu = figures["node_cpu_us_per_session"].map { FigureText.number($0) + " µs/s" } ?? "–"
        return Row(
            what: one.title, result: "\(bytes) of the node each", cpu: "\(cpu) each", checks: BenchText.checks(result))
    }

    @Sendable private static func stormRow(_ one: Case, _ result: RunResult) -> Row {
        let figures = figures(result)
        let rates = ["connects_per_second", "resumes_per_second"].map { key in
            figures[key].map { FigureText.number($0) } ?? "–"
        }
        let back = figures["back_seconds"].map { FigureText.value($0, "s") } ?? "–"
        let resume = result.latency[.resume]
        return Row(
            what: one.title, result: "\(rates[0]) connects/s, \(rates[1]) resumes/s, all back after \(back)",
            p50: milliseconds(resume?.p50), p99: milliseconds(resume?.p99), p999: milliseconds(resume?.p999),
            checks: BenchText.checks(result))
    }

    @Sendable private static func latencyRow(_ one: Case, _ result: RunResult) -> Row {
        let figures = figures(result)
        let delivery = result.latency[.delivery]
        let rate = figures["delivered_per_second"].map { FigureText.number($0) + " deliveries/s" } ?? "–"
        let behind = figures["sessions_behind"].map { ", \(FigureText.number($0)) sessions found behind" } ?? ""
        return Row(
            what: one.title, result: rate + behind,
            p50: milliseconds(delivery?.p50), p99: milliseconds(delivery?.p99), p999: milliseconds(delivery?.p999),
            cpu: percent(figures["node_cpu_percent"]), checks: BenchText.checks(result))
    }

    private static func figures(_ result: RunResult) -> [String: Double] {
        Dictionary(result.figures.map { ($0.key, $0.value) }) { first, _ in first }
    }

    private static func milliseconds(_ value: Double?) -> String { value.map { FigureText.milliseconds($0) } ?? "" }
    private static func percent(_ value: Double?) -> String { value.map { FigureText.number($0) + " %" } ?? "" }
}
