/// The time in which the store may forget: from a moment of which everything is kept, to the end of the fault.
///
/// An answer that came before it tells of what was kept, and one that came after it of what stands in the store that
/// went on. One that came meanwhile proves nothing, whenever the message was sent: it may have been written just before
/// the store died. What is first sent after it can only meet the store that went on.
struct LossWindow: Hashable, Sendable {
    var from: Moment
    var until: Moment

    func contains(_ moment: Moment?) -> Bool { moment.map { from <= $0 && $0 <= until } ?? false }

    /// Whether a message may be missing: each ok for it came meanwhile.
    func mayForget(_ message: SentMessage) -> Bool {
        message.attempts.allSatisfy { attempt in
            guard case .ok = attempt.outcome else { return true }
            return contains(attempt.answeredAt)
        }
    }

    /// Whether a notification may be missing. JetStream's acknowledgement says nothing about the store, which may have
    /// it from the first attempt to publish it on. What was acknowledged before the window, a run waits for
    /// (`Scene.beginLoss`).
    func mayForget(_ notification: SentNotification) -> Bool {
        notification.firstSentAt <= until && notification.acknowledgedAt.map { $0 >= from } ?? true
    }

    /// Whether a message was ok before: then it stays where it is, and everybody gets it.
    func beginsAfterOK(of message: SentMessage) -> Bool { message.storedAt.map { $0 < from } ?? false }

    /// Whether a message may have been written, lost, and written again at another place.
    func mayMove(_ message: SentMessage) -> Bool {
        !beginsAfterOK(of: message) && message.firstSentAt.map { $0 <= until } ?? false
    }
}
