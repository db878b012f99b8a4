import Foundation

/// The run behind `make million`.
struct MillionRun: Sendable {
    var sessions: Int
    var sessionsPerNode: Int
    var notifiers: Int
    var connectsPerSecond: Double
    var rate: Double
    var drop: Int
    var pingSeconds: Int
    var holdSeconds: Double
    /// The machine is not brought below this: the kernel would kill whomever it likes.
    var reserveBytes: Int
    var executable: String?

    private static let drainSeconds = 150
    /// Sessions that are there before the first look, so that what is allocated once does not count as sessions'.
    private static let warmUpMax = 500
    private var warmUp: Int { min(Self.warmUpMax, sessions / 4) }

    var sitePlan: SitePlan {
        var plan = SitePlan(nodes: (sessions + sessionsPerNode - 1) / sessionsPerNode, store: .fleet)
        plan.executable = executable
        plan.notifiers = notifiers
        plan.serversFirst = true
        plan.settings = [
            // A loop each: on few cores more of them are only more memory.
            "APUS_THREADS": "1", "APUS_CONNECTS_PER_SECOND": "0", "APUS_SESSIONS_PER_ADDRESS": "0",
            "APUS_PING_SECONDS": "\(pingSeconds)", "APUS_DRAIN_SECONDS": "\(Self.drainSeconds - 30)",
        ]
        return plan
    }

    private var loadPlan: LoadPlan {
        var plan = LoadPlan(sessions: sessions, connectsPerSecond: connectsPerSecond)
        // Rarely: so many processes, so many histograms.
        plan.sampleSeconds = sessions > 100_000 ? 5 : 1
        return plan
    }

    // MARK: The run

    /// Runs it to its end, or to what held it back, which may be its beginning. Everything is down when it returns or throws.
    func result(_ display: LiveDisplay) async throws -> RunResult {
        let plan = sitePlan
        var result = RunResult(
            scenario: "million", settings: settings(plan), machine: .current(), started: Date().timeIntervalSince1970,
            ended: 0)
        result.notes = plan.notes + notes(plan)
        display.begin("million: \(FigureText.count(sessions)) sessions on \(plan.nodes) nodes")
        display.phase("start \(plan.nodes) nodes")
        let site: Site
        do {
            try checkKernel()
            site = try await Site.start(plan)
        } catch {
            (result.failure, result.ended) = ("\(error)", Date().timeIntervalSince1970)
            return result
        }
        defer { site.stop() }
        result.versions = await site.versions()
        let sampler = ResourceSampler(began: .now, every: Double(loadPlan.sampleSeconds)) {
            await site.redisMemory()?.used
        }
        sampler.watch(site)
        sampler.start()
        do {
            let run = try await LoadRun.start(loadPlan, at: site.target, display: display)
            do {
                try await steps(run, site, &result)
                await run.stop()
            } catch {
                // A drain that failed comes after the judgement, which has filled it.
                if result.samples.isEmpty { await run.outcome().fill(&result) }
                await run.stop()
                throw error
            }
        } catch {
            result.failure = heldBack(error, result)
        }
        let seen = await sampler.stop()
        result.processes = seen.processes + result.processes
        result.memory = seen.memory
        result.ended = Date().timeIntervalSince1970
        return result
    }

