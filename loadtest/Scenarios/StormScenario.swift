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
            RunSetting("away", "\(pauseMilliseconds) ms"),
            RunSetting("notifications per second", FigureText.number(rate)),
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

    @OptionGroup var options: ScenarioOptions

    @Option(help: "How many to break; by default all.")
    var drop: Int?

    @Option(help: "Notifications per second.")
    var rate = 100.0

    @Option(help: "How long they stay away, in milliseconds.")
    var away = 1000

    @Option(help: "Calm before and after, in seconds.")
    var seconds = 5.0

    func validate() throws {
        if let drop { try OptionRange.check("--drop", drop, 0...OptionRange.sessions.upperBound) }
        try OptionRange.check("--rate", rate, 0...OptionRange.perSecond.upperBound)
        try OptionRange.check("--away", away, 0...600_000)
        try OptionRange.check("--seconds", seconds, 0...3600)
    }

    func scenario() -> StormScenario {
        StormScenario(drop: drop, rate: rate, pauseMilliseconds: away, seconds: seconds)
    }
}
