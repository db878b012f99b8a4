import ApusTesting
import ArgumentParser
import Foundation
import Spawn
import Testing

@testable import apus_loadtest

@Suite("The million")
struct MillionTests {
    private static func run(_ sessions: Int) throws -> MillionRun {
        MillionRun(
            sessions: sessions, sessionsPerNode: 18_900, notifiers: 2, connectsPerSecond: 1000, rate: 500, drop: 100,
            pingSeconds: 900, holdSeconds: 1, reserveBytes: 100_000_000, executable: try ApusProcess.executable())
    }

    @Test("a million sessions are spread over nodes that may each open 20,000 files, two of them notifiers")
    func plan() throws {
        let plan = try Self.run(1_000_000).sitePlan
        #expect(plan.nodes == 53 && plan.store == .fleet && plan.notifiers == 2)
        #expect(plan.settings["APUS_PING_SECONDS"] == "900" && plan.settings["APUS_THREADS"] == "1")
        try plan.check()
    }

    @Test("a small one goes through all its steps: held, each notified once, dropped and resumed, drained")
    func small() async throws {
        let result = try await Self.run(1200).result(LiveDisplay(form: .none))
        #expect(result.verdict == .held, "\(TextReport.text(result))")
        let figures = Dictionary(result.figures.map { ($0.key, $0.value) }) { first, _ in first }
        #expect(result.totals.connects == 1200 && result.totals.resumes == 100)
        #expect(result.totals.deliveries == 1200 && result.totals.drops == 0)
        for key in [
            "connects_per_second", "node_bytes_per_session", "kernel_bytes_per_session", "redis_bytes_per_session",
            "worker_bytes_per_session", "deliver_all_seconds", "delivery_p99_ms", "back_seconds", "drain_seconds",
        ] { #expect(figures[key] != nil, "no \(key)") }
        #expect(figures["drained_nodes"] == 1 && figures["drained_sessions"] == 1200)
        // What is allocated before the first session connects is counted too.
        let bytes = try #require(figures["worker_bytes_per_session"])
        #expect((100...1024).contains(bytes), "\(bytes)")
        let table = MillionRun.table(result)
        #expect(table.contains("| sessions held | 1,200 |") && table.contains("| lost, doubled, misordered | 0 |"))
    }

    @Test("what held it back is said with the count, and everything is taken down")
    func heldBack() async throws {
        var run = try Self.run(1200)
        // More than any machine has: as if its memory were at an end.
        run.reserveBytes = .max
        run.connectsPerSecond = 100
        let result = try await run.result(LiveDisplay(form: .none))
        #expect(result.verdict == .incomplete)
        #expect(result.failure?.contains("of 1,200 sessions: memory") == true, "\(result.failure ?? "")")
    }
}

@Suite("The end of sessions")
struct SessionEndTests {
    @Test("a drain closes every session with its code: others, and who was cut, are found and counted")
    func drain() {
        var log = RunLog(workers: 2, sampleSeconds: 1)
        func sample(_ losses: Int, _ problems: [String: Int], faults: Int = 0) -> WorkerSample {
            var sample = WorkerSample()
            (sample.tally.losses, sample.problems, sample.faults) = (losses, problems, faults)
            return sample
        }
        _ = log.take(sample(3, ["closed with 4508": 3, "something else": 2], faults: 1), of: 0, phase: "hold")
        let before = SessionEnds(log)
        _ = log.take(sample(10, ["closed with 4512": 10], faults: 1), of: 0, phase: "drain")
        let clean = SessionEnds(log).since(before)
        #expect(clean == SessionEnds(losses: 10, codes: [4512: 10]) && clean.cut == 0)
        var checks = RunChecks()
        clean.judgeDrain(&checks)
        #expect(checks.held)

        _ = log.take(
            sample(9, ["closed with 4512": 4, "closed with 1011": 2], faults: 1), of: 1, phase: "drain")
        let bad = SessionEnds(log).since(before)
        #expect(bad.codes == [4512: 14, 1011: 2] && bad.faults == 1 && bad.cut == 2)
        bad.judgeDrain(&checks)
        #expect(checks.counts == [.refused: 5])
        #expect(checks.offenders.map(\.user) == ["2 sessions", "1 sessions", "2 sessions"])
    }
}

@Suite("Searching for capacity")
struct CapacityTests {
    @Test("a step is judged by the samples within it: their rate, and the worst second's p99")
    func judge() {
        let samples = (1...6).map { second in
            var sample = RunSample(at: Double(second))
            sample.counts.deliveries = second == 1 || second == 6 ? 10 : 1000
            sample.latency[.delivery] = SampleResults.latency(1000, base: Double(second))
            return sample
        }
        let step = CapacityScenario.judge(PhaseSamples(samples, from: 1, to: 5), offered: 1000, cpu: 0.5)
        #expect(step.delivered == 1000 && step.p99 == 40 && step.offered == 1000 && step.cpu == 0.5)
        let none = CapacityScenario.judge(PhaseSamples(samples, from: 20, to: 24), offered: 1000, cpu: 0)
        #expect(none.delivered == 0 && none.p99 == .infinity)
    }