    private func steps(_ run: LoadRun, _ site: Site, _ result: inout RunResult) async throws {
        _ = try await guarded { try await run.hold(warmUp, phase: "warm-up") }
        // Until the workers have told what they use.
        try await run.pass(Double(loadPlan.sampleSeconds) + 1, phase: "warm-up")
        var (before, redisBefore) = (await look(run, site), await site.redisMemory())
        let counted = sessions - warmUp
        // Theirs by now, and the sessions' all the same.
        before.resident[.worker, default: 0] -= counted * LoadPlan.bytesPerSession

        let connecting = try await guarded { try await run.hold() }
        result.figures.append(
            RunFigure("connects_per_second", "connects", Double(counted) / max(connecting, 0.001), "/s"))
        try await run.pass(Double(loadPlan.sampleSeconds) + 1, phase: "hold")
        let (held, redisHeld) = (await look(run, site), await site.redisMemory())
        result.figures += held.figures(since: before, sessions: counted)
        if let redisBefore, let redisHeld {
            let each = Double(redisHeld.used - redisBefore.used) / Double(counted)
            result.figures.append(
                RunFigure(
                    "redis_used_per_session", "memory per session: Redis by its own count", each.rounded(), "bytes"))
        }
        try await run.pass(holdSeconds, phase: "hold")
        let idle = await look(run, site)
        if holdSeconds > 0 {
            let cpu = (idle.cpuSeconds[.node] ?? 0) - (held.cpuSeconds[.node] ?? 0)
            result.figures.append(
                RunFigure(
                    "node_cpu_us_per_session", "CPU per idle session", cpu / holdSeconds / Double(sessions) * 1e6,
                    "µs/s"))
        }
        try await notify(run, site, &result)
        try await breakSome(run, &result)
        try await drain(run, site, &result)
    }

    /// One durable notification to each session.
    private func notify(_ run: LoadRun, _ site: Site, _ result: inout RunResult) async throws {
        let (before, redisBefore) = (await look(run, site), await site.redisMemory())
        let began = run.elapsedSeconds()
        _ = try await guarded {
            try await run.perform([.init(.notify, rate: rate, each: true)], seconds: 1, phase: "notify")
        }
        let missing = try await guarded { try await run.settle(seconds: 60) }
        let took = run.elapsedSeconds() - began
        let (after, redisAfter) = (await look(run, site), await site.redisMemory())
        result.figures += [
            RunFigure("deliver_all_seconds", "time to deliver one to each", took, "s"),
            RunFigure(
                "deliver_all_per_second", "delivered meanwhile", Double(sessions - missing) / max(took, 0.001), "/s"),
        ]
        if let redisBefore, let redisAfter {
            let each = Double(redisAfter.used - redisBefore.used) / Double(sessions)
            result.figures.append(
                RunFigure("redis_bytes_per_notification", "Redis per stored notification", each.rounded(), "bytes"))
        }
        result.notes.append("CPU while notifying, of one core: " + after.shares(since: before, seconds: took))
        // Latency as it is here: afterwards the drops come in.
        if let delivery = await run.outcome().log.latencies.summaries()[.delivery] {
            result.figures.append(RunFigure("delivery_p50_ms", "publish to socket, p50", delivery.p50, "ms"))
            result.figures.append(RunFigure("delivery_p99_ms", "publish to socket, p99", delivery.p99, "ms"))
        }
    }

    /// Some connections break and resume, the others stay; then everything is judged.
    private func breakSome(_ run: LoadRun, _ result: inout RunResult) async throws {
        if drop > 0 {
            let took = try await guarded { try await run.drop(drop, phase: "drop \(FigureText.count(drop))") }
            result.figures.append(
                RunFigure("back_seconds", "\(FigureText.count(drop)) dropped, all back after", took, "s"))
        }
        try await run.settle(seconds: 30)
        let outcome = try await run.finish(andStop: false)
        outcome.fill(&result)
        if let resume = result.latency[.resume] {
            result.figures.append(RunFigure("resume_p99_ms", "connect to caught up, p99", resume.p99, "ms"))
        }
    }

