import Foundation
import Synchronization
import Testing

@testable import apus_loadtest

@Suite("Reports")
struct ReportTests {
    @Test("the HTML report is one page that needs nothing else and has no script")
    func selfContained() {
        let page = HTMLReport.page(SampleResults.whole())
        for mark in [
            "http://", "https://", "src=", "href=", "@import", "url(", "<script", "<link", "<img", "javascript:",
        ] {
            #expect(!page.contains(mark), "\(mark) is in the page")
        }
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("prefers-color-scheme:dark"))
    }

    @Test("the HTML report holds the figures, and a plot of each thing that was measured")
    func holdsFigures() {
        let page = HTMLReport.page(SampleResults.whole())
        for text in ["12,345", "2,792 bytes", "Test CPU", "every check held", "0.1.0", "&lt;open loop&gt;"] {
            #expect(page.contains(text), "\(text) is missing")
        }
        for plot in [
            "Sessions", "Rates", "Latency: publish to socket", "Latency: connect to welcome", "Latency by percentile",
            "Memory", "Memory per node", "CPU", "CPU per node",
        ] {
            #expect(page.contains("<title>\(plot)</title>"), "no plot \(plot)")
        }
        // Each drawing has a name and a description for those who do not see it.
        #expect(page.count(of: "role=\"img\"") == 9 && page.count(of: "<desc>") == 9)
        #expect(!page.contains("NaN") && !page.contains("inf "))
    }

    @Test("whatever a gateway answered cannot become markup")
    func escapes() {
        var result = SampleResults.whole(seconds: 3)
        let nasty = "<script>alert(\"1\")</script>'&"
        result.checks.add(.foreign, .init(.foreign, user: nasty, expected: nasty, got: nasty))
        (result.scenario, result.failure, result.notes) = (nasty, nasty, [nasty])
        result.settings = [RunSetting(nasty, nasty)]
        result.samples[0].phase = nasty
        result.processes[0].name = nasty
        let page = HTMLReport.page(result)
        #expect(!page.contains("<script"))
        #expect(page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;"))
    }

    @Test("many nodes are drawn as their lowest, median and highest")
    func manyNodes() {
        let page = HTMLReport.page(SampleResults.whole(nodes: 54))
        #expect(page.contains("54 nodes: the lowest, the median and the highest."))
        #expect(page.contains("Processes (56)"))
    }

    @Test("a result without samples is a page all the same")
    func empty() {
        var result = RunResult(scenario: "idle", started: 0, ended: 0)
        result.failure = "the node did not start"
        let page = HTMLReport.page(result)
        #expect(page.contains("not finished") && page.contains("the node did not start"))
        #expect(!page.contains("<figure>"))
    }

    @Test("the text report names what failed, first offenders included")
    func text() {
        var result = SampleResults.whole()
        #expect(TextReport.text(result).hasPrefix("notify: every check held\n"))
        result.checks.add(.lost, .init(.lost, user: "u0000007", expected: "seq 8", got: "seq 9"))
        let text = TextReport.text(result)
        #expect(text.hasPrefix("notify: CHECKS FAILED\n"))
        #expect(text.contains("lost: u0000007 expected seq 8, got seq 9"))
        #expect(text.contains("p99.9") && text.contains("node memory per session") && text.contains("2,792 bytes"))
    }

    @Test("figures are written the way people read them")
    func figures() {
        #expect(FigureText.count(1_234_567) == "1,234,567")
        #expect(FigureText.count(-1234) == "-1,234")
        #expect(FigureText.number(0.7134) == "0.71" && FigureText.number(12.34) == "12.3")
        #expect(FigureText.number(1234.4) == "1,234" && FigureText.number(.nan) == "–")
        #expect(FigureText.short(1_623_456) == "1.6 M" && FigureText.short(75_231) == "75.2 k")
        #expect(FigureText.bytes(4404) == "4.3 KiB" && FigureText.bytes(10_415_296_512) == "9.7 GiB")
        #expect(FigureText.duration(125) == "2:05 min" && FigureText.duration(3723) == "1:02:03 h")
        #expect(FigureText.milliseconds(12_345) == "12.3 s")
    }

    @Test("axes hold all values and have round ticks")
    func axes() {
        let axis = Axis([3, 87])
        #expect(axis.range == 0...100 && axis.ticks == [0, 20, 40, 60, 80, 100])
        let latency = Axis([0.4, 90], scale: .logarithmic)
        #expect(latency.range.lowerBound <= 0.4 && latency.range.upperBound >= 90)
        #expect(latency.place(latency.range.lowerBound) == 0 && latency.place(1e9) == 1)
        #expect(Axis([]).ticks.count > 1 && Axis([0, 0]).ticks.count > 1 && Axis([5e-7]).ticks.count < 20)
        #expect(Axis.time(until: 600).ticks == [0, 120, 240, 360, 480, 600])
        #expect(Axis.timeText(45) == "45 s" && Axis.timeText(130) == "2:10")
    }
}

