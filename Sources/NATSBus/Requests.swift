import Bus
import Core
import Dispatch
import Synchronization

/// Requests that wait for their answers. All answers come to one inbox; the last token of the subject tells which
/// request is meant, so no thread and no subscription per request is needed.
final class Requests: Sendable {
    private struct Waiting {
        var subject: String
        var deadline: UInt64
        var done: Completion<BusMessage>
    }

    private struct State {
        var next: UInt64 = 1
        var waiting: [UInt64: Waiting] = [:]
        var isTicking = false
    }

    /// How late a timeout may be.
    private static let tickMilliseconds = 20

    /// How the error for a subject without subscribers begins.
    static let nobodyAnswers = "nobody answers on"

    /// `_INBOX.<random>`, of this node's bus alone.
    let inbox = "_INBOX." + RandomToken.make(length: 16)
    private let max: Int
    private let time: any TimeSource
    private let queue = DispatchQueue(label: "apus.nats.requests")
    private let state = Mutex(State())

    init(max: Int, time: any TimeSource) {
        self.max = max
        self.time = time
    }

    /// How many wait.
    var count: Int { state.withLock { $0.waiting.count } }

    /// Registers a request; `done` is called exactly once, unless nil is returned.
    /// - Returns: Its token, and where the answer is to be sent; nil when too many wait already.
    func add(
        subject: String, timeoutMilliseconds: Int, _ done: @escaping Completion<BusMessage>
    ) -> (token: UInt64, replyTo: String)? {
        let now = time.monotonicNanoseconds()
        let deadline = now + UInt64(Swift.max(timeoutMilliseconds, 1)) * 1_000_000
        let (token, startTicking) = state.withLock { state -> (UInt64?, Bool) in
            guard state.waiting.count < max else { return (nil, false) }
            let token = state.next
            state.next += 1
            state.waiting[token] = Waiting(subject: subject, deadline: deadline, done: done)
            defer { state.isTicking = true }
            return (token, !state.isTicking)
        }
        if startTicking { tickLater() }
        return token.map { ($0, "\(inbox).\($0)") }
    }

    /// An answer came; one that nobody waits for any more is dropped.
    func answer(_ message: BusMessage) {
        guard let token = UInt64(message.subject.dropFirst(inbox.utf8.count + 1)), let waiting = take(token) else {
            return
        }
        guard message.payload.isEmpty, message.replyTo == nil, message.header("Status") == "503" else {
            return waiting.done(.success(message))
        }
        waiting.done(.failure(StoreError(.notStored, "\(Self.nobodyAnswers) \(waiting.subject)")))
    }

    /// The request could not be sent.
    func fail(_ token: UInt64, _ error: StoreError) {
        take(token)?.done(.failure(error))
    }

    /// The answers cannot come any more.
    func failAll(_ error: StoreError) {
        let all = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting
        }
        for waiting in all.values { waiting.done(.failure(error)) }
    }

    private func take(_ token: UInt64) -> Waiting? {
        state.withLock { $0.waiting.removeValue(forKey: token) }
    }

    private func tickLater() {
        queue.asyncAfter(deadline: .now() + .milliseconds(Self.tickMilliseconds)) { [weak self] in self?.tick() }
    }

    private func tick() {
        let now = time.monotonicNanoseconds()
        let (late, more) = state.withLock { state -> ([Waiting], Bool) in
            var late: [Waiting] = []
            for (token, waiting) in state.waiting where waiting.deadline <= now {
                late.append(waiting)
                state.waiting[token] = nil
            }
            state.isTicking = !state.waiting.isEmpty
            return (late, state.isTicking)
        }
        for waiting in late {
            waiting.done(.failure(StoreError(.unknown, "no answer on \(waiting.subject) in time")))
        }
        if more { tickLater() }
    }
}
