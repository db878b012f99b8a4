import Foundation
import Glibc
import Wire

/// A process that holds sessions: one thread, one epoll, one buffer for all of them (ADR 19).
///
/// What the controller says comes as lines on standard input, what it is told goes out as lines on standard output.
final class Worker {
    /// What a tag of the poller without the highest bit means: a session and its generation.
    enum Tag {
        static let special: UInt64 = 1 << 63
        static let input = special
        static let publisher = special | 1 << 32
    }

    let setup: WorkerSetup
    let users: Users
    let poller: Poller
    let ledger: Ledger
    let dialect: (any Dialect)?
    // SAFETY: allocated in `init` for `setup.count` sessions, never freed before the process ends; one thread.
    let records: UnsafeMutablePointer<SessionRecord>
    /// Where everything is read into.
    // SAFETY: as `records`; `bufferBytes` long.
    let buffer: UnsafeMutableRawPointer
    static let bufferBytes = 1 << 20
    /// When that was.
    var receivedAt: UInt64 = 0

    /// The beginning of a frame whose rest has not come.
    var carry: [Int: [UInt8]] = [:]
    /// What a full socket did not take.
    var unsent: [Int: [UInt8]] = [:]
    /// Frames are put together here.
    var scratch: [UInt8] = []
    var random = SplitMix(seed: Clock.now())

    // The ramp: sessions below `begun` were begun once.
    var begun = 0
    var target = 0
    var rampRate = 0.0
    var rampStart: UInt64 = 0
    var rampBase = 0
    var handshakes = 0
    var held = 0
    /// Sessions that may not come back: the server said that they are at fault.
    var givenUp = 0
    var tellsHolding = false
    /// Who ends does not come back.
    var staysAway = false
    /// Sessions that come back, and those that were never in.
    var returning = DueQueue()
    var arriving = DueQueue()

    var publisher: (any Publisher)?
    var runs: [ActivityRun] = []
    /// Notifications that were published and have not come yet; when the last one was published, and when one came.
    var underWay = 0
    var notifiedAt: UInt64 = 0
    var deliveredAt: UInt64 = 0
    var topicSent: [UInt32]
    /// The newest event of each topic that a session heard, and when it was meant to be sent.
    var topicHeard: [(number: UInt32, time: UInt64)]
    /// Sends that were not answered.
    var pending: [UInt64: PendingSend] = [:]
    /// Sessions that were told to ask again later.
    var resends = DueQueue()

    var topicTotals: [UInt32] = []
    var settleDeadline: UInt64?
    var nextSettleLook: UInt64 = 0

    var tally = Tally()
    var delivery = LatencyHistogram()
    var okLatency = LatencyHistogram()
    var connectLatency = LatencyHistogram()
    var resumeLatency = LatencyHistogram()
    var problems: [String: Int] = [:]
    var nextSample: UInt64
    var everHeld = false
    var isDone = false
    private var input = LineBuffer()

    init(setup: WorkerSetup) throws {
        self.setup = setup
        if let file = setup.tokenFile {
            users = try Users(file: file, first: setup.first)
        } else {
            users = Users(
                prefix: setup.userPrefix, first: setup.first, secret: setup.secret ?? "",
                lifetimeSeconds: setup.tokenSeconds)
        }
        poller = try Poller()
        let names = users
        ledger = Ledger(sessions: setup.count) { names.name($0) }
        dialect = setup.peer.flatMap { Dialects.named($0) }
        records = .allocate(capacity: max(1, setup.count))
        records.initialize(repeating: SessionRecord(), count: max(1, setup.count))
        buffer = .allocate(byteCount: Self.bufferBytes, alignment: 16)
        topicSent = Array(repeating: 0, count: setup.topics)
        topicHeard = Array(repeating: (number: 0, time: 0), count: setup.topics)
        let interval = UInt64(setup.sampleSeconds) * Clock.second
        nextSample = setup.origin + ((max(Clock.now(), setup.origin) - setup.origin) / interval + 1) * interval
        try poller.add(STDIN_FILENO, tag: Tag.input)
        publisher = try makePublisher()
    }

    private func makePublisher() throws -> (any Publisher)? {
        let outcome: (Ticket, PublishOutcome) -> Void = { [unowned self] in published($0, $1) }
        if let peer = dialect { return try peer.publisher(setup, poller, outcome) }
        if let url = setup.nats {
            return try NATSPublisher(url: url, prefix: setup.natsPrefix, poller: poller, outcome: outcome)
        }
        guard let backend = setup.backend else { return nil }
        return try HTTPPublisher(backend: backend, key: setup.apiKey, poller: poller, outcome: outcome)
    }

