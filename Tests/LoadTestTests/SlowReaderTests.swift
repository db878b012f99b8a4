import ApusTesting
import Testing

@testable import apus_loadtest

@Suite("Sessions that never read")
struct SlowReaderTests {
    @Test("are sent so much that the node meets back-pressure, and the others miss nothing")
    func behind() async throws {
        let scenario = RateScenario(kind: .notify, name: "notify", rate: 200, seconds: 4)
        var plan = LoadPlan(sessions: 20)
        // Which ones is chance: that there is none among them, one in a million times.
        plan.slowShare = 0.5
        let site = SitePlan(executable: try ApusProcess.executable())
        let result = try await ScenarioRunner.run(
            scenario, plan, target: nil, sitePlan: site, display: LiveDisplay(form: .none))
        #expect(result.verdict == .held, "\(TextReport.text(result))")
        let figures = Dictionary(result.figures.map { ($0.key, $0.value) }) { first, _ in first }
        #expect((figures["sessions_behind"] ?? 0) >= 1, "\(figures)")
        #expect((figures["published_per_second"] ?? 0) > 100)
        let slow = try #require(Bench().cases.first { $0.name == "half-slow" })
        #expect(slow.row(slow, result).result.contains(" deliveries/s, "))
        #expect(slow.row(slow, result).result.hasSuffix(" sessions found behind"))
    }
}
