import Metrics
import Testing

@testable import Gateway

@Suite("The page that Prometheus reads")
struct PrometheusMetricsTests {
    @Test("Counters, gauges and histograms stand there with help, type, labels and sums")
    func page() {
        let metrics = PrometheusMetrics(help: ["apus_frames_total": "Frames sent\\to \"clients\"\nby this node."])
        Counter(label: "apus_frames_total", dimensions: [("kind", "text")], factory: metrics).increment(by: 3)
        Counter(label: "apus_frames_total", dimensions: [("kind", "a\"b\\c\nd")], factory: metrics).increment()
        Gauge(label: "apus.sessions", factory: metrics).record(12.5)
        let timer = Metrics.Timer(label: "apus_append", factory: metrics)
        timer.recordMilliseconds(3)
        timer.recordSeconds(20)
        #expect(
            metrics.render() == """
                # HELP apus_append_seconds apus append seconds
                # TYPE apus_append_seconds histogram
                apus_append_seconds_bucket{le="0.0005"} 0
                apus_append_seconds_bucket{le="0.001"} 0
                apus_append_seconds_bucket{le="0.0025"} 0
                apus_append_seconds_bucket{le="0.005"} 1
                apus_append_seconds_bucket{le="0.01"} 1
                apus_append_seconds_bucket{le="0.025"} 1
                apus_append_seconds_bucket{le="0.05"} 1
                apus_append_seconds_bucket{le="0.1"} 1
                apus_append_seconds_bucket{le="0.25"} 1
                apus_append_seconds_bucket{le="0.5"} 1
                apus_append_seconds_bucket{le="1"} 1
                apus_append_seconds_bucket{le="2.5"} 1
                apus_append_seconds_bucket{le="5"} 1
                apus_append_seconds_bucket{le="10"} 1
                apus_append_seconds_bucket{le="+Inf"} 2
                apus_append_seconds_sum 20.003
                apus_append_seconds_count 2
                # HELP apus_frames_total Frames sent\\\\to "clients"\\nby this node.
                # TYPE apus_frames_total counter
                apus_frames_total{kind="a\\"b\\\\c\\nd"} 1
                apus_frames_total{kind="text"} 3
                # HELP apus_sessions apus sessions
                # TYPE apus_sessions gauge
                apus_sessions 12.5

                """)
    }

    @Test("The same label and dimensions are the same metric, whoever makes it")
    func shared() {
        let metrics = PrometheusMetrics()
        Counter(label: "c", factory: metrics).increment()
        Counter(label: "c", factory: metrics).increment()
        #expect(metrics.render().hasSuffix("\nc 2\n"))
    }

    @Test("A name stands for one kind; another kind gets another name")
    func kinds() {
        let metrics = PrometheusMetrics()
        Counter(label: "x", factory: metrics).increment()
        Gauge(label: "x", factory: metrics).record(5)
        #expect(metrics.render().contains("# TYPE x counter\nx 1\n"))
        #expect(metrics.render().contains("# TYPE x_gauge gauge\nx_gauge 5\n"))
    }

    @Test("Counters never go back, and nonsense does not spoil a sum")
    func nonsense() {
        let metrics = PrometheusMetrics()
        let counter = Counter(label: "c", factory: metrics)
        counter.increment(by: 5)
        counter.increment(by: -3)
        let recorder = Recorder(label: "r", factory: metrics)
        recorder.record(Double.nan)
        recorder.record(Double.infinity)
        recorder.record(7)
        #expect(metrics.render().contains("\nc 5\n"))
        #expect(metrics.render().contains("r_sum 7\nr_count 1\n"))
    }

    @Test("Meters go up and down; a destroyed metric is gone from the page")
    func meters() {
        let metrics = PrometheusMetrics()
        let meter = Meter(label: "m", factory: metrics)
        meter.increment(by: 3.0)
        meter.decrement()
        #expect(metrics.render().contains("\nm 2\n"))
        meter.destroy()
        #expect(metrics.render() == "")
    }

    @Test("Many threads lose no count")
    func threads() async {
        let metrics = PrometheusMetrics()
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    let counter = Counter(label: "c", factory: metrics)
                    let float = FloatingPointCounter(label: "f", factory: metrics)
                    for _ in 0..<10_000 {
                        counter.increment()
                        float.increment(by: 0.5)
                    }
                }
            }
        }
        #expect(metrics.render().contains("\nc 80000\n"))
        #expect(metrics.render().contains("\nf 40000\n"))
    }

    @Test(
        "Names keep what the format allows",
        arguments: [("a.b-c", "a_b_c"), ("9lives", "_9lives"), ("é", "__"), ("", "_"), ("a:b", "a:b")])
    func names(label: String, name: String) {
        #expect(PrometheusLabels.name(label, colons: true) == name)
    }
}
