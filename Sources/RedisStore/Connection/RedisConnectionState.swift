import Core
import NIOCore

/// The state of one pipelined connection: who waits for which answer, and what may be sent now.
///
/// Pure: it is told what happened and says what to do; `RedisConnection` does it. Answers come in the order of the
/// commands, so whoever is first in `pending` owns the next one.
///
///     disconnected ──connected──► handshaking ──all steps ok──► ready ◄──────────────┐
///          ▲                          │                          │ NOSCRIPT          │ all in flight answered:
///          │                          │ a step is refused        ▼                   │ load, resend, send what was held
///          └────────── lost ──────────┴──────────────────────reloading ──────────────┘
///                        ▲                                       │ READONLY (also when ready)
///                        └──── all in flight answered ──────── draining
struct RedisConnectionState {
    private enum Phase {
        case disconnected(why: String)
        case handshaking
        case ready
        /// The server forgot its scripts. What it did not run waits in `resend`, what came later in `held`, so that the
        /// order stays as it was.
        case reloading
        /// Only answers that somebody waits for are waited for; then the connection is closed.
        case draining(why: String)
    }

    private enum Pending {
        case call(RedisCall)
        /// A call whose caller was told that it came too late. Its answer still comes, and is for nobody.
        case abandoned(bytes: Int)
        case step(HandshakeStep.Kind, deadline: UInt64)
        /// What an `ASKING` is answered; the call that it belongs to comes next.
        case asking(deadline: UInt64)
        /// The `WAIT` behind a batch, and one that only looks whether a replica answers.
        case confirm(deadline: UInt64)
        case probe(deadline: UInt64)

        var deadline: UInt64 {
            switch self {
            case .call(let call): call.deadline
            case .abandoned: 0
            case .step(_, let deadline), .asking(let deadline), .confirm(let deadline), .probe(let deadline): deadline
            }
        }
    }

    /// So many late commands are no reason to refuse new ones.
    private static let lateMin = 16

    private let steps: [HandshakeStep]
    private let commandsMax: Int
    private let bytesMax: Int
    private let deadlineNanoseconds: UInt64

    private var phase = Phase.disconnected(why: "not connected yet")
    private var pending = CircularBuffer<Pending>(initialCapacity: 64)
    /// How many of `pending` are abandoned; they are the first.
    private var abandoned = 0
    private var resend: [RedisCall] = []
    private var held: [RedisCall] = []
    private var bytesInFlight = 0
    /// When the last answer came.
    private var answeredAt: UInt64 = 0
    private var digests: [RedisScript: [UInt8]] = [:]
    private var confirmation: RedisConfirmation

    init(configuration: RedisConfiguration, steps: [HandshakeStep]) {
        self.steps = steps
        confirmation = RedisConfirmation(configuration: configuration)
        commandsMax = configuration.commandsInFlightMax
        bytesMax = configuration.bytesInFlightMax
        deadlineNanoseconds = UInt64(configuration.deadlineMilliseconds) * 1_000_000
    }

    var isReady: Bool {
        switch phase {
        case .ready, .reloading: true
        default: false
        }
    }

    /// Commands whose answer is still to come.
    var callsInFlight: Int { pending.count + resend.count + held.count + confirmation.answersHeld }
    /// Commands that nobody waits for any more and that the server may still do.
    var lateCalls: Int { abandoned }
    /// Nobody waits for an answer.
    var isSettled: Bool { callsInFlight == abandoned }
    /// Writes are refused, because no replica answers.
    var isSuspended: Bool { confirmation.isSuspended }
}

// MARK: Sending

extension RedisConnectionState {
    enum Submission {
        case write(ByteBuffer)
        /// It is sent later, after what was before it.
        case hold
        case refuse(StoreError)
    }

    mutating func submit(_ call: RedisCall) -> Submission {
        switch phase {
        case .disconnected(let why), .draining(let why):
            return .refuse(StoreError(.notStored, "Redis is not connected: \(why)"))
        case .handshaking: return .refuse(StoreError(.notStored, "Redis is not connected: handshake not finished"))
        case .ready, .reloading: break
        }
        guard callsInFlight < commandsMax, bytesInFlight + call.bytes.readableBytes <= bytesMax else {
            return .refuse(StoreError(.notStored, "Redis is too slow: \(callsInFlight) commands wait for answers"))
        }
        // What stands behind commands that are too late already would be too late as well: refused, it costs the server
        // nothing, and the queue becomes short again. A lease is renewed all the same.
        guard abandoned < Self.lateMin || abandoned * 4 < pending.count || call.isVital else {
            return .refuse(StoreError(.notStored, "Redis is too slow: it has still to do \(abandoned) late commands"))
        }
        var isHeld = if case .reloading = phase { true } else { false }
        switch confirmation.admits(call) {
        case .pass: break
        case .hold: isHeld = true
        case .refuse(let error): return .refuse(error)
        }
        bytesInFlight += call.bytes.readableBytes
        guard isHeld else { return .write(expect(call)) }
        held.append(call)
        return .hold
    }

