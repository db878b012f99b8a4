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
    var settings: [RunSetting] { [RunSetting("seconds", Int(seconds)), RunSetting("times as busy", "\(factor)")] }

    func perform(_ context: ScenarioContext) async throws -> [RunFigure] {
        let run = context.run
        try await run.hold()
        let all = Double(context.plan.sessions) * factor
        let before = await run.totals
        let took = try await run.perform(
            [
                .init(.churn, rate: all * Self.perSession.connects),
                .init(.notify, rate: all * Self.perSession.notifications),
                .init(.send, rate: all * Self.perSession.messages),
            ], seconds: seconds, phase: "day")
        try await run.settle()
        let after = await run.totals
        return [
            RunFigure("delivered_per_second", "delivered", Double(after.deliveries - before.deliveries) / took, "/s"),
            RunFigure("resumes_per_second", "resumes", Double(after.resumes - before.resumes) / took, "/s"),
        ]
    }
}

struct DayCommand: ScenarioCommand {
    static let configuration = CommandConfiguration(
        commandName: "day", abstract: "A busy hour in small: connects, notifications and messages in proportion.",
        discussion: """
            Per session and second 0.0031 connects, 0.0038 notifications and 0.0024 messages: what ten million daily users \
            make of 1.2 million sessions in their busiest hour. --times makes it busier.
            """)

    @OptionGroup(title: "Where to") var target: TargetOptions
    @OptionGroup(title: "How much") var load: LoadOptions
    @OptionGroup(title: "A site of its own") var site: SiteOptions
    @OptionGroup(title: "Results") var report: ReportOptions

    @Option(help: "How long, in seconds.")
    var seconds = 60.0

    @Option(help: "How many times as busy as that.")
    var times = 1.0

    func validate() throws {
        guard seconds > 0 else { throw ValidationError("--seconds must be above 0") }
        guard times > 0 else { throw ValidationError("--times must be above 0") }
    }

    func scenario() -> DayScenario { DayScenario(seconds: seconds, factor: times) }
}