@Suite("Progress")
struct LiveDisplayTests {
    private final class Written: Sendable {
        let text = Mutex("")
        var all: String { text.withLock { $0 } }
        func display(_ form: LiveDisplay.Form) -> LiveDisplay {
            LiveDisplay(form: form) { more in self.text.withLock { $0 += more } }
        }
    }

    private static func sample(_ at: Double) -> RunSample {
        var sample = RunSample(at: at, phase: "publish", sessions: 10_000)
        sample.counts.deliveries = 75_231
        sample.counts.errors = 2
        sample.latency[.delivery] = SampleResults.latency(100, base: 2)
        return sample
    }

    @Test("without a terminal there is a plain line every five seconds, with rates, latency, errors and time left")
    func lines() {
        let written = Written()
        let display = written.display(.lines)
        display.begin("notify: 10,000 sessions")
        display.phase("publish", seconds: 30)
        for second in 1...11 { display.show(Self.sample(Double(second)), wrong: second == 11 ? 1 : 0) }
        let lines = written.all.split(separator: "\n")
        #expect(lines.count == 2 + 3, "\(written.all)")
        #expect(!written.all.contains("\u{1B}"))
        #expect(
            lines.last?.hasPrefix("11 s, publish, 10,000 sessions, 75.2 k deliveries/s, publish to socket p50 2 ms")
                == true)
        #expect(lines.last?.contains("1 wrong, 22 errors, 19 s left") == true, "\(lines.last ?? "")")
    }

    @Test("on a terminal the block replaces itself")
    func block() {
        let written = Written()
        let display = written.display(.block)
        display.begin("notify: 10,000 sessions")
        display.phase("publish", seconds: 30)
        display.show(Self.sample(1))
        let first = written.all
        let height = first.count { $0 == "\n" }
        #expect(first.contains("75.2 k deliveries/s") && first.contains("p99.9") && first.contains("29 s left"))
        display.show(Self.sample(2))
        let second = written.all.dropFirst(first.count)
        #expect(second.hasPrefix("\u{1B}[\(height)A"))
        display.note("one worker ended")
        display.end()
        #expect(written.all.contains("one worker ended\n"))
    }

    @Test("quiet is quiet")
    func quiet() {
        let written = Written()
        let display = written.display(.none)
        display.begin("x")
        display.phase("y")
        display.note("z")
        display.show(Self.sample(1))
        #expect(written.all.isEmpty)
    }
}

@Suite("Tables that the benchmarks write")
struct GeneratedTableTests {
    private static let document = """
        # Title
        <!-- generated:one -->
        old
        <!-- end of generated:one -->
        between
        <!-- generated:two -->
        <!-- end of generated:two -->
        after

        """

    @Test("only what stands between the markers changes, and again the same way")
    func rewritten() throws {
        let tables = ["one": "| a |\n|---|\n| 1 |\n", "two": "x"]
        let text = try GeneratedTables.rewritten(Self.document, tables)
        #expect(
            text.contains(
                "# Title\n<!-- generated:one -->\n\n| a |\n|---|\n| 1 |\n\n<!-- end of generated:one -->\nbetween\n"))
        #expect(text.contains("<!-- generated:two -->\n\nx\n\n<!-- end of generated:two -->\nafter\n"))
        #expect(!text.contains("old"))
        #expect(try GeneratedTables.rewritten(text, tables) == text)
    }

    @Test("a place that is missing is an error that says which lines are needed")
    func missing() {
        #expect(throws: GeneratedTables.Missing(name: "three", document: "the document")) {
            try GeneratedTables.rewritten(Self.document, ["three": "x"])
        }
    }

    @Test("a table is Markdown, whatever is in its cells")
    func markdown() {
        #expect(
            GeneratedTables.markdown(head: ["a", "b"], rows: [["1|2", "3"]]) == "| a | b |\n|---|---|\n| 1\\|2 | 3 |\n")
    }
}

extension String {
    fileprivate func count(of part: String) -> Int { components(separatedBy: part).count - 1 }
}
