/// Puts the workers' samples together: what one interval brought in all of them, and the whole run.
struct RunLog: Sendable {
    /// The four histograms of an interval or a run.
    struct Latencies: Sendable {
        var histograms: [Timed: LatencyHistogram] = [:]

        mutating func add(_ sample: WorkerSample) {
            for (timed, text) in [
                (Timed.delivery, sample.delivery), (.reply, sample.ok), (.connect, sample.connect),
                (.resume, sample.resume),
            ] where !text.isEmpty {
                _ = histograms[timed, default: LatencyHistogram()].add(text: text)
            }
        }

        func summaries(distribution: Bool = false) -> [Timed: LatencySummary] {
            histograms.compactMapValues { LatencySummary(microseconds: $0.counts, distribution: distribution) }
        }
    }

    private struct Interval: Sendable {
        var tally = Tally()
        var held = 0
        var latencies = Latencies()
        var reported: Set<Int> = []
    }

    let workers: Int
    let sampleSeconds: Int
    private(set) var samples: [RunSample] = []
    private(set) var total = Tally()
    private(set) var latencies = Latencies()
    private(set) var problems: [String: Int] = [:]
    private(set) var processes: [ProcessSeries]
    private(set) var faults: [Int]
    private var intervals: [Int: Interval] = [:]
    /// Sessions that each worker held last.
    private var held: [Int]

    init(workers: Int, sampleSeconds: Int) {
        (self.workers, self.sampleSeconds) = (workers, sampleSeconds)
        held = Array(repeating: 0, count: workers)
        faults = held
        processes = (0..<workers).map { ProcessSeries(name: "worker-\($0 + 1)", role: .worker) }
    }

    /// Takes a worker's sample. - Returns: The samples of the run that are whole now.
    mutating func take(_ sample: WorkerSample, of worker: Int, phase: String) -> [RunSample] {
        held[worker] = sample.held
        faults[worker] = sample.faults
        total.add(sample.tally)
        latencies.add(sample)
        for (text, count) in sample.problems { problems[text, default: 0] += count }
        processes[worker].samples.append(
            ProcessSample(
                at: Double((sample.interval + 1) * sampleSeconds), resident: sample.residentBytes,
                cpuSeconds: sample.cpuSeconds))
        var interval = intervals[sample.interval] ?? Interval()
        interval.tally.add(sample.tally)
        interval.held += sample.held
        interval.latencies.add(sample)
        interval.reported.insert(worker)
        intervals[sample.interval] = interval
        // One that left an interval out (it was stopped, say) holds nobody up for long.
        let ready = intervals.filter { $0.value.reported.count == workers || $0.key + 3 < sample.interval }
        return ready.keys.sorted().map { whole($0, phase) }
    }

    private mutating func whole(_ number: Int, _ phase: String) -> RunSample {
        let interval = intervals.removeValue(forKey: number) ?? Interval()
        var sample = RunSample(at: Double((number + 1) * sampleSeconds))
        sample.seconds = Double(sampleSeconds)
        sample.phase = phase
        sample.sessions = interval.held
        sample.counts = Self.counts(interval.tally)
        sample.latency = interval.latencies.summaries()
        samples.append(sample)
        return sample
    }

    static func counts(_ tally: Tally) -> RunCounts {
        var counts = RunCounts()
        counts.connects = tally.connects
        counts.resumes = tally.resumes
        counts.publishes = tally.published + tally.sent
        counts.deliveries = tally.deliveries
        counts.replies = tally.oks
        counts.deferred = tally.refusals + tally.held
        counts.drops = tally.losses
        counts.errors = tally.failures + tally.publishFailures
        counts.bytes = tally.bytes
        return counts
    }
}