    /// Everything of this turn of the loop was sent. - Returns: What goes behind it.
    mutating func turnEnded(now: UInt64) -> ByteBuffer? {
        guard let bytes = confirmation.turnEnded() else { return nil }
        pending.append(.confirm(deadline: now + deadlineNanoseconds))
        return bytes
    }

    /// Looks whether a replica answers again. - Returns: What is to be written.
    mutating func probe(now: UInt64) -> ByteBuffer? {
        guard isReady, let bytes = confirmation.probe() else { return nil }
        pending.append(.probe(deadline: now + deadlineNanoseconds))
        return bytes
    }

    /// - Returns: What is to be written.
    private mutating func expect(_ call: RedisCall) -> ByteBuffer {
        confirmation.sent(call)
        if call.isAsking { pending.append(.asking(deadline: call.deadline)) }
        pending.append(.call(call))
        return call.bytes
    }

    /// The connection is there. - Returns: the handshake, to be written at once.
    mutating func connected(now: UInt64) -> [ByteBuffer] {
        guard case .disconnected = phase, pending.isEmpty else { preconditionFailure("connected twice") }
        phase = .handshaking
        return write(steps, deadline: now + deadlineNanoseconds)
    }

    private mutating func write(_ steps: [HandshakeStep], deadline: UInt64) -> [ByteBuffer] {
        for step in steps { pending.append(.step(step.kind, deadline: deadline)) }
        return steps.map(\.bytes)
    }
}

// MARK: Receiving

extension RedisConnectionState {
    /// What an answer leads to; performed in the order of the members.
    struct Reception {
        enum Next {
            case goOn
            /// The handshake is done; these are the names of the scripts.
            case ready([RedisScript: [UInt8]])
            /// The server cannot be used now, or not at all.
            case close(RedisStartError)
        }

        var answered: [(call: RedisCall, result: Result<RedisReply, StoreError>)] = []
        /// Of those, writes that no replica confirmed.
        var unconfirmed = 0
        var refused: [(call: RedisCall, error: StoreError)] = []
        var write: [ByteBuffer] = []
        var next = Next.goOn
    }

    mutating func received(_ reply: RedisReply, now: UInt64) -> Reception {
        answeredAt = now
        guard let owner = pending.popFirst() else {
            return Reception(next: .close(.unreachable("an answer that nobody asked for")))
        }
        switch owner {
        case .step(let kind, _): return receivedStep(kind, reply)
        case .call(let call): return receivedAnswer(to: call, reply)
        case .abandoned(let bytes):
            abandoned -= 1
            bytesInFlight -= bytes
            return resumeOrClose(Reception())
        case .asking: return Reception()
        case .confirm: return receivedConfirmation(reply)
        case .probe:
            confirmation.probed(reply)
            return resumeOrClose(Reception())
        }
    }

    private mutating func receivedStep(_ kind: HandshakeStep.Kind, _ reply: RedisReply) -> Reception {
        if let error = kind.failure(reply) {
            phase = .draining(why: error.problem)
            return Reception(next: .close(error))
        }
        if case .load(let script) = kind, let digest = reply.bytes { digests[script] = digest }
        if kind == .role { confirmation.began(reply) }
        guard case .handshaking = phase, pending.isEmpty else { return resumeOrClose(Reception()) }
        phase = .ready
        return Reception(next: .ready(digests))
    }

    private mutating func receivedAnswer(to call: RedisCall, _ reply: RedisReply) -> Reception {
        var reception = Reception()
        if case .error(let message) = reply {
            switch RedisErrors.kind(message) {
            case "NOSCRIPT" where isReady && call.resends < RedisCall.resendsMax:
                phase = .reloading
                resend.append(call)
                return resumeOrClose(reception)
            case "READONLY" where isReady:
                // A replica now: its clients are closed once they have their answers, and find the master again.
                reception.refused = startDraining("the server is a replica now")
            default: break
            }
            answer(call, call.takesErrors ? .success(reply) : .failure(RedisErrors.storeError(message)), &reception)
        } else {
            answer(call, .success(reply), &reception)
        }
        return resumeOrClose(reception)
    }

    private mutating func answer(
        _ call: RedisCall, _ result: Result<RedisReply, StoreError>, _ reception: inout Reception
    ) {
        bytesInFlight -= call.bytes.readableBytes
        if !confirmation.keeps(call, result) { reception.answered.append((call, result)) }
    }

