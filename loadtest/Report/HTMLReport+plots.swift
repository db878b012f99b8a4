import Foundation

extension HTMLReport {
    /// All plots that the result has data for.
    static func plots(_ result: RunResult) -> String {
        let all = overTime(result) + distribution(result) + machine(result)
        guard !all.isEmpty else { return "" }
        return """
            <section aria-labelledby="plots">
            <h2 id="plots">Over time</h2>
            <div class="plots">
            \(all.map { $0.figure() }.joined())</div>
            </section>
            """
    }

    // MARK: What the sessions saw

    private static func overTime(_ result: RunResult) -> [Plot] {
        guard result.samples.count > 1 else { return [] }
        let (time, bands) = (Axis.time(until: end(result)), bands(result.samples))
        var plots: [Plot] = []
        let sessions = Plot.Line(name: "sessions", points: result.samples.map { ($0.at, Double($0.sessions)) })
        if let most = sessions.points.map(\.y).max(), most > 0 {
            plots.append(
                Plot(
                    title: "Sessions", summary: "Sessions with a welcome; at most \(FigureText.count(Int(most))).",
                    lines: [sessions], bands: bands, horizontal: time, verticalText: FigureText.short))
        }
        let rates = rates(result.samples)
        if !rates.isEmpty {
            let best = rates.map { line in
                "\(line.name) at most \(FigureText.short(line.points.map(\.y).max() ?? 0))/s"
            }
            plots.append(
                Plot(
                    title: "Rates", summary: "Per second: \(best.joined(separator: ", ")).", lines: rates, bands: bands,
                    horizontal: time, verticalText: { FigureText.short($0) + "/s" }))
        }
        for timed in Timed.allCases {
            guard let plot = latencyOverTime(timed, result, time, bands) else { continue }
            plots.append(plot)
        }
        return plots
    }

    private static func rates(_ samples: [RunSample]) -> [Plot.Line] {
        let all: [(String, KeyPath<RunCounts, Int>)] = [
            ("deliveries", \.deliveries), ("publishes", \.publishes), ("connects", \.connects), ("resumes", \.resumes),
            ("replies", \.replies), ("told to come later", \.deferred), ("connections dropped", \.drops),
            ("errors", \.errors),
        ]
        return all.compactMap { name, count in
            guard samples.contains(where: { $0.counts[keyPath: count] > 0 }) else { return nil }
            return Plot.Line(name: name, points: samples.map { ($0.at, $0.rate(count)) })
        }
    }

    private static func latencyOverTime(_ timed: Timed, _ result: RunResult, _ time: Axis, _ bands: [Plot.Band])
        -> Plot?
    {
        let timedSamples = result.samples.filter { $0.latency[timed] != nil }
        guard timedSamples.count > 1 else { return nil }
        let percentiles: [(String, KeyPath<LatencySummary, Double>)] = [
            ("p50", \.p50), ("p99", \.p99), ("p99.9", \.p999), ("max", \.max),
        ]
        let lines = percentiles.map { name, percentile in
            // Zero where nothing was timed breaks the line.
            Plot.Line(
                name: name, points: result.samples.map { ($0.at, $0.latency[timed]?[keyPath: percentile] ?? 0) })
        }
        let whole = result.latency[timed].map {
            " Whole run: p50 \(FigureText.milliseconds($0.p50)), p99 \(FigureText.milliseconds($0.p99))."
        }
        return Plot(
            title: "Latency: \(timed.title)", summary: "Percentiles of each sample, logarithmic." + (whole ?? ""),
            lines: lines, bands: bands, horizontal: time, scale: .logarithmic, verticalText: FigureText.milliseconds)
    }

    /// The whole run: what one in a hundred, a thousand, … had to wait.
    private static func distribution(_ result: RunResult) -> [Plot] {
        let lines = Timed.allCases.compactMap { timed -> Plot.Line? in
            guard let points = result.latency[timed]?.distribution, points.count > 2 else { return nil }
            return Plot.Line(name: timed.title, points: points.map { (nines($0.percentile), $0.milliseconds) })
        }
        guard let last = lines.flatMap({ $0.points.map(\.x) }).max() else { return [] }
        let axis = Axis(range: 0...max(1, last), ticks: [0, nines(50), 1, 2, 3, 4, 5])
        return [
            Plot(
                title: "Latency by percentile", summary: "The whole run: how long all but the slowest had to wait.",
                lines: lines, horizontal: axis, scale: .logarithmic,
                horizontalText: { nines in
                    let percentile = 100 * (1 - pow(10, -nines))
                    return FigureText.fixed(percentile, max(0, Int((nines - 2).rounded(.up)))) + " %"
                }, verticalText: FigureText.milliseconds)
        ]
    }

