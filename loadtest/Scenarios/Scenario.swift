import ArgumentParser
import Foundation

/// What is done in a run, and what is measured besides what every run measures.
protocol Scenario: Sendable {
    /// The subcommand.
    var name: String { get }
    /// What was asked for, beyond sessions and payload.
    var settings: [RunSetting] { get }
    /// Whether it publishes, through NATS or the backend API.
    var publishes: Bool { get }
    /// Changes what the sessions are, such as their topics.
    func adjust(_ plan: inout LoadPlan)
    /// The steps. - Returns: The scenario's own figures.
    func perform(_ context: ScenarioContext) async throws -> [RunFigure]
}

extension Scenario {
    var publishes: Bool { true }
    func adjust(_ plan: inout LoadPlan) {}
}

/// What a scenario has to do with.
struct ScenarioContext: Sendable {
    let run: LoadRun
    /// The site that was started for it; nil for an installation that runs already.
    let site: Site?
    let plan: LoadPlan
    /// There is NATS or a backend API to publish through.
    let canPublish: Bool

    /// Resident bytes and CPU seconds of all nodes together; nil when they are not ours to look at.
    func nodes() -> (resident: Int, cpuSeconds: Double)? {
        guard let site else { return nil }
        let all = site.nodes.compactMap { ProcessStatus.of($0.identifier) }
        return (all.reduce(0) { $0 + $1.resident }, all.reduce(0) { $0 + $1.cpuSeconds })
    }
}

/// Runs a scenario from its beginning to its result.
enum ScenarioRunner {
    /// - Parameters:
    ///   - target: An installation that runs; nil starts `sitePlan`.
    /// - Returns: What it came to; with `failure` when it did not come to its end, or not even to its beginning.
    /// - Throws: `ValidationError` when there is nowhere to publish to.
    static func run(
        _ scenario: some Scenario, _ plan: LoadPlan, target: Target?, sitePlan: SitePlan, display: LiveDisplay
    ) async throws -> RunResult {
        let canPublish = target.map { $0.nats != nil || !$0.backends.isEmpty } ?? true
        guard canPublish || !scenario.publishes else {
            throw ValidationError(
                "\(scenario.name) publishes: say where to with --nats, or with --backend and --api-key")
        }
        var plan = plan
        (plan.peer, plan.hasOwnSite) = (sitePlan.peer, target == nil)
        scenario.adjust(&plan)
        var result = RunResult(
            scenario: scenario.name, settings: settings(scenario, plan, target, sitePlan),
            machine: .current(), started: Date().timeIntervalSince1970, ended: 0)
        result.notes = target == nil ? sitePlan.notes : []
        display.begin("\(scenario.name): \(FigureText.count(plan.sessions)) sessions")
        let site: Site?
        do {
            site = target == nil ? try await Site.start(sitePlan) : nil
        } catch {
            (result.failure, result.ended) = ("\(error)", Date().timeIntervalSince1970)
            return result
        }
        defer { site?.stop() }
        result.versions = await site?.versions() ?? [:]
        let sampler = ResourceSampler(began: .now) { await site?.redisMemory()?.used }
        if let site { sampler.watch(site) }
        sampler.start()
        do {
            let context = { (run: LoadRun) in
                ScenarioContext(run: run, site: site, plan: plan, canPublish: canPublish)
            }
            let run = try await LoadRun.start(plan, at: target ?? site!.target, display: display)
            do {
                result.figures = try await scenario.perform(context(run))
                let outcome = try await run.finish()
                outcome.fill(&result)
            } catch {
                await run.outcome().fill(&result)
                await run.stop()
                throw error
            }
        } catch {
            result.failure = "\(error)"
        }
        let seen = await sampler.stop()
        result.processes = seen.processes + result.processes
        result.memory = site == nil ? [] : seen.memory
        result.ended = Date().timeIntervalSince1970
        return result
    }

    private static func settings(
        _ scenario: some Scenario, _ plan: LoadPlan, _ target: Target?, _ site: SitePlan
    ) -> [RunSetting] {
        var settings = [
            RunSetting("sessions", plan.sessions),
            RunSetting("connects per second", FigureText.number(plan.connectsPerSecond)),
            RunSetting("payload bytes", plan.payloadBytes),
        ]
        settings += scenario.settings
        if plan.slowShare > 0 { settings.append(RunSetting("slow readers", "\(plan.slowShare)")) }
        if let target {
            settings.append(RunSetting("nodes", target.urls.joined(separator: " ")))
        } else if let peer = site.peer {
            settings.append(RunSetting("server", peer))
        } else {
            settings.append(RunSetting("nodes", site.nodes))
            settings.append(RunSetting("store", site.store.rawValue))
        }
        return settings
    }
}

/// What all scenarios are asked: where to, how much, and what becomes of the result.
struct ScenarioOptions: ParsableArguments {
    @OptionGroup(title: "Where to") var target: TargetOptions
    @OptionGroup(title: "How much") var load: LoadOptions
    @OptionGroup(title: "A site of its own") var site: SiteOptions
    @OptionGroup(title: "Results") var report: ReportOptions
}

/// A scenario as a subcommand.
protocol ScenarioCommand: AsyncParsableCommand {
    associatedtype Work: Scenario
    var options: ScenarioOptions { get }
    func scenario() -> Work
}

extension ScenarioCommand {
    func run() async throws {
        do {
            let result = try await ScenarioRunner.run(
                scenario(), try options.load.plan(options.target), target: options.target.target(),
                sitePlan: try options.site.plan(), display: options.report.display())
            try options.report.finish(result)
        } catch {
            throw ExitStatus.of(error)
        }
    }
}
