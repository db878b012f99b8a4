import ApusTesting
import Bus
import Core
import Foundation
import Synchronization
import Wire

/// A backend that publishes notifications through JetStream, open loop: the next one does not wait for the last one's answer.
/// What is not acknowledged is published again with the same id, as backends are told to; some are published twice though
/// they were acknowledged, by a backend that did not hear it.
final class Producer: Sendable {
    private struct State {
        var sent: [SentNotification] = []
        var open = 0
    }

    private struct Job: Sendable {
        var id: String
        var user: String
        var padding: Int
        var isRepeated: Bool
        /// Its place in what was sent.
        var index: Int
    }

    private let site: Site
    private let state = Mutex(State())
    private let (jobs, queue) = AsyncStream.makeStream(of: Job.self)

    init(_ site: Site) { self.site = site }

    var notifications: [SentNotification] { state.withLock { $0.sent } }
    /// Those that are not acknowledged yet, or have to be published once more.
    var open: Int { state.withLock { $0.open } }

    /// Delivers what is published, until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await job in jobs { group.addTask { await self.perform(job) } }
        }
    }

    /// - Parameter padding: Bytes that its data has besides.
    func publish(_ id: String, to user: String, isRepeated: Bool = false, padding: Int = 0) {
        let index = state.withLock { state in
            state.sent.append(SentNotification(id: id, user: user, firstSentAt: site.clock.now))
            state.open += 1
            return state.sent.count - 1
        }
        queue.yield(Job(id: id, user: user, padding: padding, isRepeated: isRepeated, index: index))
    }

    private func perform(_ job: Job) async {
        guard await deliver(job, attempt: "a") else { return }
        state.withLock { $0.sent[job.index].acknowledgedAt = site.clock.now }
        if job.isRepeated {
            try? await Task.sleep(for: .milliseconds(300))
            guard await deliver(job, attempt: "b") else { return }
        }
        state.withLock { $0.open -= 1 }
    }

    /// Until JetStream acknowledges it; false when the run ended before. The name that JetStream deduplicates by is
    /// another one for a repetition, so that the store has to recognise it: JetStream's own window is two minutes.
    private func deliver(_ job: Job, attempt: String) async -> Bool {
        let id = job.id
        let data = String(repeating: ".", count: job.padding)
        let body = Array(#"{"id":"\#(id)","type":"chaos.event","data":{"of":"\#(id)","pad":"\#(data)"}}"#.utf8)
        let message = BusMessage(subject: "apus.in.notify.\(job.user)", payload: body)
        var pause = 500
        while !Task.isCancelled {
            do {
                try await answer { (done: @escaping Completion<Void>) in
                    self.site.backend.publishDurable(message, dedupID: "\(id)-\(attempt)", done)
                }
                return true
            } catch { try? await Task.sleep(for: .milliseconds(pause)) }
            // Thousands may wait for a server that is away.
            pause = min(pause * 2, 4000)
        }
        return false
    }
}