    private static func nines(_ percentile: Double) -> Double { percentile < 100 ? -log10(1 - percentile / 100) : 6 }

    // MARK: What it took

    private static func machine(_ result: RunResult) -> [Plot] {
        let (time, bands) = (Axis.time(until: end(result)), bands(result.samples))
        let roles = ProcessSeries.Role.allCases.filter { role in result.processes.contains { $0.role == role } }
        let nodes = result.processes.filter { $0.role == .node && $0.samples.count > 1 }
        func plot(_ title: String, _ summary: String, _ lines: [Plot.Line], _ text: @escaping (Double) -> String)
            -> Plot?
        {
            let lines = lines.filter { $0.points.count > 1 }
            guard !lines.isEmpty else { return nil }
            return Plot(
                title: title, summary: summary, lines: lines, bands: bands, horizontal: time,
                isBytes: title.hasPrefix("Memory"), verticalText: text)
        }
        let bytes: (Double) -> String = { FigureText.bytes(Int($0)) }
        let percent: (Double) -> String = { FigureText.number($0 * 100) + " %" }
        let memory = roles.map { role in
            Plot.Line(name: role.title, points: sum(result.processes.filter { $0.role == role }, \.memory))
        }
        let kernel = Plot.Line(name: "kernel (slabs)", points: result.memory.map { ($0.at, Double($0.slab)) })
        let cpu = roles.map { role in
            Plot.Line(name: role.title, points: sum(result.processes.filter { $0.role == role }, \.cpu))
        }
        return [
            plot("Memory", "Resident memory of all processes of a kind, and the kernel's.", memory + [kernel], bytes),
            nodes.count > 1 ? plot("Memory per node", spread(nodes), perProcess(nodes, \.memory), bytes) : nil,
            plot("CPU", "Share of one core, all processes of a kind together.", cpu, percent),
            nodes.count > 1 ? plot("CPU per node", spread(nodes), perProcess(nodes, \.cpu), percent) : nil,
        ].compactMap { $0 }
    }

    private static let linesMax = 8

    private static func spread(_ series: [ProcessSeries]) -> String {
        series.count <= linesMax
            ? "Each of the \(series.count) nodes." : "\(series.count) nodes: the lowest, the median and the highest."
    }

    /// A line each, or the spread when that would be too many to tell apart.
    private static func perProcess(
        _ series: [ProcessSeries], _ values: (ProcessSeries) -> [(x: Double, y: Double)]
    ) -> [Plot.Line] {
        let lines = series.map { Plot.Line(name: $0.name, points: values($0)) }
        guard lines.count > linesMax else { return lines }
        var columns: [Double: [Double]] = [:]
        for point in lines.flatMap(\.points) { columns[point.x, default: []].append(point.y) }
        let sorted = columns.mapValues { $0.sorted() }.sorted { $0.key < $1.key }
        return [
            Plot.Line(name: "highest", points: sorted.map { ($0.key, $0.value.last ?? 0) }),
            Plot.Line(name: "median", points: sorted.map { ($0.key, $0.value[$0.value.count / 2]) }),
            Plot.Line(name: "lowest", points: sorted.map { ($0.key, $0.value.first ?? 0) }),
        ]
    }

    /// Processes are looked at together, so their samples share their times.
    private static func sum(
        _ series: [ProcessSeries], _ values: (ProcessSeries) -> [(x: Double, y: Double)]
    ) -> [(x: Double, y: Double)] {
        var sums: [Double: Double] = [:]
        for point in series.flatMap(values) { sums[point.x, default: 0] += point.y }
        return sums.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    // MARK: Time

    private static func end(_ result: RunResult) -> Double {
        max(result.samples.last?.at ?? 0, result.processes.compactMap { $0.samples.last?.at }.max() ?? 0)
    }

    /// Samples of the same phase that follow each other.
    private static func bands(_ samples: [RunSample]) -> [Plot.Band] {
        var bands: [Plot.Band] = []
        for sample in samples where !sample.phase.isEmpty {
            let begin = max(0, sample.at - sample.seconds)
            if let last = bands.last, last.name == sample.phase {
                bands[bands.count - 1].range = last.range.lowerBound...max(last.range.lowerBound, sample.at)
            } else {
                let from = min(max(begin, bands.last?.range.upperBound ?? 0), sample.at)
                bands.append(Plot.Band(name: sample.phase, range: from...sample.at))
            }
        }
        return bands
    }
}

extension ProcessSeries {
    fileprivate var memory: [(x: Double, y: Double)] { samples.map { ($0.at, Double($0.resident)) } }
    fileprivate var cpu: [(x: Double, y: Double)] { cpuShares.map { ($0.at, $0.share) } }
}
