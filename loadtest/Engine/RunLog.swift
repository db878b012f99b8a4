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
    /// The latest interval that is among the samples.
    private var emitted = -1

    init(workers: Int, sampleSeconds: Int) {
        (self.workers, self.sampleSeconds) = (workers, sampleSeconds)
        faults = Array(repeating: 0, count: workers)
        processes = (0..<workers).map { ProcessSeries(name: "worker-\($0 + 1)", role: .worker) }
    }

    /// Takes a worker's sample. - Returns: The samples of the run that are whole now.
    mutating func take(_ sample: WorkerSample, of worker: Int, phase: String) -> [RunSample] {
        faults[worker] = sample.faults
        total.add(sample.tally)
        latencies.add(sample)
        for (text, count) in sample.problems { problems[text, default: 0] += count }
        processes[worker].samples.append(
            ProcessSample(
                at: Double((sample.interval + 1) * sampleSeconds), resident: sample.residentBytes,
                cpuSeconds: sample.cpuSeconds))
        guard sample.interval > emitted else {
            addLate(sample)
            return []
        }
        var interval = intervals[sample.interval] ?? Interval()
        interval.tally.add(sample.tally)
        interval.held += sample.held
        interval.latencies.add(sample)
        interval.reported.insert(worker)
        intervals[sample.interval] = interval
        // Each worker reports in order: before one that all have reported nothing more comes. One that left an
        // interval out (it was stopped, say) holds nobody up for long.
        let last = intervals.filter { $0.value.reported.count == workers }.keys.max() ?? emitted
        let ready = intervals.keys.filter { $0 <= last || $0 + 3 < sample.interval }
        return ready.sorted().map { whole($0, phase) }
    }

    /// What a worker tells so late that its second is among the samples is added there; percentiles cannot be.
    private mutating func addLate(_ late: WorkerSample) {
        let end = Double((late.interval + 1) * sampleSeconds)
        guard let at = samples.lastIndex(where: { $0.at == end }) else { return }
        samples[at].sessions += late.held
        samples[at].counts += Self.counts(late.tally)
    }

    private mutating func whole(_ number: Int, _ phase: String) -> RunSample {
        let interval = intervals.removeValue(forKey: number) ?? Interval()
        emitted = max(emitted, number)
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
        counts.deferred = tally.refusals
        counts.drops = tally.losses
        counts.errors = tally.failures
        counts.bytes = tally.bytes
        return counts
    }
}
