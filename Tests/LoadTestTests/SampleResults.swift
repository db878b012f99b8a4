@testable import apus_loadtest

/// Results for the tests of reports.
enum SampleResults {
    /// Everything in it, everything in order.
    static func whole(seconds: Int = 30, nodes: Int = 3) -> RunResult {
        var result = RunResult(scenario: "notify", started: 1_764_000_000, ended: 1_764_000_000 + Double(seconds))
        result.settings = [RunSetting("sessions", 12_345), RunSetting("rate", "1,000/s <open loop>")]
        result.machine = Machine(
            processor: "Test CPU", cores: 2, memoryBytes: 24_000_000_000, system: "Debian", kernel: "6.1")
        result.versions = ["apus": "0.1.0", "redis-server": "7.0.15"]
        for second in 1...seconds {
            var sample = RunSample(at: Double(second), phase: second <= seconds / 3 ? "ramp" : "publish")
            sample.sessions = min(12_345, second * 1500)
            if second <= seconds / 3 {
                sample.counts.connects = 1500
                sample.latency[.connect] = latency(100, base: 1.2)
            } else {
                sample.counts.publishes = 1000
                sample.counts.deliveries = 990 + second % 20
                sample.latency[.delivery] = latency(1000, base: 2 + Double(second % 7))
            }
            result.totals += sample.counts
            result.samples.append(sample)
        }
        let points = (0..<24).map { step in
            LatencySummary.Point(percentile: 100 * (1 - nineInverse(step)), milliseconds: 2 + Double(step * step) / 4)
        }
        var whole = latency(20_000, base: 3)
        whole.distribution = points
        result.latency = [.delivery: whole, .connect: latency(12_345, base: 1.2)]
        result.figures = [RunFigure("node_bytes_per_session", "node memory per session", 2792, "bytes")]
        result.checks.verified = 20_000
        for node in 1...nodes {
            result.processes.append(process("gw-\(node)", .node, seconds, 40_000_000 + node * 1_000_000))
        }
        result.processes.append(process("redis-server", .redis, seconds, 20_000_000))
        result.processes.append(process("worker-1", .worker, seconds, 15_000_000))
        result.memory = (0...seconds).map {
            MemorySample(
                at: Double($0), slab: 200_000_000 + $0 * 3_000_000, sockets: 0, available: 1 << 34, redis: 9_000_000)
        }
        return result
    }

    private static func nineInverse(_ step: Int) -> Double {
        var value = 1.0
        for _ in 0..<step { value /= 1.5 }
        return value
    }

    static func latency(_ count: Int, base: Double) -> LatencySummary {
        LatencySummary(
            count: count, mean: base * 1.1, p50: base, p90: base * 2, p99: base * 8, p999: base * 20, max: base * 45)
    }

    private static func process(_ name: String, _ role: ProcessSeries.Role, _ seconds: Int, _ bytes: Int)
        -> ProcessSeries
    {
        ProcessSeries(
            name: name, role: role,
            samples: (0...seconds).map {
                ProcessSample(at: Double($0), resident: bytes + $0 * 400_000, cpuSeconds: Double($0) * 0.4)
            })
    }
}