    /// SIGTERM to every node at once. The workers stay: they tell how each session ended.
    private func drain(_ run: LoadRun, _ site: Site, _ result: inout RunResult) async throws {
        // What happened until now comes with the next samples, and is none of the drain's.
        try await run.pass(Double(loadPlan.sampleSeconds) + 1, phase: "judged")
        let before = SessionEnds(await run.outcome().log)
        try await run.letGo()
        let began = ContinuousClock.now
        let statuses = await site.drain(within: Double(Self.drainSeconds))
        let took = (ContinuousClock.now - began).seconds
        let clean = statuses.count { $0 == 0 }
        result.figures.append(RunFigure("drain_seconds", "drain of all nodes", took, "s"))
        result.figures.append(RunFigure("drained_nodes", "nodes that ended with status 0", Double(clean)))
        // The last samples are on their way.
        try await run.pass(Double(2 * loadPlan.sampleSeconds) + 1, phase: "drained")
        let ends = SessionEnds(await run.outcome().log).since(before)
        result.figures.append(
            RunFigure(
                "drained_sessions", "sessions closed with \(SessionEnds.draining)",
                Double(ends.codes[SessionEnds.draining] ?? 0)))
        ends.judgeDrain(&result.checks)
        guard clean == statuses.count else {
            throw SiteError(
                "\(statuses.count - clean) of \(statuses.count) nodes did not drain within \(Self.drainSeconds) s")
        }
    }

    private func look(_ run: LoadRun, _ site: Site) async -> SiteMemory {
        SiteMemory.now(site, workers: await run.outcome().log.processes)
    }

    // MARK: What may hold it back

    /// Does `body` unless the machine's memory comes to its end meanwhile.
    private func guarded<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                while true {
                    try await Task.sleep(for: .milliseconds(500))
                    let available = KernelMemory.sample(at: 0, redis: nil).available
                    guard available >= reserveBytes else {
                        throw SiteError("memory: the machine has only \(FigureText.bytes(available)) left to give")
                    }
                }
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let value = first else { throw CancellationError() }
            return value
        }
    }

    private func heldBack(_ error: any Error, _ result: RunResult) -> String {
        let most = result.samples.map(\.sessions).max() ?? 0
        return "held back at \(FigureText.count(most)) of \(FigureText.count(sessions)) sessions: \(error)"
    }

    /// Two sockets per session, and the machine may have a limit for all of them.
    private func checkKernel() throws {
        guard let text = try? String(contentsOfFile: "/proc/sys/fs/file-max", encoding: .utf8),
            let limit = UInt64(text.trimmingCharacters(in: .whitespacesAndNewlines))
        else { return }
        let needed = UInt64(sessions * 2 + 20_000)
        guard limit >= needed else {
            throw SiteError(
                "\(FigureText.count(sessions)) sessions need \(needed) open files on this machine, and the kernel allows "
                    + "\(limit): `sysctl -w fs.file-max=\(needed * 2)`, or fewer --sessions")
        }
    }

    // MARK: What a reader has to know

    private func settings(_ plan: SitePlan) -> [RunSetting] {
        [
            RunSetting("sessions", sessions), RunSetting("nodes", plan.nodes),
            RunSetting("of them notifiers", notifiers),
            RunSetting("connects per second", FigureText.number(connectsPerSecond)),
            RunSetting("notifications per second", FigureText.number(rate)),
            RunSetting("dropped and resumed", drop), RunSetting("APUS_PING_SECONDS", pingSeconds),
        ]
    }

    private func notes(_ plan: SitePlan) -> [String] {
        [
            "pings every \(pingSeconds) s instead of 25: so many pings would be a core of their own",
            "no limit of new sessions per second and of sessions per address (APUS_CONNECTS_PER_SECOND=0, "
                + "APUS_SESSIONS_PER_ADDRESS=0); one event loop per node",
            "nodes, Redis, NATS and the load generator share the machine; the kernel's memory counts both ends of a connection",
        ]
    }

    /// For docs/performance.md.
    static func table(_ result: RunResult) -> String {
        var rows = [["sessions held", FigureText.count(result.samples.map(\.sessions).max() ?? 0)]]
        rows += result.figures.map { [$0.name, $0.text] }
        rows.append(["verified", FigureText.count(result.checks.verified)])
        rows.append(["lost, doubled, misordered", FigureText.count(result.checks.counts.values.reduce(0, +))])
        rows.append(["duration", FigureText.duration(result.seconds)])
        return GeneratedTables.markdown(head: ["", BenchText.heading(result.machine, result.versions)], rows: rows)
    }
}
