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

    private let site: Site
    private let state = Mutex(State())

    init(_ site: Site) { self.site = site }

    var notifications: [SentNotification] { state.withLock { $0.sent } }
    /// Those that are not acknowledged yet.
    var open: Int { state.withLock { $0.open } }

    /// - Parameter padding: Bytes that its data has besides.
    func publish(_ id: String, to user: String, isRepeated: Bool = false, padding: Int = 0) {
        let index = state.withLock { state in
            state.sent.append(SentNotification(id: id, user: user, firstSentAt: site.clock.now))
            state.open += 1
            return state.sent.count - 1
        }
        Task {
            await self.deliver(id, user, padding, attempt: "a")
            state.withLock {
                $0.sent[index].isAcknowledged = true
                $0.open -= 1
            }
            guard isRepeated else { return }
            try? await Task.sleep(for: .milliseconds(300))
            await self.deliver(id, user, padding, attempt: "b")
        }
    }

    /// Until JetStream acknowledges it. The name that JetStream deduplicates by is another one for a repetition, so that
    /// the store has to recognise it: JetStream's own window is two minutes.
    private func deliver(_ id: String, _ user: String, _ padding: Int, attempt: String) async {
        let data = String(repeating: ".", count: padding)
        let body = Array(#"{"id":"\#(id)","type":"chaos.event","data":{"of":"\#(id)","pad":"\#(data)"}}"#.utf8)
        let message = BusMessage(subject: "apus.in.notify.\(user)", payload: body)
        var pause = 500
        while !Task.isCancelled {
            do {
                try await answer { (done: @escaping Completion<Void>) in
                    self.site.backend.publishDurable(message, dedupID: "\(id)-\(attempt)", done)
                }
                return
            } catch { try? await Task.sleep(for: .milliseconds(pause)) }
            // Thousands may wait for a server that is away.
            pause = min(pause * 2, 4000)
        }
    }
}
