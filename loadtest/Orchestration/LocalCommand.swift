import ArgumentParser

/// Starts nodes (and Redis and NATS), runs a scenario on them, and takes all down again.
struct LocalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "local", abstract: "Start nodes, run a scenario on them, take all down again.",
        discussion: """
            The quickest way to figures: `apus-loadtest local --sessions 5000`. With --nodes 2 and more, or --fleet, a \
            redis-server and a nats-server are started as well. The scenarios' own subcommands have more options, and do \
            the same when they are given no --url.
            """)

    enum Kind: String, CaseIterable, ExpressibleByArgument {
        case idle, notify, live, broadcast, dm, storm, day
    }

    @Option(help: "What to run: idle, notify, live, broadcast, dm, storm or day.")
    var scenario = Kind.idle

    @Option(
        help: """
            Events, messages or broadcasts per second; by default what a small node carries easily. For day: how many times \
            as busy as that day, by default once. For idle: nothing.
            """)
    var rate: Double?

    @Option(help: "How long, in seconds.")
    var seconds = 10.0

    @OptionGroup(title: "How much") var load: LoadOptions
    @OptionGroup(title: "The site") var site: SiteOptions
    @OptionGroup(title: "Results") var report: ReportOptions

    func validate() throws {
        // Half of it is the calm before and after a storm.
        try OptionRange.check("--seconds", seconds, scenario == .storm ? 0.001...7200 : OptionRange.seconds)
        if let rate {
            try OptionRange.check("--rate", rate, scenario == .day ? DayScenario.factors : OptionRange.perSecond)
        }
    }

    func run() async throws {
        do {
            let result = try await ScenarioRunner.run(
                Self.scenario(scenario, rate: rate, seconds: seconds), try load.plan(try TargetOptions.parse([])),
                target: nil, sitePlan: try site.plan(), display: report.display())
            try report.finish(result)
        } catch {
            throw ExitStatus.of(error)
        }
    }

    static func scenario(_ kind: Kind, rate: Double?, seconds: Double) -> any Scenario {
        switch kind {
        case .idle: IdleScenario(seconds: seconds, warmUp: 500)
        case .notify: RateScenario(kind: .notify, name: "notify", rate: rate ?? 500, seconds: seconds)
        case .live: RateScenario(kind: .live, name: "live", rate: rate ?? 2000, seconds: seconds)
        case .broadcast:
            RateScenario(kind: .topic, name: "broadcast", rate: rate ?? 20, seconds: seconds, topics: 1)
        case .dm: RateScenario(kind: .send, name: "dm", rate: rate ?? 300, seconds: seconds)
        case .storm: StormScenario(rate: rate ?? 100, pauseMilliseconds: 1000, seconds: seconds / 2)
        case .day: DayScenario(seconds: seconds, factor: rate ?? 1)
        }
    }
}
