import ArgumentParser

/// All connections break at once, and come back with resume while notifications go on.
struct StormScenario: Scenario {
    /// How many of the sessions; nil for all.
    var drop: Int?
    /// Notifications per second, before, while they are away, and after.
    var rate: Double
    var pauseMilliseconds: Int
    /// Quiet time before and after, in seconds.
    var seconds: Double

    var name: String { "storm" }
    var publishes: Bool { rate > 0 }
    var settings: [RunSetting] {
        [
            RunSetting("dropped", drop.map { FigureText.count($0) } ?? "all"),
            RunSetting("away", "\(pauseMilliseconds) ms"), RunSetting("notifications per second", Int(rate)),
        ]
    }

    func perform(_ context: ScenarioContext) async throws -> [RunFigure] {
        let run = context.run
        let connecting = try await run.hold()
        let count = min(drop ?? context.plan.sessions, context.plan.sessions)
        // The work outlasts the storm unless that takes unusually long.
        let expected = seconds * 2 + Double(count) / 2000 + Double(pauseMilliseconds) / 1000
        if rate > 0 {
            try await run.beginWork([.init(.notify, rate: rate)], seconds: expected, phase: "calm")
        }
        try await run.pass(seconds, phase: "calm")
        let before = await run.totals
        let took = try await run.drop(count, pauseMilliseconds: pauseMilliseconds)
        try await run.pass(seconds, phase: "calm again")
        try await run.endOfWork(patienceSeconds: expected + 30)
        try await run.settle()
        let after = await run.totals
        let away = Double(pauseMilliseconds) / 1000
        return [
            RunFigure(
                "connects_per_second", "connects", Double(context.plan.sessions) / max(connecting, 0.001), "/s"),
            RunFigure("back_seconds", "all back after", took, "s"),
            RunFigure("resumes_per_second", "resumes", Double(count) / max(took - away, 0.001), "/s"),
            RunFigure("deferred", "told to come later", Double(after.deferred - before.deferred)),
        ]
    }
}

struct StormCommand: ScenarioCommand {
    static let configuration = CommandConfiguration(
        commandName: "storm", abstract: "Break all connections at once; they come back with resume.",
        discussion: """
            Notifications go on meanwhile: every resume must bring all that was missed. Who is told to come later (503, \
            4503) does so as told.
            """)

    @OptionGroup(title: "Where to") var target: TargetOptions
    @OptionGroup(title: "How much") var load: LoadOptions
    @OptionGroup(title: "A site of its own") var site: SiteOptions
    @OptionGroup(title: "Results") var report: ReportOptions

    @Option(help: "How many to break; by default all.")
    var drop: Int?

    @Option(help: "Notifications per second.")
    var rate = 100.0

    @Option(help: "How long they stay away, in milliseconds.")
    var away = 1000

    @Option(help: "Calm before and after, in seconds.")
    var seconds = 5.0

    func validate() throws {
        guard rate >= 0 else { throw ValidationError("--rate must not be negative") }
        guard (0...600_000).contains(away) else { throw ValidationError("--away must be from 0 to 600000") }
        guard (0.0...3600.0).contains(seconds) else { throw ValidationError("--seconds must be from 0 to 3600") }
    }

    func scenario() -> StormScenario {
        StormScenario(drop: drop, rate: rate, pauseMilliseconds: away, seconds: seconds)
    }
}
