import Metrics
import Synchronization

/// The metrics of this process, and the page that Prometheus reads (text format 0.0.4).
///
/// Counters, gauges and histograms change by atomic operations; the lock is taken when a metric is made and when the page
/// is written. Make metrics once and keep them.
///
/// Labels of swift-metrics become names: other characters than letters, digits, `_` and `:` become `_`; timers are
/// histograms in seconds and end in `_seconds`; recorders that aggregate are histograms, the others gauges.
public final class PrometheusMetrics: MetricsFactory, Sendable {
    /// The `Content-Type` of the page.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private enum Kind: String {
        case counter, gauge, histogram
    }

    private struct Family {
        let kind: Kind
        var cells: [PrometheusLabels: any MetricCell] = [:]
    }

    private let help: [String: String]
    private let families = Mutex<[String: Family]>([:])

    /// - Parameter help: What a metric means, by its name on the page.
    public init(help: [String: String] = [:]) {
        self.help = help
    }

    /// The page: families by name, each with its `HELP` and `TYPE`.
    public func render() -> String {
        let families = families.withLock { $0 }
        var out = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) where !family.cells.isEmpty {
            let meaning = help[name] ?? name.replacing("_", with: " ")
            out +=
                "# HELP \(name) \(PrometheusLabels.escaped(meaning, quotes: false))\n# TYPE \(name) \(family.kind.rawValue)\n"
            for (labels, cell) in family.cells.sorted(by: { $0.key < $1.key }) { cell.render(name, labels, to: &out) }
        }
        return out
    }

    // MARK: MetricsFactory

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        cell(label, dimensions, .counter) { CounterCell() }
    }

    public func makeFloatingPointCounter(label: String, dimensions: [(String, String)])
        -> any FloatingPointCounterHandler
    {
        cell(label, dimensions, .counter) { FloatingPointCounterCell() }
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        cell(label, dimensions, .gauge) { GaugeCell() }
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        if aggregate { return cell(label, dimensions, .histogram) { HistogramCell(bounds: HistogramCell.counts) } }
        return cell(label, dimensions, .gauge) { GaugeCell() }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        let name = label.hasSuffix("_seconds") ? label : label + "_seconds"
        return cell(name, dimensions, .histogram) { HistogramCell(bounds: HistogramCell.seconds) }
    }

    public func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
    public func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    public func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    public func destroyTimer(_ handler: any TimerHandler) { remove(handler) }

    /// The cell of a label set; the same one whenever it is asked for.
    ///
    /// A name stands for one kind only (the format demands it): whoever asks for another kind, or for another sort of
    /// counter or histogram, gets the name with the kind behind it.
    private func cell<Cell: MetricCell>(
        _ label: String, _ dimensions: [(String, String)], _ kind: Kind, make: () -> Cell
    ) -> Cell {
        let labels = PrometheusLabels(dimensions)
        return families.withLock { families in
            var name = PrometheusLabels.name(label, colons: true)
            while true {
                var family = families[name] ?? Family(kind: kind)
                if family.kind == kind {
                    if let known = family.cells[labels] as? Cell { return known }
                    if family.cells[labels] == nil {
                        let cell = make()
                        family.cells[labels] = cell
                        families[name] = family
                        return cell
                    }
                }
                name += "_" + kind.rawValue
            }
        }
    }

    private func remove(_ handler: AnyObject) {
        families.withLock { families in
            for (name, family) in families {
                for (labels, cell) in family.cells where cell === handler { families[name]?.cells[labels] = nil }
            }
        }
    }
}
