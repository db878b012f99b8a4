/// Sessions that never read (`--slow`). The kernel takes up to some megabytes for each of them, more than a run of small
/// events brings; so before a rate is measured they get large ones, until the node is the one who has to wait.
struct SlowReaders: Sendable {
    private let site: Site
    private let run: LoadRun
    private let topics: Int
    private let sessions: Int
    /// About so many of them never read.
    private let slow: Double

    /// Of the payload of one event; an event may have 16 KiB.
    private static let fillBytes = 15_000
    /// One batch has at most so many: the API takes 1 MiB.
    private static let batchMax = 16
    /// All sessions get them, and those that read have to keep up.
    private static let stepBytes = 150_000_000
    private static let stepSeconds = 0.5
    private static let stepsMax = 120
    /// All get the same, so all are full soon after the first one is. Not longer: after 20 s the node closes them (4508).
    private static let stepsAfterFirst = 4
    /// So few topics that each gets its events in a moment.
    private static let topicsMax = 100

    private static let dropped = "apus_live_dropped_total"
    private static let behind = "apus_sessions_behind_total"

    /// nil when all sessions read, or when the nodes are not of this program.
    init?(_ context: ScenarioContext) {
        guard let site = context.site, site.plan.peer == nil, context.plan.slowShare > 0,
            (1...Self.topicsMax).contains(context.plan.topics)
        else { return nil }
        (self.site, run, topics) = (site, context.run, context.plan.topics)
        sessions = context.plan.sessions
        slow = Double(sessions) * context.plan.slowShare
    }

    /// Fills what the kernel keeps for them. The events have no number, so nobody misses one.
    func fill() async throws {
        let item = #"{"data":{"fill":"\#(String(repeating: "x", count: Self.fillBytes))"}}"#
        let count = min(Self.batchMax, max(1, Self.stepBytes / (Self.fillBytes * sessions)))
        let batch = "[" + Array(repeating: item, count: count).joined(separator: ",") + "]"
        var before = await site.counter(Self.dropped) ?? 0
        var (steps, left) = (0, Self.stepsAfterFirst)
        while left > 0, steps < Self.stepsMax {
            for topic in 0..<topics { try await site.publish(to: await run.topicName(topic), batch) }
            try await run.pass(Self.stepSeconds, phase: "fill")
            steps += 1
            let now = await site.counter(Self.dropped) ?? 0
            // A burst may be too much for one that reads, but not for so many.
            if Double(now - before) >= slow * Double(count) / 4, now > before { left -= 1 }
            before = now
        }
        // Those that read have taken the last of it, or their latency would be that of the filling.
        try await run.pass(1, phase: "fill")
    }

    /// How often the nodes have found a session behind so far.
    func timesBehind() async -> Int? { await site.counter(Self.behind) }
}
