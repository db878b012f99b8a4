import Foundation

/// A result as one page without anything external: no script, no font, no image. Can be mailed, and opens from disk.
enum HTMLReport {
    static func page(_ result: RunResult) -> String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta name="generator" content="apus-loadtest">
        <title>\(HTML.escaped("\(result.scenario) – apus-loadtest"))</title>
        <style>\(style)</style>
        </head>
        <body>
        \(header(result))
        <main>
        \(tiles(result))
        \(checks(result))
        \(plots(result))
        \(latency(result))
        \(background(result))
        </main>
        <footer><p>Latency of an open loop counts from when something was meant to be sent, so that a server that falls
        behind cannot hide it. Percentiles are of HDR histograms with three digits, merged over all workers.</p></footer>
        </body>
        </html>

        """
    }

    // MARK: Parts

    private static func header(_ result: RunResult) -> String {
        let mark =
            switch result.verdict {
            case .held: "✓ every check held"
            case .broken: "✗ checks failed"
            case .incomplete: "✗ not finished"
            }
        let began = Date(timeIntervalSince1970: result.started)
            .formatted(.iso8601.year().month().day().dateSeparator(.dash).time(includingFractionalSeconds: false))
            .replacing("T", with: " ").replacing("Z", with: "")
        let failure = result.failure.map { "<p class=\"failure\">\(HTML.escaped($0))</p>" } ?? ""
        let notes = result.notes.map { "<li>\(HTML.escaped($0))</li>" }.joined()
        return """
            <header>
            <p class="product">apus-loadtest</p>
            <h1>\(HTML.escaped(result.scenario)) <span class="verdict \(result.verdict.rawValue)">\(mark)</span></h1>
            <p class="when">\(began) UTC, \(FigureText.duration(result.seconds)), \(HTML.escaped(result.machine.text))</p>
            \(failure)
            \(notes.isEmpty ? "" : "<ul class=\"notes\">\(notes)</ul>")
            </header>
            """
    }

    /// The figures that one looks for first.
    private static func tiles(_ result: RunResult) -> String {
        var all: [(String, String)] = []
        if let most = result.samples.map(\.sessions).max(), most > 0 {
            all.append(("sessions", FigureText.count(most)))
        }
        if let best = result.samples.map({ $0.rate(\.deliveries) }).max(), best > 0 {
            all.append(("deliveries, best second", FigureText.short(best) + "/s"))
        }
        for timed in Timed.allCases {
            guard let latency = result.latency[timed] else { continue }
            all.append(("\(timed.title), p50", FigureText.milliseconds(latency.p50)))
            all.append(("\(timed.title), p99", FigureText.milliseconds(latency.p99)))
            break
        }
        all += result.figures.prefix(6).map { ($0.name, $0.text) }
        let items = all.map { "<div><dt>\(HTML.escaped($0.0))</dt><dd>\(HTML.escaped($0.1))</dd></div>" }
        return "<dl class=\"tiles\">\(items.joined(separator: "\n"))</dl>"
    }

    private static func checks(_ result: RunResult) -> String {
        let checks = result.checks
        let items = RunCheck.allCases.map { check in
            let count = checks[check]
            return "<div class=\"\(count == 0 ? "good" : "bad")\"><dt>\(HTML.escaped(check.title))</dt>"
                + "<dd>\(count == 0 ? "" : "✗ ")\(FigureText.count(count))</dd></div>"
        }
        let offenders = HTML.table(
            "The first offenders", head: ["check", "user", "expected", "got"],
            rows: checks.offenders.map { [$0.check.title, $0.user, $0.expected, $0.got] }, isText: true)
        return """
            <section aria-labelledby="checks">
            <h2 id="checks">Checks</h2>
            <p>\(FigureText.count(checks.verified)) deliveries, replies and resumes were compared with what was expected.</p>
            <dl class="tiles checks">\(items.joined(separator: "\n"))</dl>
            \(checks.offenders.isEmpty ? "" : offenders)
            </section>
            """
    }

    private static func latency(_ result: RunResult) -> String {
        guard !result.latency.isEmpty else { return "" }
        let rows = Timed.allCases.compactMap { timed in
            result.latency[timed].map { summary in
                [timed.title]
                    + [summary.p50, summary.p90, summary.p99, summary.p999, summary.max, summary.mean]
                    .map(FigureText.milliseconds) + [FigureText.count(summary.count)]
            }
        }
        return """
            <section aria-labelledby="latency">
            <h2 id="latency">Latency of the whole run</h2>
            \(HTML.table("From when it was meant to be sent", head: ["", "p50", "p90", "p99", "p99.9", "max", "mean", "count"], rows: rows))
            </section>
            """
    }

    /// What is looked up rather than read.
    private static func background(_ result: RunResult) -> String {
        var parts = ["<section aria-labelledby=\"run\"><h2 id=\"run\">The run</h2><div class=\"columns\">"]
        parts.append("<div><h3>Figures</h3>\(HTML.pairs(TextReport.figures(result)))</div>")
        parts.append("<div><h3>Settings</h3>\(HTML.pairs(result.settings.map { ($0.name, $0.value) }))")
        let versions = result.versions.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        if !versions.isEmpty { parts.append("<h3>Versions</h3>\(HTML.pairs(versions))") }
        parts.append("</div></div>")
        if !result.processes.isEmpty {
            let rows = result.processes.map { series in
                [
                    series.name, series.role.title, FigureText.bytes(series.samples.first?.resident ?? 0),
                    FigureText.bytes(series.peakResident), FigureText.number(series.cpuSeconds) + " s",
                ]
            }
            let table = HTML.table(
                "Every process", head: ["process", "role", "memory at first", "memory at most", "CPU time"], rows: rows)
            parts.append("<details><summary>Processes (\(rows.count))</summary>\(table)</details>")
        }
        parts.append(samples(result) + "</section>")
        return parts.joined(separator: "\n")
    }

    /// The plots as a table: for screen readers, and to copy from.
    private static func samples(_ result: RunResult) -> String {
        guard !result.samples.isEmpty else { return "" }
        let rows = result.samples.map { sample in
            let latency = Timed.allCases.lazy.compactMap { sample.latency[$0] }.first
            return [
                FigureText.fixed(sample.at, 1), sample.phase, FigureText.count(sample.sessions),
                FigureText.number(sample.rate(\.connects)), FigureText.number(sample.rate(\.publishes)),
                FigureText.number(sample.rate(\.deliveries)), latency.map { FigureText.number($0.p50) } ?? "",
                latency.map { FigureText.number($0.p99) } ?? "", FigureText.count(sample.counts.errors),
            ]
        }
        let table = HTML.table(
            "Every sample",
            head: [
                "second", "phase", "sessions", "connects/s", "publishes/s", "deliveries/s", "p50 ms", "p99 ms",
                "errors",
            ], rows: rows)
        return "<details><summary>Samples (\(rows.count))</summary>\(table)</details>"
    }
}