    private mutating func receivedConfirmation(_ reply: RedisReply) -> Reception {
        var reception = Reception(answered: confirmation.answered(reply))
        if confirmation.isSuspended { reception.unconfirmed = reception.answered.count(where: \.call.isConfirmed) }
        if case .ready = phase { release(&reception) }
        return resumeOrClose(reception)
    }

    /// Sends what was held, except writes that no replica would confirm.
    private mutating func release(_ reception: inout Reception) {
        let calls = held
        held = []
        for call in calls { sendAgain(call, &reception) }
    }

    private mutating func sendAgain(_ call: RedisCall, _ reception: inout Reception) {
        guard case .refuse(let error) = confirmation.admits(call) else { return reception.write.append(expect(call)) }
        bytesInFlight -= call.bytes.readableBytes
        reception.refused.append((call, error))
    }

    /// When everything in flight is answered: goes on with what waited for that.
    private mutating func resumeOrClose(_ reception: Reception) -> Reception {
        var reception = reception
        switch phase {
        case .reloading where pending.isEmpty:
            phase = .ready
            let loads = steps.filter { if case .load = $0.kind { true } else { false } }
            reception.write = write(loads, deadline: answeredAt + deadlineNanoseconds)
            let again = resend
            resend = []
            for var call in again {
                call.resends += 1
                sendAgain(call, &reception)
            }
            release(&reception)
        case .draining(let why) where isSettled: reception.next = .close(.unreachable(why))
        default: break
        }
        return reception
    }

    /// Takes nothing more. - Returns: what was not sent yet.
    private mutating func startDraining(_ why: String) -> [(call: RedisCall, error: StoreError)] {
        phase = .draining(why: why)
        let unsent = resend + held
        resend = []
        held = []
        for call in unsent { bytesInFlight -= call.bytes.readableBytes }
        return unsent.map { ($0, StoreError(.notStored, "Redis is not connected: \(why)")) }
    }
}

// MARK: Ending

extension RedisConnectionState {
    /// What is to be done about commands that should have been answered by now.
    enum Lateness {
        case none
        /// The server answers, but later than callers can wait: these are told so. A connection more would only make it
        /// slower: each loads all scripts, and after it all heads are compared.
        case slow([RedisCall])
        /// It does not answer at all, or what is late is no call: the connection is of no use.
        case silent
    }

    /// - Parameter heardAt: When the server said something last, or the connection began.
    mutating func late(now: UInt64, heardAt: UInt64) -> Lateness {
        guard let deadline = nextDeadline(heardAt: heardAt), deadline <= now else { return .none }
        // What is confirmed by a replica has an answer of its own behind it: it is not taken apart.
        guard now < heardAt + deadlineNanoseconds, !confirmation.isStrict else { return .silent }
        var calls: [RedisCall] = []
        while abandoned < pending.count {
            let index = pending.index(pending.startIndex, offsetBy: abandoned)
            guard pending[index].deadline <= now else { break }
            // Those before it are told first: the next look, at once, finds it alone.
            guard case .call(let call) = pending[index] else { return calls.isEmpty ? .silent : .slow(calls) }
            pending[index] = .abandoned(bytes: call.bytes.readableBytes)
            abandoned += 1
            calls.append(call)
        }
        return .slow(calls)
    }

    /// When to look again: when the oldest command that somebody waits for must be answered, or when the server has been
    /// silent for too long; nil when nothing is in flight.
    func nextDeadline(heardAt: UInt64) -> UInt64? {
        let silent = abandoned > 0 ? heardAt + deadlineNanoseconds : nil
        guard abandoned < pending.count else { return silent }
        let next = pending[pending.index(pending.startIndex, offsetBy: abandoned)].deadline
        return silent.map { min($0, next) } ?? next
    }

    /// The connection is gone. - Returns: everyone who waits, oldest first, with what they are told.
    mutating func lost(_ why: String) -> [(call: RedisCall, error: StoreError)] {
        phase = .disconnected(why: why)
        var failed: [(call: RedisCall, error: StoreError)] = []
        for call in confirmation.lost() {
            failed.append((call, StoreError(.unknown, "Redis was lost before a replica had the write: \(why)")))
        }
        for case .call(let call) in pending {
            failed.append((call, StoreError(.unknown, "no answer from Redis: \(why)")))
        }
        for call in resend + held { failed.append((call, StoreError(.notStored, "Redis is not connected: \(why)"))) }
        pending.removeAll(keepingCapacity: true)
        abandoned = 0
        resend = []
        held = []
        bytesInFlight = 0
        return failed
    }

    /// Closes when everything that somebody waits for is answered.
    /// - Returns: What is refused now, and whether nobody waits.
    mutating func drain(_ why: String) -> (refused: [(call: RedisCall, error: StoreError)], idle: Bool) {
        if case .disconnected = phase {
            phase = .disconnected(why: why)
            return ([], true)
        }
        return (startDraining(why), isSettled)
    }
}
