import ApusTesting
import Foundation
import Spawn
import Testing

@testable import apus_loadtest

/// The load generator against a real node, through a proxy that does what the checks are there to find.
@Suite("Planted faults", .serialized)
struct PlantedFaultTests {
    private static func embedded(_ body: (ApusProcess) async throws -> Void) async throws {
        let node = try ApusProcess(environment: ["APUS_SESSIONS_PER_ADDRESS": "0"])
        try await node.start()
        defer { node.server.stop() }
        try await body(node)
    }

    private static func target(_ port: Int, _ node: ApusProcess) -> Target {
        Target(
            urls: ["ws://127.0.0.1:\(port)/ws"], backends: ["http://127.0.0.1:\(node.backendPort)"],
            secret: ApusProcess.secret, apiKey: ApusProcess.apiKey)
    }

    private static func run(_ scenario: some Scenario, _ plan: LoadPlan, _ target: Target) async throws -> RunResult {
        try await ScenarioRunner.run(
            scenario, plan, target: target, sitePlan: SitePlan(), display: LiveDisplay(form: .none))
    }

    @Test(
        "each is found, counted and named; without any, the checks hold",
        arguments: [FaultProxy.Fault.none, .drop, .double, .swap])
    func faults(_ fault: FaultProxy.Fault) async throws {
        try await Self.embedded { node in
            let proxy = try FaultProxy(to: node.port, fault, every: 40)
            defer { proxy.stop() }
            let scenario = RateScenario(kind: .notify, name: "notify", rate: 300, seconds: 2)
            let plan = LoadPlan(sessions: 6, workers: 2, settleSeconds: 2)
            let result = try await Self.run(scenario, plan, Self.target(proxy.port, node))
            #expect(result.failure == nil)
            #expect(result.totals.publishes >= 590 && result.latency[.delivery]?.count ?? 0 > 400)
            #expect(fault == .none || proxy.faults > 5)
            let checks = result.checks
            switch fault {
            case .none: #expect(result.verdict == .held, "\(checks)")
            // In its timeline, unless it was the last one there, and among the notifications that were accepted.
            case .drop:
                #expect(Set(checks.counts.keys) == [.lost], "\(checks)")
                #expect((proxy.faults...proxy.faults * 2).contains(checks[.lost]), "\(checks)")
            // A double of the timeline is not looked into further.
            case .double: #expect(checks.counts == [.doubled: proxy.faults], "\(checks)")
            // One that waits for a later one to change places with, at the end, is lost.
            case .swap:
                #expect(checks[.misordered] == proxy.faults, "\(checks)")
                #expect(Set(checks.counts.keys).isSubset(of: [.misordered, .lost]) && checks[.lost] <= 6, "\(checks)")
            case .exchange, .swallow: Issue.record("it is for other events")
            }
            if fault != .none {
                #expect(result.verdict == .broken)
                #expect(checks.offenders.contains { $0.user.hasPrefix("u00000") && !$0.got.isEmpty })
            }
        }
    }

    @Test("broadcasts are checked too: a topic's events that are dropped or swapped are found")
    func topics() async throws {
        try await Self.embedded { node in
            for (fault, check) in [(FaultProxy.Fault.drop, RunCheck.lost), (.swap, .misordered)] {
                let proxy = try FaultProxy(to: node.port, fault, every: 50)
                defer { proxy.stop() }
                let scenario = RateScenario(kind: .topic, name: "broadcast", rate: 100, seconds: 1, topics: 2)
                let result = try await Self.run(
                    scenario, LoadPlan(sessions: 6, settleSeconds: 2), Self.target(proxy.port, node))
                #expect(result.failure == nil && proxy.faults > 2)
                #expect(result.checks[check] == proxy.faults, "\(result.checks)")
                #expect(Set(result.checks.counts.keys).isSubset(of: [check, .lost]), "\(result.checks)")
            }
        }
    }

    // Each session has a number 1, 2, 3 …: between two that get each other's, the numbers alone are whole.
    @Test("live events are checked: what is dropped is lost, and what another user should have got is foreign")
    func live() async throws {
        try await Self.embedded { node in
            let scenario = RateScenario(kind: .live, name: "live", rate: 300, seconds: 1)
            let plan = LoadPlan(sessions: 6, settleSeconds: 2)
            for fault in [FaultProxy.Fault.none, .drop, .exchange] {
                let proxy = try FaultProxy(to: node.port, fault, every: 30)
                defer { proxy.stop() }
                let result = try await Self.run(scenario, plan, Self.target(proxy.port, node))
                let checks = result.checks
                #expect(result.failure == nil && (fault == .none || proxy.faults > 5))
                switch fault {
                case .none: #expect(result.verdict == .held, "\(checks)")
                case .drop: #expect(checks.counts == [.lost: proxy.faults], "\(checks)")
                // Whoever got another's lacks its own.
                default:
                    #expect(checks[.foreign] == proxy.faults, "\(checks)")
                    #expect(checks[.lost] >= proxy.faults && Set(checks.counts.keys) == [.foreign, .lost], "\(checks)")
                    #expect(checks.offenders.contains { $0.got.contains("of user ") }, "\(checks)")
                }
            }
        }
    }

