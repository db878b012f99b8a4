import ArgumentParser

/// The mix of a busy hour at ten million daily users (DESIGN.md §8), scaled to the sessions held: they come and go, are
/// notified and write each other.
struct DayScenario: Scenario {
    /// Of 1.2 million sessions: 3,700 connects, 4,600 notifications and 2,900 messages per second.
    private static let perSession = (connects: 3700 / 1.2e6, notifications: 4600 / 1.2e6, messages: 2900 / 1.2e6)

    var seconds: Double
    /// How many times as busy.
    var factor: Double

    var name: String { "day" }
    var settings: [RunSetting] {
        [
            RunSetting("seconds", FigureText.number(seconds)), RunSetting("times as busy", FigureText.number(factor)),
        ]
    }

    func perform(_ context: ScenarioContext) async throws -> [RunFigure] {
        let run = context.run
        try await run.hold()
        let all = Double(context.plan.sessions) * factor
        let began = run.elapsedSeconds()
        try await run.perform(
            [
                .init(.churn, rate: all * Self.perSession.connects),
                .init(.notify, rate: all * Self.perSession.notifications),
                .init(.send, rate: all * Self.perSession.messages),
            ], seconds: seconds, phase: "day")
        let ended = run.elapsedSeconds()
        try await run.settle()
        let within = try await run.samples(from: began + LoadRun.headStartSeconds, to: ended)
        return [
            within.figure("delivered_per_second", "delivered", \.deliveries),
            within.figure("resumes_per_second", "resumes", \.resumes),
        ].compactMap { $0 }
    }

    /// More than that is no day.
    static let factors = 0.001...10_000.0
}

struct DayCommand: ScenarioCommand {
    static let configuration = CommandConfiguration(
        commandName: "day", abstract: "A busy hour in small: connects, notifications and messages in proportion.",
        discussion: """
            Per session and second 0.0031 connects, 0.0038 notifications and 0.0024 messages: what ten million daily users \
            make of 1.2 million sessions in their busiest hour. --times makes it busier.
            """)

    @OptionGroup var options: ScenarioOptions

    @Option(help: "How long, in seconds.")
    var seconds = 60.0

    @Option(help: "How many times as busy as that.")
    var times = 1.0

    func validate() throws {
        try OptionRange.check("--seconds", seconds, OptionRange.seconds)
        try OptionRange.check("--times", times, DayScenario.factors)
    }

    func scenario() -> DayScenario { DayScenario(seconds: seconds, factor: times) }
}
