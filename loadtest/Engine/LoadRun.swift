import Foundation
import Glibc

/// One run: workers with sessions, told what to do step by step. Scenarios are made of these steps.
actor LoadRun {
    private enum Step: Equatable { case none, busy, done }

    private struct WorkerState {
        var isReady = false
        var step = Step.none
        /// Activities go on, whatever else is done meanwhile.
        var isWorking = false
        var missing = 0
        var findings: Findings?
        var withheld = 0
        var isGone = false
    }

    nonisolated let plan: LoadPlan
    private let display: LiveDisplay
    private var workers: [WorkerHandle]
    private var states: [WorkerState]
    private var log: RunLog
    private var topics: [UInt32]
    private var phase = ""
    private var failure: String?
    private var shownProblems: Set<String> = []
    private let origin: UInt64

    /// Starts the workers and waits until each is set up.
    static func start(_ plan: LoadPlan, at target: Target, display: LiveDisplay) async throws -> LoadRun {
        // A worker that is gone shows when it is written to.
        signal(SIGPIPE, SIG_IGN)
        let setups = try plan.setups(for: target, fileLimit: OwnProcess.raiseFileLimit())
        let run = LoadRun(plan, try setups.map { try WorkerHandle($0) }, display)
        await run.listen()
        do {
            try await run.wait("set up", seconds: 60) { $0.isReady }
        } catch {
            await run.stop()
            throw error
        }
        return run
    }

    private init(_ plan: LoadPlan, _ workers: [WorkerHandle], _ display: LiveDisplay) {
        (self.plan, self.workers, self.display) = (plan, workers, display)
        states = Array(repeating: WorkerState(), count: workers.count)
        log = RunLog(workers: workers.count, sampleSeconds: plan.sampleSeconds)
        topics = Array(repeating: 0, count: plan.topics)
        origin = workers[0].setup.origin
    }

    /// Seconds since the beginning of the run, as its samples count them.
    nonisolated func elapsedSeconds() -> Double { Double(Clock.now() - origin) / 1e9 }

    /// Where no caller has a range, it is bounded all the same: 30 years, and nothing that is no number.
    private static func nanoseconds(_ seconds: Double) -> UInt64 {
        seconds > 0 ? UInt64(min(seconds, 1e9) * 1e9) : 0
    }

    // MARK: Hearing

    private func listen() {
        let heard = WorkerListener.listen(to: workers)
        Task { for await (worker, report) in heard { take(report, from: worker) } }
    }

    private func take(_ report: WorkerReport?, from worker: Int) {
        switch report {
        case .ready: states[worker].isReady = true
        case .holding: states[worker].step = .done
        case .idle(let topics):
            states[worker].isWorking = false
            // One worker publishes to topics, the others tell zeros.
            for at in topics.indices where at < self.topics.count { self.topics[at] = max(self.topics[at], topics[at]) }
        case .settled(let missing):
            states[worker].missing = missing
            states[worker].step = .done
        case .finished(let findings, let withheld):
            states[worker].findings = findings
            states[worker].withheld = withheld
            states[worker].step = .done
        case .fatal(let text): if failure == nil { failure = text }
        case .sample(let sample):
            for whole in log.take(sample, of: worker, phase: phase) {
                display.show(whole, wrong: log.faults.reduce(0, +))
            }
            for text in sample.problems.keys where shownProblems.count < 20 && shownProblems.insert(text).inserted {
                display.note(text)
            }
        case nil:
            states[worker].isGone = true
            if failure == nil, states[worker].findings == nil {
                failure = "worker \(worker + 1) ended, status \(workers[worker].process.exitStatus ?? -1)"
            }
        }
    }

    /// Waits until all workers are where `isThere` says.
    private func wait(
        _ what: String, seconds: Double, _ isThere: (WorkerState) -> Bool
    ) async throws {
        var deadline = Clock.now() + Self.nanoseconds(seconds)
        var progress = -1
        while !states.allSatisfy(isThere) {
            if let failure { throw LoadError(failure) }
            // Patience is for standing still: what goes on may go on.
            let now = log.total.connects + log.total.resumes + log.total.published + log.total.deliveries
            if now != progress {
                deadline = Clock.now() + Self.nanoseconds(seconds)
                progress = now
            }
            guard Clock.now() < deadline else {
                throw LoadError(
                    "nothing happened for \(FigureText.number(seconds)) s, and the workers are not \(what)")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        if let failure { throw LoadError(failure) }
    }

    private func begin(_ phase: String, seconds: Double?) {
        self.phase = phase
        display.phase(phase, seconds: seconds)
    }

    // MARK: Steps

    /// Opens sessions until so many are held, and waits for it. - Returns: How long it took, in seconds.
    @discardableResult
    func hold(_ sessions: Int? = nil, perSecond: Double? = nil, phase: String = "ramp") async throws -> Double {
        let wanted = sessions ?? plan.sessions
        let rate = perSecond ?? plan.connectsPerSecond
        begin(phase, seconds: Double(wanted) / rate)
        let began = Clock.now()
        for (at, worker) in workers.enumerated() {
            let (first, count) = (worker.setup.first, worker.setup.count)
            let target = Self.share(wanted, first, count, of: plan.sessions)
            states[at].step = .busy
            try worker.tell(
                .connect(target: target, perSecond: max(0.1, rate * Double(count) / Double(max(1, plan.sessions)))))
        }
        try await wait("holding \(wanted) sessions", seconds: 60) { $0.step == .done }
        return Double(Clock.now() - began) / 1e9
    }

    private static func share(_ wanted: Int, _ first: Int, _ count: Int, of all: Int) -> Int {
        wanted * (first + count) / max(1, all) - wanted * first / max(1, all)
    }

    /// Lets time pass.
    func pass(_ seconds: Double, phase: String) async throws {
        begin(phase, seconds: seconds)
        let end = Clock.now() + Self.nanoseconds(seconds)
        while Clock.now() < end {
            if let failure { throw LoadError(failure) }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// What is done at a rate, all workers together.
    struct Work: Sendable {
        var kind: Activity.Kind
        var rate: Double
        /// To every session once; otherwise for the time that is given.
        var each = false

        init(_ kind: Activity.Kind, rate: Double, each: Bool = false) {
            (self.kind, self.rate, self.each) = (kind, rate, each)
        }
    }

    /// Does all of `work` at the same time, and waits until it was published. - Returns: How long it took, in seconds.
    @discardableResult
    func perform(_ work: [Work], seconds: Double, phase: String) async throws -> Double {
        try beginWork(work, seconds: seconds, phase: phase)
        let began = Clock.now()
        try await endOfWork(patienceSeconds: seconds + 30)
        return Double(Clock.now() - began) / 1e9
    }

    /// Work begins so long after it was given out, so that all workers begin together.
    static let headStartSeconds = 0.1

    /// Begins work that goes on while other steps are taken; `endOfWork` waits for it.
    func beginWork(_ work: [Work], seconds: Double, phase: String) throws {
        let longest = work.map { $0.each ? Double(plan.sessions) / $0.rate : seconds }.max() ?? seconds
        begin(phase, seconds: longest)
        let start = Clock.now() + Self.nanoseconds(Self.headStartSeconds)
        for (at, worker) in workers.enumerated() {
            let share = Double(worker.setup.count) / Double(max(1, plan.sessions))
            let own = work.compactMap { one -> Activity? in
                let rate = one.kind == .topic ? (at == 0 ? one.rate : 0) : one.rate * share
                guard rate > 0 else { return nil }
                return Activity(kind: one.kind, rate: rate, start: start, seconds: seconds, each: one.each)
            }
            guard !own.isEmpty else { continue }
            states[at].isWorking = true
            try worker.tell(.begin(own))
        }
    }

    func endOfWork(patienceSeconds: Double) async throws {
        try await wait("finished with what they do", seconds: patienceSeconds) { !$0.isWorking }
    }

    /// Breaks so many connections at once, and waits until they are back. - Returns: How long it took, in seconds.
    @discardableResult
    func drop(_ count: Int, pauseMilliseconds: Int = 0, phase: String = "storm") async throws -> Double {
        begin(phase, seconds: nil)
        let began = Clock.now()
        for (at, worker) in workers.enumerated() {
            states[at].step = .busy
            let own = Self.share(count, worker.setup.first, worker.setup.count, of: plan.sessions)
            try worker.tell(.drop(count: own, pauseMilliseconds: pauseMilliseconds))
        }
        try await wait("holding all sessions again", seconds: 60) { $0.step == .done }
        return Double(Clock.now() - began) / 1e9
    }

    /// Waits until everything that was published has come. - Returns: How many events had not when time was up.
    @discardableResult
    func settle(seconds: Double? = nil) async throws -> Int {
        let seconds = seconds ?? plan.settleSeconds
        begin("settle", seconds: nil)
        for at in workers.indices {
            states[at].step = .busy
            try workers[at].tell(.settle(topics: topics, milliseconds: Int(seconds * 1000)))
        }
        try await wait("settled", seconds: seconds + 30) { $0.step == .done }
        return states.reduce(0) { $0 + $1.missing }
    }

    /// Sessions that end from now on stay away: for the end of a site, whose nodes go.
    func letGo() throws {
        begin("let go", seconds: nil)
        for worker in workers { try worker.tell(.letGo) }
    }

    /// Has the workers judge, and ends them unless their sessions are still needed.
    func finish(andStop: Bool = true) async throws -> LoadOutcome {
        begin("judge", seconds: nil)
        // The sample that is open now belongs to the run.
        try await Task.sleep(for: .milliseconds(1000 * plan.sampleSeconds + 100))
        for at in workers.indices {
            states[at].step = .busy
            try workers[at].tell(.finish)
        }
        try await wait("finished", seconds: 60) { $0.step == .done }
        let outcome = outcome()
        if andStop { stop() }
        return outcome
    }

    /// What is known now; for a run that came to no end, too.
    func outcome() -> LoadOutcome {
        var findings = Findings()
        for state in states { if let own = state.findings { findings.merge(own) } }
        return LoadOutcome(
            log: log, findings: findings, withheld: states.reduce(0) { $0 + $1.withheld }, workers: workers.count)
    }

    /// Totals up to the last samples.
    var totals: RunCounts { RunLog.counts(log.total) }

    /// The samples within a time of this run; waits for those that are on their way.
    func samples(from began: Double, to ended: Double) async throws -> PhaseSamples {
        let each = Double(plan.sampleSeconds)
        let last = (ended / each).rounded(.down) * each
        while !log.samples.contains(where: { $0.at >= last }), elapsedSeconds() < ended + 5 * each {
            if let failure { throw LoadError(failure) }
            try await Task.sleep(for: .milliseconds(10))
        }
        return PhaseSamples(log.samples, from: began, to: ended)
    }

    /// What a topic of this run is called.
    func topicName(_ topic: Int) -> String { workers[0].setup.topicName(topic) }

    func stop() {
        for worker in workers { worker.stop() }
        for worker in workers { worker.process.signal(SIGTERM) }
        for worker in workers { worker.process.waitUntilExit() }
        display.end()
    }
}

/// What a run came to.
struct LoadOutcome: Sendable {
    var log: RunLog
    var findings: Findings
    var withheld: Int
    var workers: Int

    /// Fills the parts of a result that come from the workers.
    func fill(_ result: inout RunResult) {
        result.samples = log.samples
        result.totals = RunLog.counts(log.total)
        result.latency = log.latencies.summaries(distribution: true)
        result.processes += log.processes
        result.checks.verified = log.total.deliveries + log.total.oks + log.total.resumes
        var reported: [Check: Int] = [:]
        for offender in findings.offenders {
            reported[offender.check, default: 0] += 1
            result.checks.add(
                offender.check.inReport,
                RunChecks.Offender(
                    offender.check.inReport, user: offender.user, expected: "\(offender.stream): \(offender.expected)",
                    got: offender.got))
        }
        for check in Check.allCases {
            result.checks.add(check.inReport, count: findings.count(check) - (reported[check] ?? 0))
        }
        result.checks.noteNothingVerified(published: result.totals.publishes)
        if withheld > 0 {
            result.notes.append(
                "\(FigureText.count(withheld)) live events were withheld from sessions that were slow or away")
        }
        if log.total.skipped > 0 {
            result.notes.append(
                "\(FigureText.count(log.total.skipped)) that were due were left out: no session was there for them")
        }
        if log.total.paced > 0 {
            result.notes.append("the ramp waited for sessions that were still connecting: few may be under way at once")
        }
        let late = Double(log.total.latenessMax) / 1e6
        if late > 50 {
            result.notes.append(
                "the load generator itself was late by up to \(FigureText.milliseconds(late)): it counts as latency")
        }
        for (text, count) in log.problems.sorted(by: { $0.value > $1.value }).prefix(10) {
            result.notes.append("\(FigureText.count(count)) × \(text)")
        }
    }
}

extension Check {
    /// What the report calls it.
    var inReport: RunCheck {
        switch self {
        case .lost: .lost
        case .doubled: .doubled
        case .misordered: .misordered
        case .phantom, .malformed, .foreign: .foreign
        case .resync: .unexpectedResync
        case .incompleteResume: .incompleteResume
        case .closed, .refused: .refused
        case .unanswered: .unanswered
        }
    }
}
