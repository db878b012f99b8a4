import ArgumentParser

/// Holds sessions that do nothing: what one costs.
struct IdleScenario: Scenario {
    /// How long they are held.
    var seconds: Double
    /// Sessions that are there before the first look, so that what is allocated once is not counted.
    var warmUp: Int

    var name: String { "idle" }
    var publishes: Bool { false }
    var settings: [RunSetting] {
        [RunSetting("seconds", FigureText.number(seconds)), RunSetting("warm-up sessions", warmUp)]
    }

    func perform(_ context: ScenarioContext) async throws -> [RunFigure] {
        let run = context.run
        let first = min(warmUp, context.plan.sessions / 2)
        if first > 0 {
            try await run.hold(first, phase: "warm-up")
            try await run.pass(2, phase: "warm-up")
        }
        let before = context.nodes()
        let took = try await run.hold()
        let counted = Double(context.plan.sessions - first)
        try await run.pass(3, phase: "hold")
        let after = context.nodes()
        let commandsBefore = await context.site?.redisCommands()
        try await run.pass(seconds, phase: "hold")
        let later = context.nodes()
        let commandsAfter = await context.site?.redisCommands()
        // Idle sessions work all the same: one notification to each of some of them.
        if context.canPublish {
            try await run.perform(
                [.init(.notify, rate: 200)], seconds: min(2, Double(context.plan.sessions)), phase: "notify")
        }
        try await run.settle()
        var figures = [RunFigure("connects_per_second", "connects", counted / max(took, 0.001), "/s")]
        if let before, let after, let later {
            figures.append(
                RunFigure(
                    "node_bytes_per_session", "memory of the node per session",
                    (Double(after.resident - before.resident) / counted).rounded(), "bytes"))
            figures.append(
                RunFigure(
                    "node_cpu_us_per_session", "CPU of the node per session",
                    (later.cpuSeconds - after.cpuSeconds) / max(seconds, 1) / Double(context.plan.sessions) * 1e6,
                    "µs/s"))
        }
        if let commandsBefore, let commandsAfter, seconds > 0 {
            // What nodes do by the clock (leases, sweeps), not what sessions cost: it is the same with more of them.
            let each = Double(commandsAfter - commandsBefore) / seconds
            figures.append(RunFigure("redis_commands_per_second", "Redis commands while idle", each.rounded(), "/s"))
        }
        return figures
    }
}

struct IdleCommand: ScenarioCommand {
    static let configuration = CommandConfiguration(
        commandName: "idle", abstract: "Hold sessions: memory and CPU per idle session.",
        discussion: """
            Opens some sessions, looks at the nodes' resident memory, opens the rest and looks again. At the end some of \
            them are notified and must get it exactly once. Memory is known only of nodes that this command starts.
            """)

    @OptionGroup var options: ScenarioOptions

    @Option(help: "How long to hold them, in seconds.")
    var seconds = 10.0

    @Option(help: "Sessions that are there before the first look at the memory.")
    var warmUp = 500

    func validate() throws {
        try OptionRange.check("--seconds", seconds, 0...OptionRange.seconds.upperBound)
        try OptionRange.check("--warm-up", warmUp, 0...OptionRange.sessions.upperBound)
    }

    func scenario() -> IdleScenario { IdleScenario(seconds: seconds, warmUp: warmUp) }
}
