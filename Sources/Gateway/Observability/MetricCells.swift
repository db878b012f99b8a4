import Metrics
import Synchronization

/// A metric's value, changed without a lock from any thread.
protocol MetricCell: AnyObject, Sendable {
    /// The lines of one label set, appended to `out`.
    func render(_ name: String, _ labels: PrometheusLabels, to out: inout String)
}

final class CounterCell: MetricCell, CounterHandler {
    private let value = Atomic<Int64>(0)

    func increment(by amount: Int64) {
        // A counter that goes back looks like a restart; one that overflows is not worth a crash.
        if amount > 0 { value.wrappingAdd(amount, ordering: .relaxed) }
    }

    func reset() { value.store(0, ordering: .relaxed) }

    func render(_ name: String, _ labels: PrometheusLabels, to out: inout String) {
        out += "\(name)\(labels) \(value.load(ordering: .relaxed))\n"
    }
}

/// A number that many threads add to, as the bits of a Double.
struct AtomicDouble: ~Copyable {
    private let bits = Atomic<UInt64>(0)

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

    func add(_ amount: Double) {
        var before = bits.load(ordering: .relaxed)
        while true {
            let after = (Double(bitPattern: before) + amount).bitPattern
            let (exchanged, original) = bits.weakCompareExchange(expected: before, desired: after, ordering: .relaxed)
            if exchanged { return }
            before = original
        }
    }
}

final class FloatingPointCounterCell: MetricCell, FloatingPointCounterHandler {
    private let value = AtomicDouble()

    func increment(by amount: Double) {
        if amount > 0, amount.isFinite { value.add(amount) }
    }

    func reset() { value.set(0) }

    func render(_ name: String, _ labels: PrometheusLabels, to out: inout String) {
        out += "\(name)\(labels) \(PrometheusNumber.text(value.value))\n"
    }
}

final class GaugeCell: MetricCell, MeterHandler, RecorderHandler {
    private let value = AtomicDouble()

    func set(_ value: Int64) { self.value.set(Double(value)) }
    func set(_ value: Double) { self.value.set(value) }
    func increment(by amount: Double) { value.add(amount) }
    func decrement(by amount: Double) { value.add(-amount) }
    func record(_ value: Int64) { set(value) }
    func record(_ value: Double) { set(value) }

    func render(_ name: String, _ labels: PrometheusLabels, to out: inout String) {
        out += "\(name)\(labels) \(PrometheusNumber.text(value.value))\n"
    }
}

/// Counts of values per range, and their sum.
final class HistogramCell: MetricCell, TimerHandler, RecorderHandler {
    /// 0.5 ms to 10 s: from a frame on its way through a node to a store that does not answer.
    static let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    /// Sizes and numbers of things.
    static let counts: [Double] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000, 1_000_000]

    private final class Cell: Sendable {
        let count = Atomic<Int64>(0)
    }

    private let bounds: [Double]
    /// One per bound, and one for what is above the last.
    private let cells: [Cell]
    private let sum = AtomicDouble()

    init(bounds: [Double]) {
        self.bounds = bounds
        cells = (0...bounds.count).map { _ in Cell() }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        guard value.isFinite else { return }
        let index = bounds.firstIndex { value <= $0 } ?? bounds.count
        cells[index].count.wrappingAdd(1, ordering: .relaxed)
        sum.add(value)
    }

    func render(_ name: String, _ labels: PrometheusLabels, to out: inout String) {
        var total: Int64 = 0
        for (index, cell) in cells.enumerated() {
            total += cell.count.load(ordering: .relaxed)
            let bound = index < bounds.count ? PrometheusNumber.text(bounds[index]) : "+Inf"
            out += "\(name)_bucket\(labels.adding("le", bound)) \(total)\n"
        }
        out += "\(name)_sum\(labels) \(PrometheusNumber.text(sum.value))\n"
        out += "\(name)_count\(labels) \(total)\n"
    }
}
