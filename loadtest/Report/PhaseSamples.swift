/// The samples that lie within a phase of a run: what came before or after it is none of its rate.
struct PhaseSamples: Equatable, Sendable {
    let samples: [RunSample]

    /// - Parameters:
    ///   - began: Seconds since the run began, as `RunSample.at`.
    init(_ all: [RunSample], from began: Double, to ended: Double) {
        samples = all.filter { $0.at - $0.seconds >= began && $0.at <= ended }
    }

    /// From the beginning of the first sample to the end of the last; one that is missing between them counts.
    var seconds: Double {
        guard let first = samples.map({ $0.at - $0.seconds }).min(), let last = samples.map(\.at).max() else {
            return 0
        }
        return last - first
    }

    /// Per second; nil when no sample lies within, as in a phase below two seconds.
    func rate(_ count: KeyPath<RunCounts, Int>) -> Double? {
        guard seconds > 0 else { return nil }
        return Double(samples.reduce(0) { $0 + $1.counts[keyPath: count] }) / seconds
    }

    /// A rate as a figure; nil as above.
    func figure(_ key: String, _ name: String, _ count: KeyPath<RunCounts, Int>) -> RunFigure? {
        rate(count).map { RunFigure(key, name, $0, "/s") }
    }
}
