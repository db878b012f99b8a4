/// Raises a rate until latency or the deliveries do not follow: the most that is carried within a latency.
struct CapacityScenario: Scenario {
    var kind: Activity.Kind
    /// Per second, all together, of the first step.
    var from: Double
    /// Deliveries of each publish.
    var fanOut = 1
    /// What p99 may be, in milliseconds, in the worst second of a step.
    var p99 = 200.0
    var topics = 0
    var stepSeconds = 4.0

    private static let factor = 1.3
    private static let stepsMax = 16
    /// The machine is shared: a rate is too much when that is seen so often.
    private static let attempts = 2
    /// Of what was offered, so much must have come within the step.
    private static let share = 0.95

    var name: String { "capacity" }
    var settings: [RunSetting] {
        [
            RunSetting("raised from", "\(FigureText.number(from))/s by \(Int((Self.factor * 100 - 100).rounded())) %"),
            RunSetting("until p99 is over", FigureText.milliseconds(p99)),
        ]
    }

    func adjust(_ plan: inout LoadPlan) { plan.topics = topics }

    /// What one rate came to.
    struct Step: Equatable {
        var offered: Double
        var delivered: Double
        var p50: Double
        var p99: Double
        /// Of one core.
        var cpu: Double
    }

    func perform(_ context: ScenarioContext) async throws -> [RunFigure] {
        try await context.run.hold()
        // What is made once (subscriptions, keys, routes) is not what is measured.
        try await context.run.perform([.init(kind, rate: from / 2)], seconds: 2, phase: "warm-up")
        try await context.run.settle()
        var best: Step?
        var rate = from
        for _ in 0..<Self.stepsMax {
            guard let step = try await carried(rate, context) else { break }
            best = step
            rate *= Self.factor
        }
        // Half a step more, when a whole one was too much.
        if let known = best, let step = try await carried(known.offered * Self.factor.squareRoot(), context) {
            best = step
        }
        guard let best else {
            throw SiteError("the first rate, \(FigureText.number(from))/s, is already more than what is carried")
        }
        return [
            RunFigure("capacity_per_second", "delivered at most", best.delivered, "/s"),
            RunFigure("capacity_published_per_second", "published then", best.offered, "/s"),
            RunFigure("capacity_p50_ms", "p50 then", best.p50, "ms"),
            RunFigure("capacity_p99_ms", "p99 then, worst second", best.p99, "ms"),
            RunFigure("capacity_cpu_percent", "CPU of the nodes then", best.cpu * 100, "%"),
        ]
    }

    /// What a rate came to; nil when it is too much.
    private func carried(_ rate: Double, _ context: ScenarioContext) async throws -> Step? {
        for _ in 0..<Self.attempts {
            let step = try await self.step(rate, context)
            if step.p99 <= p99, step.delivered >= rate * Double(fanOut) * Self.share { return step }
        }
        return nil
    }

    private func step(_ rate: Double, _ context: ScenarioContext) async throws -> Step {
        let run = context.run
        let (began, before) = (run.elapsedSeconds(), context.nodes())
        try await run.perform([.init(kind, rate: rate)], seconds: stepSeconds, phase: "\(FigureText.short(rate))/s")
        let (ended, after) = (run.elapsedSeconds(), context.nodes())
        try await run.settle(seconds: 20)
        return Self.judge(
            try await run.samples(from: began + LoadRun.headStartSeconds, to: ended), offered: rate,
            cpu: ((after?.cpuSeconds ?? 0) - (before?.cpuSeconds ?? 0)) / max(0.001, ended - began))
    }

    /// From the samples that lie within the step.
    static func judge(_ within: PhaseSamples, offered: Double, cpu: Double) -> Step {
        let latencies = within.samples.compactMap { $0.latency[.delivery] }
        guard let delivered = within.rate(\.deliveries), !latencies.isEmpty else {
            return Step(offered: offered, delivered: 0, p50: .infinity, p99: .infinity, cpu: cpu)
        }
        let middle = latencies.map(\.p50).sorted()[latencies.count / 2]
        return Step(
            offered: offered, delivered: delivered, p50: middle, p99: latencies.map(\.p99).max() ?? .infinity, cpu: cpu)
    }
}
