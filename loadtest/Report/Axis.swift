import Foundation

/// One axis of a plot: where its range lies on the page, and where its ticks are.
struct Axis {
    enum Scale: Equatable {
        case linear
        /// For what spans several magnitudes, such as latency.
        case logarithmic
    }

    let scale: Scale
    let range: ClosedRange<Double>
    let ticks: [Double]

    /// An axis that holds all `values` and ends at round ones.
    /// - Parameter binary: Ticks are round in KiB, MiB or GiB.
    init(_ values: [Double], scale: Scale = .linear, count: Int = 5, binary: Bool = false) {
        self.scale = scale
        let finite = values.filter { $0.isFinite && (scale == .linear || $0 > 0) }
        switch scale {
        case .linear:
            let low = min(0, finite.min() ?? 0)
            let high = max(finite.max() ?? 1, low + 1e-9)
            let unit = binary ? [1_073_741_824.0, 1_048_576, 1024].first { high >= $0 } ?? 1 : 1
            let step = unit * Self.step(from: low / unit, to: high / unit, count: count)
            let (first, last) = ((low / step).rounded(.down) * step, (high / step).rounded(.up) * step)
            range = first...max(last, first + step)
            ticks = Self.multiples(of: step, in: range)
        case .logarithmic:
            let low = log10(finite.min() ?? 1)
            let high = max(log10(finite.max() ?? 10), low + 1e-9)
            let (first, last) = (low.rounded(.down), max(high.rounded(.up), low.rounded(.down) + 1))
            range = pow(10, first)...pow(10, last)
            // Few decades need ticks between them.
            let mantissas: [Double] = last - first <= 2 ? [1, 2, 5] : [1]
            let decades = Array(stride(from: first, through: last, by: last - first > 6 ? 2 : 1))
            ticks = decades.flatMap { decade in mantissas.map { $0 * pow(10, decade) } }
                .filter { [range] in $0 <= range.upperBound * 1.000001 }
        }
    }

    /// An axis with ticks of the caller's.
    init(range: ClosedRange<Double>, ticks: [Double]) {
        (scale, self.range, self.ticks) = (.linear, range, ticks.filter { range.contains($0) })
    }

    /// Where `value` is: 0 at the beginning of the axis, 1 at its end.
    func place(_ value: Double) -> Double {
        let (low, high) = (range.lowerBound, range.upperBound)
        switch scale {
        case .linear: return min(1, max(0, (value - low) / (high - low)))
        case .logarithmic:
            guard value > 0 else { return 0 }
            return min(1, max(0, (log10(value) - log10(low)) / (log10(high) - log10(low))))
        }
    }

    /// A round step that gives about `count` ticks.
    private static func step(from low: Double, to high: Double, count: Int) -> Double {
        let raw = (high - low) / Double(max(1, count))
        let magnitude = pow(10, log10(raw).rounded(.down))
        let factor = [1, 2, 2.5, 5, 10].first { $0 * magnitude >= raw * 0.999 } ?? 10
        return factor * magnitude
    }

    private static func multiples(of step: Double, in range: ClosedRange<Double>) -> [Double] {
        let first = (range.lowerBound / step).rounded(.up)
        let last = (range.upperBound / step * 1.000001).rounded(.down)
        guard last >= first, last - first < 100 else { return [range.lowerBound, range.upperBound] }
        return stride(from: first, through: last, by: 1).map { $0 * step }
    }
}

extension Axis {
    /// Time in seconds from the beginning of a run, with ticks where clocks have them.
    static func time(until end: Double) -> Axis {
        let end = max(end, 1)
        let steps: [Double] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400]
        let step = steps.first { end / $0 <= 8 } ?? 28_800
        return Axis(range: 0...end, ticks: Array(stride(from: 0, through: end, by: step)))
    }

    static func timeText(_ seconds: Double) -> String {
        if seconds < 60, seconds == seconds.rounded() { return "\(Int(seconds)) s" }
        let whole = Int(seconds.rounded())
        return "\(whole / 60):" + (whole % 60 < 10 ? "0" : "") + "\(whole % 60)"
    }
}
