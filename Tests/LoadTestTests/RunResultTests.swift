import Foundation
import Histogram
import Testing

@testable import apus_loadtest

@Suite("Results of runs")
struct RunResultTests {
    @Test("a result is the same after it was written as JSON and read again")
    func roundTrip() throws {
        var result = SampleResults.whole()
        result.checks.add(.lost, .init(.lost, user: "u1", expected: "seq 7", got: "seq 8"))
        result.notes = ["pings every 600 s"]
        let json = try RunFile.json(result)
        #expect(try RunFile.result(json) == result)
        // Names that readers of the file rely on.
        let tree = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
        #expect(tree["verdict"] as? String == "broken")
        let checks = try #require(tree["checks"] as? [String: Any])
        #expect((checks["counts"] as? [String: Int]) == ["lost": 1])
        #expect((tree["latency"] as? [String: Any])?["delivery"] != nil)
    }

    @Test("checks add up over workers and keep the first offenders of each kind")
    func checksAddUp() {
        var all = RunChecks()
        for worker in 1...4 {
            var checks = RunChecks()
            checks.verified = 10
            for number in 1...3 {
                checks.add(.doubled, .init(.doubled, user: "u\(worker)\(number)", expected: "once", got: "twice"))
            }
            all.add(checks)
        }
        #expect(all.verified == 40)
        #expect(all[.doubled] == 12)
        #expect(all.offenders.map(\.user) == ["u11", "u12", "u13", "u21", "u22"])
        #expect(!all.held)
        all = RunChecks()
        all.add(.lost, count: 0)
        #expect(all.held)
    }

    @Test("a run that published and of which nothing came does not hold")
    func nothingVerified() {
        var checks = RunChecks()
        checks.noteNothingVerified(published: 0)
        #expect(checks.held)
        checks.noteNothingVerified(published: 1200)
        #expect(checks[.nothingVerified] == 1 && checks.offenders.first?.expected == "some of 1,200 published")
        checks = RunChecks(verified: 1)
        checks.noteNothingVerified(published: 1200)
        #expect(checks.held)
    }

    @Test("a run that came to no end is neither held nor broken")
    func incomplete() {
        var result = SampleResults.whole()
        #expect(result.verdict == .held)
        result.failure = "no more memory at 812,000 sessions"
        #expect(result.verdict == .incomplete)
    }

    @Test("a summary of a histogram is in milliseconds, with a curve as far as there are values")
    func summary() throws {
        var histogram = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        #expect(LatencySummary(microseconds: histogram) == nil)
        for value in 1...10_000 { histogram.record(UInt64(value)) }
        let summary = try #require(LatencySummary(microseconds: histogram, distribution: true))
        #expect(summary.count == 10_000)
        #expect(abs(summary.p50 - 5) < 0.01 && abs(summary.p99 - 9.9) < 0.01 && abs(summary.p999 - 9.99) < 0.01)
        #expect(abs(summary.max - 10) < 0.01 && abs(summary.mean - 5) < 0.01)
        let curve = try #require(summary.distribution)
        #expect(curve.last.map { $0.percentile <= 99.99 } == true && curve.count > 20)
        #expect(zip(curve, curve.dropFirst()).allSatisfy { $0.milliseconds <= $1.milliseconds })
    }

    @Test("CPU is counted between samples, memory at its highest")
    func series() {
        let series = ProcessSeries(
            name: "gw-1", role: .node,
            samples: [
                ProcessSample(at: 0, resident: 10, cpuSeconds: 3), ProcessSample(at: 2, resident: 30, cpuSeconds: 4),
                ProcessSample(at: 4, resident: 20, cpuSeconds: 4.5),
            ])
        #expect(series.cpuSeconds == 1.5)
        #expect(series.peakResident == 30)
        #expect(series.cpuShares.map(\.share) == [0.5, 0.25])
    }
}
