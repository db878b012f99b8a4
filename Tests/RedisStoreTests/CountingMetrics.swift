import Metrics

@testable import RedisStore

/// Metrics that a test can read: counters and gauges by value, timers by how often they were recorded.
final class CountingMetrics: MetricsFactory {
    private let values = Shared<[String: Int64]>([:])

    func value(_ label: String) -> Int64 { values.lock { $0[label] ?? 0 } }

    final class Handler: CounterHandler, RecorderHandler, TimerHandler, MeterHandler, FloatingPointCounterHandler {
        private let values: Shared<[String: Int64]>
        private let label: String

        init(_ label: String, _ values: Shared<[String: Int64]>) { (self.label, self.values) = (label, values) }

        func increment(by amount: Int64) { add(amount) }
        func increment(by amount: Double) { add(Int64(amount)) }
        func decrement(by amount: Double) { add(-Int64(amount)) }
        func reset() { values.lock { $0[label] = 0 } }
        func record(_ value: Int64) { values.lock { $0[label] = value } }
        func record(_ value: Double) { record(Int64(value)) }
        func set(_ value: Int64) { record(value) }
        func set(_ value: Double) { record(Int64(value)) }
        func recordNanoseconds(_ duration: Int64) { add(1) }
        private func add(_ amount: Int64) { values.lock { $0[label, default: 0] += amount } }
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        let labels = dimensions.map { "{\($0)=\($1)}" }.joined()
        return Handler(label + labels, values)
    }
    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        Handler(label, values)
    }
    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { Handler(label, values) }
    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler { Handler(label, values) }
    func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        Handler(label, values)
    }
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
    func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
}
