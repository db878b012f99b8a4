import Core
import NIOCore

/// Strict durability on one connection: a write's answer is handed over only when a replica has the write too.
///
/// Pure; `RedisConnectionState` asks it what to do. Behind what was written in one turn of the loop goes one `WAIT 1`.
/// Redis answers nothing else on a connection that waits, so nothing else is sent until it is answered: when no replica
/// answers in time, only that one batch is unknown. What came meanwhile, and what comes after, is refused *before* it is
/// written, until a replica answers again (`probe`).
///
///     open ──a batch with writes──► waiting ──a replica has it──► open
///      ▲                               │ none answered in time
///      └───a replica answers a probe── suspended ◄──the handshake showed no replica
///
/// `WAIT` covers whatever the server had done before the last command of the connection, also for others: so the answer
/// "stored before" of a repeated write is confirmed as well.
struct RedisConfirmation {
    private enum Phase { case open, waiting, suspended }

    enum Admission { case pass, hold, refuse(StoreError) }

    /// `WAIT` for a batch; nil in standard durability.
    private let wait: ByteBuffer?
    private let waitMilliseconds: Int
    private var phase = Phase.open
    /// Writes were sent since the last `WAIT`.
    private var isOwed = false
    private var isProbing = false
    /// Answers from the first unconfirmed write on, in the order of the calls.
    private var answers: [(call: RedisCall, result: Result<RedisReply, StoreError>)] = []

    init(configuration: RedisConfiguration) {
        waitMilliseconds = configuration.confirmMilliseconds
        wait =
            configuration.durability == .strict
            ? RedisArguments("WAIT", "1", "\(configuration.confirmMilliseconds)").encoded() : nil
    }

    /// A probe may hold up reads of the same connection for so long.
    private static let probe = RedisArguments("WAIT", "1", "50").encoded()

    var isSuspended: Bool { phase == .suspended }
    var isStrict: Bool { wait != nil }
    var answersHeld: Int { answers.count }

    func admits(_ call: RedisCall) -> Admission {
        switch phase {
        case .open: .pass
        case .waiting: .hold
        case .suspended: call.isConfirmed ? .refuse(Self.refusal) : .pass
        }
    }

    private static let refusal = StoreError(
        .notStored, "Redis: no replica answers, and durability is strict: nothing is written until one does")

    mutating func sent(_ call: RedisCall) {
        if isStrict, call.isConfirmed { isOwed = true }
    }

    /// Everything of this turn was sent. - Returns: What goes behind it.
    mutating func turnEnded() -> ByteBuffer? {
        guard isOwed, phase != .waiting else { return nil }
        isOwed = false
        phase = .waiting
        return wait
    }

    /// - Returns: Whether the answer is kept for now.
    mutating func keeps(_ call: RedisCall, _ result: Result<RedisReply, StoreError>) -> Bool {
        guard isStrict, call.isConfirmed || !answers.isEmpty else { return false }
        answers.append((call, result))
        return true
    }

    /// The `WAIT` behind a batch is answered. - Returns: Who is told what.
    mutating func answered(_ reply: RedisReply) -> [(call: RedisCall, result: Result<RedisReply, StoreError>)] {
        let isConfirmed = (reply.integer ?? 0) >= 1
        phase = isConfirmed ? .open : .suspended
        defer { answers = [] }
        guard !isConfirmed else { return answers }
        var why = "no replica had the write within \(waitMilliseconds) ms"
        if case .error(let message) = reply { why = "WAIT was refused (\(message.prefix(80)))" }
        return answers.map { call, result in
            // What was read, and what Redis refused, stays true.
            guard call.isConfirmed, case .success(let reply) = result else { return (call, result) }
            if case .error = reply { return (call, result) }
            return (call, .failure(StoreError(.unknown, "Redis: \(why)")))
        }
    }

    /// Looks whether a replica answers again. - Returns: What is sent for it; nil when there is nothing to look for.
    mutating func probe() -> ByteBuffer? {
        guard phase == .suspended, !isProbing else { return nil }
        isProbing = true
        return Self.probe
    }

    mutating func probed(_ reply: RedisReply) {
        isProbing = false
        if phase == .suspended, (reply.integer ?? 0) >= 1 { phase = .open }
    }

    /// What `ROLE` says in the handshake: `[master, offset, [replica …]]`.
    mutating func began(_ role: RedisReply) {
        guard isStrict, let fields = role.list, fields.count >= 3, let replicas = fields[2].list else { return }
        if replicas.isEmpty { phase = .suspended }
    }

    /// The connection is gone. - Returns: Those whose answers were kept.
    mutating func lost() -> [RedisCall] {
        defer { (phase, isOwed, isProbing, answers) = (.open, false, false, []) }
        return answers.map(\.call)
    }
}
