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
        var settings = [RunSetting("per second", FigureText.number(rate))]
        settings.append(
            each ? RunSetting("to", "every session once") : RunSetting("seconds", FigureText.number(seconds)))
        if topics > 0 { settings.append(RunSetting("topics", topics)) }
        return settings
    }

    var publishes: Bool { kind != .send }

    func adjust(_ plan: inout LoadPlan) {
        // Those that never read are filled through a topic.
        let isFilled = plan.slowShare > 0 && plan.peer == nil && plan.hasOwnSite
        plan.topics = topics == 0 && isFilled ? 1 : topics
    }

    func perform(_ context: ScenarioContext) async throws -> [RunFigure] {
        let run = context.run
        try await run.hold()
        let slow = SlowReaders(context)
        try await slow?.fill()
        let behindBefore = await slow?.timesBehind()
        let (began, nodesBefore) = (run.elapsedSeconds(), context.nodes())
        let took = try await run.perform([.init(kind, rate: rate, each: each)], seconds: seconds, phase: "publish")
        let (ended, nodesAfter) = (run.elapsedSeconds(), context.nodes())
        let behind = await slow?.timesBehind()
        try await run.settle()
        let within = try await run.samples(from: began + LoadRun.headStartSeconds, to: ended)
        var figures = [
            within.figure("published_per_second", "published", \.publishes),
            within.figure("delivered_per_second", "delivered", \.deliveries),
        ].compactMap { $0 }
        if let nodesBefore, let nodesAfter {
            figures.append(
                RunFigure(
                    "node_cpu_percent", "CPU of the nodes while publishing",
                    (nodesAfter.cpuSeconds - nodesBefore.cpuSeconds) / took * 100, "%"))
        }
        if let behind, let behindBefore {
            figures.append(
                RunFigure("sessions_behind", "sessions that the nodes found behind", Double(behind - behindBefore)))
        }
        return figures
    }
}

/// The options that all rates have.
struct RateOptions: ParsableArguments {
    @Option(help: "How many per second, all together.")
    var rate = 100.0

    @Option(help: "How long, in seconds. Rates are those of the whole seconds within: two at least.")
    var seconds = 10.0

    func validate() throws {
        try OptionRange.check("--rate", rate, OptionRange.perSecond)
        try OptionRange.check("--seconds", seconds, OptionRange.seconds)
    }
}

struct NotifyCommand: ScenarioCommand {
    static let configuration = CommandConfiguration(
        commandName: "notify", abstract: "Durable notifications to random users at a rate.",
        discussion: """
            Through JetStream when there is NATS, else through the backend API. Every notification that was accepted must \
            come exactly once, and every seq of every session once and in order.
            """)

    @OptionGroup var options: ScenarioOptions
    @OptionGroup var rates: RateOptions

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

    @OptionGroup var options: ScenarioOptions
    @OptionGroup var rates: RateOptions

    func scenario() -> RateScenario {
        RateScenario(kind: .live, name: "live", rate: rates.rate, seconds: rates.seconds)
    }
}

struct BroadcastCommand: ScenarioCommand {
    static let configuration = CommandConfiguration(
        commandName: "broadcast", abstract: "Live events to topics at a rate; every session hears one topic.",
        discussion: "Each is numbered per topic: every session must get all of its topic, in order.")

    @OptionGroup var options: ScenarioOptions
    @OptionGroup var rates: RateOptions

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

    @OptionGroup var options: ScenarioOptions
    @OptionGroup var rates: RateOptions

    func scenario() -> RateScenario {
        RateScenario(kind: .send, name: "dm", rate: rates.rate, seconds: rates.seconds)
    }
}