    @Test("messages are checked: dropped, doubled, and the send that gets no answer")
    func messages() async throws {
        try await Self.embedded { node in
            let scenario = RateScenario(kind: .send, name: "dm", rate: 100, seconds: 2)
            let plan = LoadPlan(sessions: 6, settleSeconds: 2)
            for fault in [FaultProxy.Fault.none, .drop, .double, .swallow] {
                let proxy = try FaultProxy(to: node.port, fault, every: 20)
                defer { proxy.stop() }
                let result = try await Self.run(scenario, plan, Self.target(proxy.port, node))
                let (checks, faults) = (result.checks, proxy.faults)
                #expect(result.failure == nil && (fault == .none || faults > 5))
                switch fault {
                case .none: #expect(result.verdict == .held, "\(checks)")
                // In its timeline, in its conversation, unless it was the last one there, and among the messages.
                case .drop:
                    #expect(Set(checks.counts.keys) == [.lost], "\(checks)")
                    #expect((faults...faults * 3).contains(checks[.lost]), "\(checks)")
                case .double: #expect(checks.counts == [.doubled: faults], "\(checks)")
                default: #expect(checks.counts == [.unanswered: faults], "\(checks)")
                }
            }
        }
    }

    @Test("resumes are checked: what is left out while sessions come back is found, and nothing when nothing is")
    func resumes() async throws {
        try await Self.embedded { node in
            let scenario = StormScenario(drop: nil, rate: 200, pauseMilliseconds: 500, seconds: 0.5)
            let plan = LoadPlan(sessions: 6, settleSeconds: 2)
            for fault in [FaultProxy.Fault.none, .drop] {
                let proxy = try FaultProxy(to: node.port, fault, every: 20)
                defer { proxy.stop() }
                let result = try await Self.run(scenario, plan, Self.target(proxy.port, node))
                let checks = result.checks
                #expect(result.failure == nil && (result.latency[.connect]?.count ?? 0) == 6, "resumes are no connects")
                if fault == .none {
                    #expect(result.verdict == .held && result.totals.resumes == 6, "\(checks)")
                } else {
                    #expect(checks[.lost] >= proxy.faults && proxy.faults > 3, "\(checks)")
                    #expect(Set(checks.counts.keys).isSubset(of: [.lost, .incompleteResume]), "\(checks)")
                }
            }
        }
    }

    // It said that every check held, of a run in which nothing was accepted.
    @Test("a run of which nothing was accepted does not hold")
    func refused() async throws {
        try await Self.embedded { node in
            var target = Self.target(node.port, node)
            target.apiKey = "a key that this node does not know"
            for kind in [Activity.Kind.notify, .live] {
                let scenario = RateScenario(kind: kind, name: "\(kind)", rate: 50, seconds: 1)
                let result = try await Self.run(scenario, LoadPlan(sessions: 4, settleSeconds: 2), target)
                #expect(result.failure == nil && result.verdict == .broken)
                let checks = result.checks
                #expect(checks[.refused] > 0 && checks[.nothingVerified] == 1, "\(checks)")
                // A node that closes the connection with its answer leaves the next batch without one.
                #expect(checks[.refused] + checks[.unanswered] == result.totals.publishes, "\(checks)")
                #expect(checks.counts.keys.allSatisfy { [.refused, .unanswered, .nothingVerified].contains($0) })
            }
        }
    }

    @Test("the exit status says it, and the text names the first offenders")
    func status() async throws {
        try await Self.embedded { node in
            let proxy = try FaultProxy(to: node.port, .drop, every: 20)
            defer { proxy.stop() }
            let common = [
                "--backend", "http://127.0.0.1:\(node.backendPort)", "--secret", ApusProcess.secret, "--api-key",
                ApusProcess.apiKey, "--sessions", "4", "--rate", "100", "--seconds", "1",
                "--settle", "2",
            ]
            let program = try ApusProcess.executable("apus-loadtest")
            let broken = try await ChildProcess.outcome(
                of: program, ["notify", "--url", "ws://127.0.0.1:\(proxy.port)/ws"] + common)
            #expect(broken.status == 1, "\(broken.output) \(broken.error)")
            #expect(broken.output.contains("lost") && broken.output.contains("u000000"), "\(broken.output)")
            let held = try await ChildProcess.outcome(
                of: program, ["notify", "--url", "ws://127.0.0.1:\(node.port)/ws"] + common)
            #expect(held.status == 0, "\(held.output) \(held.error)")
        }
    }

    @Test("a run that cannot begin says why and what to do")
    func cannotBegin() async throws {
        let scenario = RateScenario(kind: .notify, name: "notify", rate: 10, seconds: 1)
        let nobody = try FreePort.next()
        var target = Target(urls: ["ws://127.0.0.1:\(nobody)/ws"], secret: ApusProcess.secret)
        do {
            _ = try await Self.run(scenario, LoadPlan(sessions: 2), target)
            Issue.record("it does not say where to publish")
        } catch {
            #expect("\(error)".contains("--nats"), "\(error)")
        }
        (target.backends, target.apiKey) = (["http://127.0.0.1:\(nobody)"], ApusProcess.apiKey)
        let result = try await Self.run(scenario, LoadPlan(sessions: 2), target)
        #expect(result.verdict == .incomplete)
        #expect(result.failure?.contains("nobody listens at 127.0.0.1:\(nobody)") == true, "\(result.failure ?? "")")
        try await Self.embedded { node in
            var target = Self.target(node.port, node)
            target.secret = "another secret, which has 32 bytes too"
            let result = try await Self.run(scenario, LoadPlan(sessions: 2), target)
            #expect(result.failure?.contains("the token was refused") == true, "\(result.failure ?? "")")
        }
    }
}
