import Foundation
import Histogram

/// What is kept of a histogram of latencies: percentiles in milliseconds.
struct LatencySummary: Codable, Equatable, Sendable {
    var count: Int
    var mean: Double
    var p50: Double
    var p90: Double
    var p99: Double
    /// The 99.9th percentile.
    var p999: Double
    var max: Double
    /// For the plot of the whole run; nil in samples.
    var distribution: [Point]?

    struct Point: Codable, Equatable, Sendable {
        var percentile: Double
        var milliseconds: Double
    }

    /// - Parameter distribution: Whether the curve is kept too.
    /// - Returns: nil when nothing was recorded.
    init?<Count>(microseconds histogram: Histogram<Count>, distribution: Bool = false) {
        guard histogram.totalCount > 0 else { return nil }
        func milliseconds(_ percentile: Double) -> Double {
            Self.rounded(Double(histogram.valueAtPercentile(percentile)) / 1000)
        }
        count = Int(histogram.totalCount)
        mean = Self.rounded(histogram.mean / 1000)
        p50 = milliseconds(50)
        p90 = milliseconds(90)
        p99 = milliseconds(99)
        p999 = milliseconds(99.9)
        max = Self.rounded(Double(histogram.max) / 1000)
        if distribution {
            // Evenly spaced on the axis of "nines"; beyond one in `count` there is nothing to see.
            let steps = stride(from: 0.0, through: 5, by: 0.125).map { 100 * (1 - 1 / pow(10, $0)) }
            let last = 100 * (1 - 1 / Double(count))
            self.distribution = steps.filter { $0 <= last }.map {
                Point(percentile: ($0 * 1e5).rounded() / 1e5, milliseconds: milliseconds($0))
            }
        }
    }

    init(
        count: Int, mean: Double, p50: Double, p90: Double, p99: Double, p999: Double, max: Double,
        distribution: [Point]? = nil
    ) {
        (self.count, self.mean, self.p50, self.p90, self.p99) = (count, mean, p50, p90, p99)
        (self.p999, self.max, self.distribution) = (p999, max, distribution)
    }

    /// To the microsecond: more is noise, and makes files long.
    private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}
