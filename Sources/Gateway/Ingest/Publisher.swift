import Core
import Notifications
import Wire

/// Takes one notification to all its recipients: append in each one's slot, then route (G4). Used by the notifier, the
/// API and `apus.rpc.notify` alike.
struct Publisher: Sendable {
    let node: NodeContext

    /// What became of one recipient.
    struct Outcome: Sendable {
        var user: UserID
        var id: EventID
        var result: Result<Stored, StoreError>

        struct Stored: Sendable {
            var seq: Int64
            var duplicate: Bool
            /// Sessions on living nodes at that moment.
            var sessions: Int
        }
    }

    /// Appends for every recipient, and answers when all are done, in the order of requests and recipients.
    ///
    /// All appends are handed to the store at once and in this order: it pipelines or groups them, and one user's events
    /// keep their order.
    func publish(_ requests: [NotificationRequest], _ done: @escaping @Sendable ([Outcome]) -> Void) {
        let gathering = Gathering<Outcome>(count: requests.reduce(0) { $0 + $1.recipients.count }, done)
        let now = node.time.wallMilliseconds()
        var index = 0
        for request in requests {
            for user in request.recipients {
                append(request.notification, user, now, gathering, index)
                index += 1
            }
        }
    }

    private func append(
        _ notification: Notification, _ user: UserID, _ now: Int64, _ gathering: Gathering<Outcome>, _ index: Int
    ) {
        CrashPoint.reach("append.before")
        node.inbox.append(notification, to: user, nowMilliseconds: now) { result in
            CrashPoint.reach("append.after")
            if case .failure(let error) = result {
                node.metrics.storeFailures.increment()
                if error.outcome == .unknown { node.router.uncertain(user) }
            }
            let stored = result.map { route($0, user, acceptedMicroseconds: now * 1000) }
            gathering.set(index, Outcome(user: user, id: notification.id, result: stored))
        }
    }

    /// The same, for those who can wait.
    func publish(_ requests: [NotificationRequest]) async -> [Outcome] {
        await withCheckedContinuation { continuation in publish(requests) { continuation.resume(returning: $0) } }
    }

    private func route(_ outcome: AppendOutcome, _ user: UserID, acceptedMicroseconds: Int64) -> Outcome.Stored {
        let sessions: Int
        if let entry = outcome.entry {
            node.metrics.appended.increment()
            sessions = node.router.route(
                [entry], of: user, to: outcome.routes, acceptedMicroseconds: acceptedMicroseconds)
        } else {
            node.metrics.duplicates.increment()
            // Whoever appended it may have died before it could tell anybody.
            sessions = outcome.seq > 0 ? node.router.routeHead(outcome.seq, of: user, to: outcome.routes) : 0
        }
        return Outcome.Stored(seq: outcome.seq, duplicate: outcome.duplicate, sessions: sessions)
    }

    /// `{"user","seq","id","stored","duplicate","sessions"}` or `{"user","id","stored":false,"error":{…}}` (PROTOCOL §3).
    static func write(_ outcome: Outcome, index: Int? = nil, to writer: inout JSONWriter) {
        writer.object {
            if let index { $0.member("index", index) }
            $0.member("user", outcome.user.text)
            switch outcome.result {
            case .success(let stored):
                $0.member("seq", stored.seq)
                $0.member("id", outcome.id.text)
                $0.member("stored", true)
                $0.member("duplicate", stored.duplicate)
                $0.member("sessions", stored.sessions)
            case .failure(let error):
                $0.member("id", outcome.id.text)
                // Left out when nobody knows.
                if error.outcome == .notStored { $0.member("stored", false) }
                $0.member("error", object: error.forBackend.write)
            }
        }
    }
}

extension StoreError {
    /// A backend is told whether repeating needs the same id.
    var forBackend: ApusError {
        switch outcome {
        case .notStored: .unavailable("the store is not available; nothing was stored")
        case .unknown: .unavailable("the store did not answer in time: repeat it with the same id")
        }
    }
}