    @Test("a rate is of the samples within a phase: what comes while the run settles does not count, a gap does")
    func rate() {
        // Half of what is published comes in the phase, the rest when nobody publishes any more.
        var samples = (1...8).map { second in
            var sample = RunSample(at: Double(second))
            sample.counts.publishes = second <= 5 ? 1000 : 0
            sample.counts.deliveries = 500
            return sample
        }
        let within = PhaseSamples(samples, from: 0.1, to: 5.1)
        #expect(within.rate(\.publishes) == 1000 && within.rate(\.deliveries) == 500 && within.seconds == 4)
        #expect(within.figure("key", "name", \.deliveries) == RunFigure("key", "name", 500, "/s"))
        // A second that no worker told of.
        samples.remove(at: 2)
        #expect(PhaseSamples(samples, from: 0.1, to: 5.1).rate(\.deliveries) == 375)
        #expect(PhaseSamples(samples, from: 0.1, to: 1.9).rate(\.deliveries) == nil)
    }
}

@Suite("Commands that start sites")
struct SiteCommandTests {
    @Test("local runs a scenario on a site of its own, and writes its reports")
    func local() async throws {
        let folder = try TestFolder.make("local")
        defer { try? FileManager.default.removeItem(at: folder) }
        let (json, html) = (folder.appendingPathComponent("run.json"), folder.appendingPathComponent("run.html"))
        let outcome = try await ChildProcess.outcome(
            of: try ApusProcess.executable("apus-loadtest"),
            [
                "local", "--sessions", "300", "--scenario", "notify", "--rate", "200", "--seconds", "2", "--json",
                json.path, "--html", html.path,
            ])
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.error)")
        #expect(outcome.output.hasPrefix("notify: every check held"))
        #expect(outcome.error.contains("300 sessions"))
        let result = try RunFile.result(try Data(contentsOf: json))
        #expect(result.totals.connects == 300 && result.totals.deliveries == result.totals.publishes)
        #expect(result.processes.map(\.role).contains(.node) && result.processes.map(\.role).contains(.worker))
        #expect(try String(contentsOf: html, encoding: .utf8).contains("every check held"))

        // The same result again, from its file.
        let again = try await ChildProcess.outcome(
            of: try ApusProcess.executable("apus-loadtest"), ["report", json.path])
        #expect(again.status == 0 && again.output == outcome.output)
    }

    @Test("interrupted, it takes its site down", arguments: [SIGINT, SIGTERM, SIGHUP])
    func interrupted(_ signal: Int32) async throws {
        let folder = try TestFolder.make("interrupted")
        defer { try? FileManager.default.removeItem(at: folder) }
        let process = try await Self.holding(in: folder)
        process.signal(signal)
        try await eventually("it ends", within: 30) { !process.isRunning }
        #expect(process.exitStatus == 128 + signal)
        let left = try Self.sites(in: folder)
        #expect(left.isEmpty, "\(left)")
        // Its workers end when their input does.
        try await eventually("no process is left") { try Self.processes(mentioning: folder.path).isEmpty }
    }

    /// Redis, NATS and the nodes ran on, and kept their memory, ports and folder, when the program was killed or trapped.
    @Test("killed, it leaves neither processes nor files: the kernel ends its servers")
    func killed() async throws {
        let folder = try TestFolder.make("killed")
        defer { try? FileManager.default.removeItem(at: folder) }
        let process = try await Self.holding(["--fleet"], in: folder)
        // The program, its worker, Redis, NATS, the node, and who keeps watch over the folder.
        let running = try Self.processes(mentioning: folder.path)
        let sites = try Self.sites(in: folder)
        #expect(running.count >= 6 && sites.count == 1, "\(running)")
        process.signal(SIGKILL)
        try await eventually("no process is left") { try Self.processes(mentioning: folder.path).isEmpty }
        try await eventually("no folder is left") { try Self.sites(in: folder).isEmpty }
    }

    /// Starts `local` with everything of it in `folder`, and waits until it holds its sessions.
    private static func holding(_ more: [String] = [], in folder: URL) async throws -> ChildProcess {
        let log = folder.appendingPathComponent("log")
        try Data().write(to: log)
        let file = try FileHandle(forWritingTo: log)
        let environment = ProcessInfo.processInfo.environment.merging(["TMPDIR": folder.path]) { _, new in new }
        let process = try ChildProcess.start(
            try ApusProcess.executable("apus-loadtest"), ["local", "--sessions", "50", "--seconds", "600"] + more,
            environment: environment, error: file.fileDescriptor)
        try await eventually("it holds its sessions", within: 60) {
            try String(contentsOf: log, encoding: .utf8).contains(", 50 sessions")
        }
        return process
    }

    private static func sites(in folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasPrefix("apus-loadtest") }
    }

    /// Of this machine, by their environment, or by the folder that they are in: Redis overwrites its environment.
    private static func processes(mentioning text: String) throws -> [String] {
        let files = FileManager.default
        return try files.contentsOfDirectory(atPath: "/proc").filter { pid in
            guard Int(pid) != nil else { return false }
            let environment = files.contents(atPath: "/proc/\(pid)/environ").map { String(decoding: $0, as: UTF8.self) }
            let folder = try? files.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd")
            return [environment, folder].contains { $0?.contains(text) ?? false }
        }
    }

    @Test("a case of the benchmarks that does not exist is told the names of those that do")
    func cases() {
        #expect(throws: (any Error).self) { try BenchCommand.parse(["--only", "everything"]) }
        #expect(throws: Never.self) { try BenchCommand.parse(["--only", "idle", "storm"]) }
        let names = Bench().cases.map(\.name)
        #expect(Set(names).count == names.count && names.contains("broadcast"))
    }

    @Test("the document has the places that the benchmarks write to")
    func places() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appendingPathComponent("docs/performance.md"), encoding: .utf8)
        #expect(throws: Never.self) { try GeneratedTables.rewritten(text, ["bench": "x", "million": "x"]) }
    }
}
