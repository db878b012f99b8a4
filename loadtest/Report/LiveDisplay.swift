import Foundation
import Synchronization

/// Shows a run while it goes on: a block that is redrawn on a terminal, a line every few seconds elsewhere.
final class LiveDisplay: Sendable {
    enum Form: Equatable, Sendable {
        case block, lines, none

        static func of(_ descriptor: Int32) -> Form { isatty(descriptor) == 1 ? .block : .lines }
    }

    /// How often there is a line when it is no terminal.
    static let secondsBetweenLines = 5.0

    private let form: Form
    private let write: @Sendable (String) -> Void
    private let state = Mutex(State())

    private struct State {
        var title = ""
        var phase = ""
        var phaseBegan = 0.0
        var phaseSeconds: Double?
        var last = RunSample(at: 0)
        var totals = RunCounts()
        var wrong = 0
        var lineAt = -Double.infinity
        /// Lines of the block that stands on the terminal now.
        var drawn = 0
    }

    init(form: Form, write: @escaping @Sendable (String) -> Void = { Terminal.write($0, to: STDERR_FILENO) }) {
        self.form = form
        self.write = write
    }

    /// A run begins. - Parameter title: For example `notify: 10,000 sessions, 1,000/s`.
    func begin(_ title: String) {
        state.withLock { $0 = State(title: title) }
        if form == .lines { write(title + "\n") }
    }

    /// What the run does now, and how long that takes, if that is known.
    func phase(_ name: String, seconds: Double? = nil) {
        let changed = state.withLock { state in
            defer { (state.phase, state.phaseSeconds, state.phaseBegan) = (name, seconds, state.last.at) }
            return state.phase != name
        }
        if form == .lines, changed {
            write("- \(name)" + (seconds.map { ", \(FigureText.duration($0))" } ?? "") + "\n")
        }
    }

    /// - Parameter wrong: What the checks have found so far.
    func show(_ sample: RunSample, wrong: Int = 0) {
        let text: String? = state.withLock { state in
            state.last = sample
            state.totals += sample.counts
            state.wrong = wrong
            switch form {
            case .none: return nil
            case .lines:
                guard sample.at - state.lineAt >= Self.secondsBetweenLines - 0.5 else { return nil }
                state.lineAt = sample.at
                return Self.line(state) + "\n"
            case .block:
                let lines = Self.block(state)
                defer { state.drawn = lines.count }
                return Terminal.redraw(lines, over: state.drawn)
            }
        }
        if let text { write(text) }
    }

    /// Something that a user has to know now; stays above the block.
    func note(_ text: String) {
        let redraw: String? = state.withLock { state in
            guard form == .block, state.drawn > 0 else { return nil }
            let lines = Self.block(state)
            return Terminal.redraw([text] + lines, over: state.drawn)
        }
        if form != .none { write(redraw ?? text + "\n") }
    }

    /// The block stays as it is, and what is written next stands below it.
    func end() { state.withLock { $0.drawn = 0 } }
}

// MARK: What it says

extension LiveDisplay {
    private static func line(_ state: State) -> String {
        let sample = state.last
        var parts = [FigureText.duration(sample.at), state.phase, "\(FigureText.count(sample.sessions)) sessions"]
        parts += rates(sample)
        if let (timed, latency) = main(sample) {
            parts.append("\(timed.title) p50 \(FigureText.milliseconds(latency.p50))")
            parts.append("p99 \(FigureText.milliseconds(latency.p99))")
        }
        parts += trouble(state)
        if let left = left(state) { parts.append("\(FigureText.duration(left)) left") }
        return parts.filter { !$0.isEmpty }.joined(separator: ", ")
    }

    private static func block(_ state: State) -> [String] {
        let sample = state.last
        var lines = ["\u{1B}[1m\(state.title)\u{1B}[0m"]
        let left = left(state).map { ", \(FigureText.duration($0)) left" } ?? ""
        lines.append(row(state.phase, "\(FigureText.duration(sample.at))\(left)"))
        lines.append(row("sessions", FigureText.count(sample.sessions)))
        lines.append(row("rates", rates(sample).joined(separator: "   ")))
        for timed in Timed.allCases {
            guard let latency = sample.latency[timed] else { continue }
            let figures = [
                ("p50", latency.p50), ("p99", latency.p99), ("p99.9", latency.p999), ("max", latency.max),
            ].map { "\($0.0) \(FigureText.milliseconds($0.1))" }
            lines.append(row(timed.title, figures.joined(separator: "   ")))
        }
        let trouble = trouble(state)
        lines.append(row("errors", trouble.isEmpty ? "none" : trouble.joined(separator: "   ")))
        return lines
    }

    private static func row(_ name: String, _ value: String) -> String {
        name.padding(toLength: max(18, name.count), withPad: " ", startingAt: 0) + " " + value
    }

    private static func rates(_ sample: RunSample) -> [String] {
        let all: [(String, KeyPath<RunCounts, Int>)] = [
            ("connects", \.connects), ("resumes", \.resumes), ("publishes", \.publishes), ("deliveries", \.deliveries),
            ("replies", \.replies),
        ]
        return all.compactMap { name, count in
            let rate = sample.rate(count)
            return rate > 0 ? "\(FigureText.short(rate)) \(name)/s" : nil
        }
    }

    private static func trouble(_ state: State) -> [String] {
        [
            (state.wrong, "wrong"), (state.totals.errors, "errors"), (state.totals.drops, "dropped"),
            (state.totals.deferred, "told to come later"),
        ].compactMap { $0.0 > 0 ? "\(FigureText.count($0.0)) \($0.1)" : nil }
    }

    private static func left(_ state: State) -> Double? {
        state.phaseSeconds.map { max(0, $0 - (state.last.at - state.phaseBegan)) }
    }

    /// The latency that a single line has room for.
    private static func main(_ sample: RunSample) -> (Timed, LatencySummary)? {
        Timed.allCases.lazy.compactMap { timed in sample.latency[timed].map { (timed, $0) } }.first
    }
}
