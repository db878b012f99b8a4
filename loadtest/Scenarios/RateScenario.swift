import ArgumentParser

/// Publishes at a rate, open loop: durable notifications, live events, topics or direct messages.
struct RateScenario: Scenario {
    var kind: Activity.Kind
    var name: String
    var rate: Double
    var seconds: Double
    var topics = 0
    /// Durable ones: one to every session, instead of random ones for `seconds`.
    var each = false

    var settings: [RunSetting] {
        var settings = [RunSetting("per second", Int(rate))]
        settings.append(each ? RunSetting("to", "every session once") : RunSetting("seconds", Int(seconds)))
        if topics > 0 { settings.append(RunSetting("topics", topics)) }
        return settings
    }

    var publishes: Bool { kind != .send }

    func adjust(_ plan: inout LoadPlan) { plan.topics = topics }

    func perform(_ context: ScenarioContext) async throws -> [RunFigure] {
        let run = context.run
        try await run.hold()
        let before = await run.totals
        let nodesBefore = context.nodes()
        let took = try await run.perform([.init(kind, rate: rate, each: each)], seconds: seconds, phase: "publish")
        let nodesAfter = context.nodes()
        try await run.settle()
        let counts = await run.totals
        var figures = [
            RunFigure("published_per_second", "published", Double(counts.publishes - before.publishes) / took, "/s"),
            RunFigure("delivered_per_second", "delivered", Double(counts.deliveries - before.deliveries) / took, "/s"),
        ]
        if let nodesBefore, let nodesAfter {
            figures.append(
                RunFigure(
                    "node_cpu_percent", "CPU of the nodes while publishing",
                    (nodesAfter.cpuSeconds - nodesBefore.cpuSeconds) / took * 100, "%"))
        }
        return figures
    }
}

/// The options that all rates have.
struct RateOptions: ParsableArguments {
    @Option(help: "How many per second, all together.")
    var rate = 100.0

    @Option(help: "How long, in seconds.")
    var seconds = 10.0

    func validate() throws {
        guard rate > 0 else { throw ValidationError("--rate must be above 0") }
        guard seconds > 0 else { throw ValidationError("--seconds must be above 0") }
    }
}

struct NotifyCommand: ScenarioCommand {
    static let configuration = CommandConfiguration(
        commandName: "notify", abstract: "Durable notifications to random users at a rate.",
        discussion: """
            Through JetStream when there is NATS, else through the backend API. Every notification that was accepted must \
            come exactly once, and every seq of every session once and in order.
            """)

    @OptionGroup(title: "Where to") var target: TargetOptions
    @OptionGroup(title: "How much") var load: LoadOptions
    @OptionGroup var rates: RateOptions
    @OptionGroup(title: "A site of its own") var site: SiteOptions
    @OptionGroup(title: "Results") var report: ReportOptions

    @Flag(help: "One to every session, in turn, instead of random ones for --seconds.")
    var each = false

    func scenario() -> RateScenario {
        RateScenario(kind: .notify, name: "notify", rate: rates.rate, seconds: rates.seconds, each: each)
    }
}

struct LiveCommand: ScenarioCommand {
    static let configuration = CommandConfiguration(
        commandName: "live", abstract: "Live events to random users at a rate.",
        discussion: "Each is numbered per user: all must come, in order.")

    @OptionGroup(title: "Where to") var target: TargetOptions
    @OptionGroup(title: "How much") var load: LoadOptions
    @OptionGroup var rates: RateOptions
    @OptionGroup(title: "A site of its own") var site: SiteOptions
    @OptionGroup(title: "Results") var report: ReportOptions

    func scenario() -> RateScenario {
        RateScenario(kind: .live, name: "live", rate: rates.rate, seconds: rates.seconds)
    }
}

struct BroadcastCommand: ScenarioCommand {
    static let configuration = CommandConfiguration(
        commandName: "broadcast", abstract: "Live events to topics at a rate; every session hears one topic.",
        discussion: "Each is numbered per topic: every session must get all of its topic, in order.")

    @OptionGroup(title: "Where to") var target: TargetOptions
    @OptionGroup(title: "How much") var load: LoadOptions
    @OptionGroup var rates: RateOptions
    @OptionGroup(title: "A site of its own") var site: SiteOptions
    @OptionGroup(title: "Results") var report: ReportOptions

    @Option(help: "Topics; session n hears topic n modulo this.")
    var topics = 1

    func validate() throws {
        guard (1...10_000).contains(topics) else { throw ValidationError("--topics must be from 1 to 10000") }
    }

    func scenario() -> RateScenario {
        RateScenario(kind: .topic, name: "broadcast", rate: rates.rate, seconds: rates.seconds, topics: topics)
    }
}

struct DirectCommand: ScenarioCommand {
    static let configuration = CommandConfiguration(
        commandName: "dm", abstract: "Direct messages between pairs at a rate.",
        discussion: """
            Sessions are pairs, with several nodes the two of a pair on different ones. Latency of the reply and of the \
            delivery count from when a message was meant to be sent. Every message with ok must come exactly once to both, \
            in the order of its author, numbered without holes.
            """)

    @OptionGroup(title: "Where to") var target: TargetOptions
    @OptionGroup(title: "How much") var load: LoadOptions
    @OptionGroup var rates: RateOptions
    @OptionGroup(title: "A site of its own") var site: SiteOptions
    @OptionGroup(title: "Results") var report: ReportOptions

    func scenario() -> RateScenario {
        RateScenario(kind: .send, name: "dm", rate: rates.rate, seconds: rates.seconds)
    }
}
