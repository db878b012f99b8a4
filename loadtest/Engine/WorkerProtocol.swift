import Foundation

/// What a worker is: the sessions it holds, where they connect, and how it publishes. The first line it gets.
struct WorkerSetup: Codable, Sendable {
    /// Its place among the workers.
    var index = 0
    /// In the marker of every payload of this run.
    var run: UInt32
    /// The first user and how many.
    var first = 0
    var count = 0
    var targets: [Endpoint]
    /// The `Host` header.
    var host = "localhost"
    var path = "/ws"
    /// Source addresses; none leaves it to the kernel.
    var sources: [UInt32] = []
    var userPrefix = "u"
    var secret: String?
    var tokenFile: String?
    var tokenSeconds = 6 * 3600
    /// `nats://…`; durable notifications then go through JetStream.
    var nats: String?
    var natsPrefix = "apus"
    /// The backend API, when there is no NATS.
    var backend: Endpoint?
    var apiKey = ""
    var payloadBytes = 100
    /// Topics; session n subscribes to topic n modulo this. 0: none.
    var topics = 0
    /// The share of sessions that never read.
    var slowShare = 0.0
    /// Of `Clock`: seconds of samples count from here.
    var origin: UInt64
    /// Seconds between samples.
    var sampleSeconds = 1
    /// Handshakes under way at once, of sessions that were never in; those that come back do not wait.
    var handshakesMax = 512
    /// Another server's protocol; nil is that of Apus.
    var peer: String?

    func topicName(_ topic: Int) -> String { "load.\(run).\(topic)" }
}

/// Something that goes on at a rate.
struct Activity: Codable, Equatable, Sendable {
    enum Kind: String, Codable, Sendable {
        /// Durable notifications.
        case notify
        /// Live events to one user.
        case live
        /// Live events to a topic; only one worker publishes.
        case topic
        /// Direct messages from a session to the other one of its pair.
        case send
        /// Sessions that leave and come back.
        case churn
    }

    var kind: Kind
    /// Per second, in this worker.
    var rate: Double
    /// Of `Clock`.
    var start: UInt64
    var seconds: Double
    /// To every session once, in order, however long it takes; otherwise to random ones for `seconds`.
    var each = false
}

/// What the controller tells a worker; one JSON document per line.
enum WorkerCommand: Codable, Sendable {
    case setup(WorkerSetup)
    /// Hold so many sessions, beginning so many per second.
    case connect(target: Int, perSecond: Double)
    case begin([Activity])
    /// Break so many connections at once; they come back after the pause and resume.
    case drop(count: Int, pauseMilliseconds: Int)
    /// Wait until everything that was published has come; with how much every topic had.
    case settle(topics: [UInt32], milliseconds: Int)
    /// Judge what is missing.
    case finish
    /// Sessions that end from now on stay away.
    case letGo
    case quit
}

/// What a worker tells the controller; one JSON document per line.
enum WorkerReport: Codable, Sendable {
    /// It is set up.
    case ready
    /// As many sessions are open as were wanted.
    case holding
    /// All activities have ended; how much every topic had.
    case idle(topics: [UInt32])
    /// Everything has come, or time is up.
    case settled(missing: Int)
    case sample(WorkerSample)
    case finished(Findings, withheld: Int)
    /// It cannot go on.
    case fatal(String)
}

/// What happened in a worker since the sample before.
struct WorkerSample: Codable, Sendable {
    /// Which interval since the origin; all workers cut at the same times.
    var interval = 0
    /// At its end.
    var held = 0
    var connecting = 0
    var waiting = 0
    /// Published and not here yet.
    var tally = Tally()
    /// Histograms, as text.
    var delivery = ""
    var ok = ""
    var connect = ""
    var resume = ""
    /// Faults so far.
    var faults = 0
    /// Of this process, since its start.
    var cpuSeconds = 0.0
    var residentBytes = 0
    /// What went wrong, in words, and how often.
    var problems: [String: Int] = [:]
}

/// Counts; samples have those of their interval.
struct Tally: Codable, Equatable, Sendable {
    var connects = 0
    var resumes = 0
    var losses = 0
    /// Answered 503, 4503, `rate_limited`, `unavailable`: come back later.
    var refusals = 0
    var failures = 0
    var frames = 0
    var bytes = 0
    /// Events of this run that came for the first time.
    var deliveries = 0
    var published = 0
    /// Publishes that were acknowledged.
    var stored = 0
    /// What was due and was left out: nobody was there to get it or to say it.
    var skipped = 0
    /// How often the ramp waited for handshakes under way.
    var paced = 0
    var sent = 0
    var oks = 0
    var pings = 0
    var behinds = 0
    /// How much later than intended something was published, at most; nanoseconds.
    var latenessMax: UInt64 = 0

    mutating func add(_ other: Tally) {
        connects += other.connects
        resumes += other.resumes
        losses += other.losses
        refusals += other.refusals
        failures += other.failures
        frames += other.frames
        bytes += other.bytes
        deliveries += other.deliveries
        published += other.published
        stored += other.stored
        skipped += other.skipped
        paced += other.paced
        sent += other.sent
        oks += other.oks
        pings += other.pings
        behinds += other.behinds
        latenessMax = max(latenessMax, other.latenessMax)
    }
}

/// JSON documents, one per line.
enum Lines {
    static func encode(_ value: some Encodable) throws -> Data {
        var line = try JSONEncoder().encode(value)
        line.append(UInt8(ascii: "\n"))
        return line
    }

    static func decode<Value: Decodable>(_ type: Value.Type, _ line: some Sequence<UInt8>) throws -> Value {
        try JSONDecoder().decode(type, from: Data(line))
    }
}

/// Cuts what comes from a pipe into lines.
struct LineBuffer {
    private var rest: [UInt8] = []

    /// Takes bytes. - Returns: The lines that are whole now.
    mutating func take(_ bytes: some Collection<UInt8>) -> [[UInt8]] {
        rest += bytes
        guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
        defer { rest.removeSubrange(...end) }
        return rest[..<end].split(separator: UInt8(ascii: "\n")).map { Array($0) }
    }
}