    // MARK: The loop

    func run() throws {
        tell(.ready)
        while !isDone {
            let now = Clock.now()
            var due = nextSample
            due = min(due, ramp(now))
            due = min(due, comeBack(now))
            due = min(due, act(now))
            due = min(due, askAgain(now))
            due = min(due, settle(now))
            publisher?.flush(now)
            if now >= nextSample { sample(now) }
            let later = Clock.now()
            try turn(nanoseconds: due > later ? Int64(min(due - later, Clock.second)) : 0)
        }
    }

    private func turn(nanoseconds: Int64) throws {
        let count = poller.wait(nanoseconds: nanoseconds)
        for at in 0..<count {
            let event = poller[at]
            if event.tag & Tag.special == 0 {
                sessionReady(event)
            } else if event.tag == Tag.input {
                try readInput()
            } else {
                publisher?.ready(event, Clock.now())
            }
        }
    }

    // MARK: The controller

    private func readInput() throws {
        _ = fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK)
        while true {
            let count = read(STDIN_FILENO, buffer, Self.bufferBytes)
            if count < 0, errno == EINTR { continue }
            if count < 0 { return }
            // The controller is gone: nobody wants the result.
            guard count > 0 else { exit(0) }
            for line in input.take(UnsafeRawBufferPointer(start: buffer, count: count)) {
                try obey(try Lines.decode(WorkerCommand.self, line))
            }
        }
    }

    private func obey(_ command: WorkerCommand) throws {
        switch command {
        case .setup: throw LoadError("a worker is set up once")
        case .connect(let target, let perSecond): startRamp(to: target, perSecond: perSecond)
        case .begin(let activities): runs += activities.map { ActivityRun($0) }
        case .drop(let count, let pause): drop(count, pauseMilliseconds: pause)
        case .settle(let topics, let milliseconds):
            topicTotals = topics
            settleDeadline = Clock.now() + UInt64(milliseconds) * Clock.millisecond
            nextSettleLook = 0
        case .finish: finish()
        case .letGo: staysAway = true
        case .quit: isDone = true
        }
    }

    func tell(_ report: WorkerReport) {
        guard let line = try? Lines.encode(report) else { return }
        line.withUnsafeBytes { bytes in
            var at = 0
            while at < bytes.count {
                // SAFETY: `at` stays below the count of the bytes that live through this closure.
                let count = Glibc.write(STDOUT_FILENO, bytes.baseAddress! + at, bytes.count - at)
                if count < 0 {
                    if errno == EINTR { continue }
                    exit(1)
                }
                at += count
            }
        }
    }

    /// Says in words what goes wrong; the controller shows how often.
    func problem(_ text: String) {
        if problems.count < 50 || problems[text] != nil { problems[text, default: 0] += 1 }
    }

    private func sample(_ now: UInt64) {
        let interval = UInt64(setup.sampleSeconds) * Clock.second
        var sample = WorkerSample()
        sample.interval = Int((nextSample - setup.origin) / interval) - 1
        sample.held = held
        sample.connecting = handshakes
        sample.waiting = returning.count + arriving.count
        sample.tally = tally
        sample.delivery = delivery.text
        sample.ok = okLatency.text
        sample.connect = connectLatency.text
        sample.resume = resumeLatency.text
        sample.faults = ledger.findings.counts.values.reduce(0, +)
        (sample.cpuSeconds, sample.residentBytes) = OwnProcess.usage()
        sample.problems = problems
        tally = Tally()
        problems = [:]
        for histogram in [\Worker.delivery, \.okLatency, \.connectLatency, \.resumeLatency]
        where !self[keyPath: histogram].isEmpty {
            self[keyPath: histogram].reset()
        }
        nextSample += interval
        // After a pause (a stopped process) the missed intervals are left out.
        while nextSample <= now { nextSample += interval }
        tell(.sample(sample))
        sweepHandshakes(now)
    }
}

/// What this process has used, from the kernel.
enum OwnProcess {
    static func usage() -> (cpuSeconds: Double, residentBytes: Int) {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let cpu =
            Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return (cpu, pages * Int(sysconf(Int32(_SC_PAGESIZE))))
    }

    /// Raises the soft limit of open files to the hard one. - Returns: The hard limit.
    @discardableResult
    static func raiseFileLimit() -> Int {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_max)
    }
}

/// Random numbers that cost a nanosecond (SplitMix64): whom to notify, masks, jitter.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    /// From 0 up to and without `bound`.
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }
}
