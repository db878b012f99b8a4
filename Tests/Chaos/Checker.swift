/// Holds a history against the guarantees, as Jepsen's checkers do: pure, so that its own tests can plant each violation.
struct Checker {
    /// What a fault may do to the store.
    struct Allowance: OptionSet, Sendable {
        let rawValue: Int
        /// The store may lose what was written in the history's `loss`, as a fail-over to a replica that lags does.
        /// Whoever had seen it must be told.
        static let storeLosesTail = Allowance(rawValue: 1)
        /// Sessions may be told to read afresh though nothing was lost.
        static let resync = Allowance(rawValue: 2)
    }

    let history: History
    let allowance: Allowance
    private(set) var verdict = Verdict()
    private let messagesByCid: [String: SentMessage]
    private let notificationsByID: [String: SentNotification]
    /// Where each message stands in its log.
    private var logged: [String: LoggedMessage] = [:]
    /// Which conversations each user was told to read afresh, and the number of the first message behind that; the
    /// largest number when none came.
    private var resets: [String: [String: Int64]] = [:]
    /// What each user's timeline has: cids of messages, ids of notifications.
    private var present: [String: Set<String>] = [:]

    /// nil: nothing may be forgotten.
    private let loss: LossWindow?

    static func check(_ history: History, allowing allowance: Allowance = []) -> Verdict {
        var checker = Checker(history, allowance)
        checker.checkLogs()
        for (user, timeline) in history.timelines.sorted(by: { $0.key < $1.key }) {
            checker.checkTimeline(timeline, of: user)
        }
        checker.checkMessages()
        checker.checkNotifications()
        checker.checkOrder()
        for device in history.devices { checker.check(device) }
        checker.checkPresence()
        return checker.verdict
    }

    private init(_ history: History, _ allowance: Allowance) {
        self.history = history
        self.allowance = allowance
        loss = allowance.contains(.storeLosesTail) ? history.loss : nil
        messagesByCid = Dictionary(history.messages.map { ($0.cid, $0) }) { first, _ in first }
        notificationsByID = Dictionary(history.notifications.map { ($0.id, $0) }) { first, _ in first }
        verdict.operations = history.messages.count + history.notifications.count
    }

    // MARK: Conversations

    private mutating func checkLogs() {
        for (conversation, log) in history.logs.sorted(by: { $0.key < $1.key }) {
            for (index, message) in log.enumerated() {
                let place = "\(conversation) n \(message.n)"
                if message.n != Int64(index + 1) {
                    verdict.add(.hole, "\(place) stands at \(index + 1) of its history")
                }
                if let other = logged.updateValue(message, forKey: message.text) {
                    verdict.add(.doubled, "\(message.text) is \(place), and n \(other.n) of a history")
                }
                guard let sent = messagesByCid[message.text], sent.conversation == conversation,
                    sent.from == message.from
                else {
                    verdict.add(.phantom, "\(place) has \(message.text) of \(message.from), which nobody sent there")
                    continue
                }
                if sent.standing == .nowhere { verdict.add(.phantom, "\(message.text) was refused and is \(place)") }
            }
        }
    }

    // MARK: Timelines

    private mutating func checkTimeline(_ timeline: FinalTimeline, of user: String) {
        var ids: Set<String> = []
        var newest: [String: Int64] = [:]
        var cids: [String: Set<String>] = [:]
        // First of all: the word that a conversation lost its tail comes behind what was lost.
        noteResets(timeline, of: user)
        for (index, event) in timeline.events.enumerated() {
            let place = "seq \(event.seq) of \(user)"
            if event.seq != Int64(index + 1) { verdict.add(.hole, "\(place) stands at \(index + 1) of the timeline") }
            if !ids.insert(event.id).inserted { verdict.add(.doubled, "event \(event.id) again at \(place)") }
            switch event.content {
            case .message(let conversation, let n, let from, let text):
                if !cids[conversation, default: []].insert(text).inserted {
                    verdict.add(.doubled, "message \(text) again at \(place)")
                }
                if let before = newest[conversation], n <= before {
                    verdict.add(.misordered, "n \(n) of \(conversation) after n \(before) at \(place)")
                }
                newest[conversation] = n
                checkMessage(text, from, n, event.id, conversation, user, place)
            case .notification:
                present[user, default: []].insert(event.id)
                if notificationsByID[event.id]?.user != user {
                    verdict.add(.phantom, "notification \(event.id) at \(place), which nobody published for \(user)")
                }
            case .reset(let conversation):
                // What came before stood in the log that was lost: it may come again.
                cids[conversation] = nil
                newest[conversation] = nil
                if loss == nil { verdict.add(.falseResync, "\(conversation) was reset at \(place)") }
            case .other: break
            }
        }
    }

    private mutating func noteResets(_ timeline: FinalTimeline, of user: String) {
        for event in timeline.events {
            switch event.content {
            case .reset(let conversation): resets[user, default: [:]][conversation] = Int64.max
            case .message(let conversation, let n, _, _):
                if resets[user]?[conversation] == Int64.max { resets[user]?[conversation] = n }
            case .notification, .other: break
            }
        }
    }

    private mutating func checkMessage(
        _ text: String, _ from: String, _ n: Int64, _ id: String, _ conversation: String, _ user: String,
        _ place: String
    ) {
        present[user, default: []].insert(text)
        guard let sent = messagesByCid[text], sent.from == from, sent.conversation == conversation,
            sent.members.contains(user)
        else { return verdict.add(.phantom, "message \(text) of \(from) at \(place), which nobody sent there") }
        let entry = logged[text]
        // An event that a timeline got again after a loss has a mark behind the entry's id.
        guard entry?.n != n || entry?.id != String(id.prefix { $0 != "~" }) else { return }
        if loss?.mayMove(sent) ?? false {
            // What was lost may have been sent again, and may be gone; who has it must have been told.
            guard resets[user]?[conversation] == nil else { return }
            verdict.add(.silentGap, "\(text) at \(place) is not in the history of \(conversation) any more; not told")
        } else if let entry {
            verdict.add(.misordered, "\(text) is n \(entry.n) in the history and n \(n) at \(place)")
        } else {
            verdict.add(.phantom, "message \(text) at \(place) is not in the history of \(conversation)")
        }
    }

    /// Whether a reset tells why a message of the history is not in the user's timeline. The user's cursor stood at
    /// what was lost, so it had passed all that was ok before; it jumped to the log's head, and goes on from there.
    private func isExplained(_ message: SentMessage, _ entry: LoggedMessage, to user: String) -> Bool {
        guard let loss, let next = resets[user]?[message.conversation] else { return false }
        return entry.n < next && !loss.beginsAfterOK(of: message)
    }

    // MARK: What was sent

    private mutating func checkMessages() {
        for message in history.messages {
            let entry = logged[message.cid]
            if let entry {
                checkMembers(message, entry)
                checkReplies(message, entry)
            } else if message.standing == .stored {
                if loss?.mayForget(message) ?? false {
                    verdict.forgotten += 1
                } else {
                    verdict.add(.lost, "\(message.cid) was ok at \(message.storedAt ?? 0) µs; no history has it")
                }
            }
        }
    }

    private mutating func checkMembers(_ message: SentMessage, _ entry: LoggedMessage) {
        for member in message.members where history.timelines[member] != nil {
            let isThere = present[member]?.contains(message.cid) ?? false
            if !isThere, !isExplained(message, entry, to: member) {
                verdict.add(.lost, "\(message.cid) is n \(entry.n) of the history, not in the timeline of \(member)")
            }
        }
    }

    /// Whether an answer tells of what stands there now. One that came while the store might forget may tell of what
    /// was lost, unless it names the very entry.
    private func isFirm(_ attempt: SentMessage.Attempt, _ entry: LoggedMessage?) -> Bool {
        guard case .ok(let n, let id, _) = attempt.outcome else { return false }
        let mayBeLost = loss?.contains(attempt.answeredAt) ?? false
        return !mayBeLost || (n == entry?.n && id == entry?.id)
    }

    private mutating func checkReplies(_ message: SentMessage, _ entry: LoggedMessage) {
        for attempt in message.attempts where isFirm(attempt, entry) {
            guard case .ok(let n, let id, _) = attempt.outcome, n != entry.n || id != entry.id else { continue }
            verdict.add(.contradiction, "\(message.cid) was answered n \(n) (\(id)) and is n \(entry.n) (\(entry.id))")
        }
    }

    private mutating func checkNotifications() {
        for notification in history.notifications {
            guard history.timelines[notification.user] != nil else { continue }
            let (id, user) = (notification.id, notification.user)
            let isThere = present[user]?.contains(id) ?? false
            if let acknowledged = notification.acknowledgedAt, !isThere {
                if loss?.mayForget(notification) ?? false {
                    verdict.forgotten += 1
                } else {
                    verdict.add(.lost, "notification \(id) was acknowledged at \(acknowledged) µs; \(user) has it not")
                }
            }
            guard let inbox = history.inboxes[user] else { continue }
            let copies = inbox.count { $0 == id }
            if copies > 1 { verdict.add(.doubled, "notification \(id) is \(copies) times in the inbox of \(user)") }
            if isThere, copies == 0 {
                verdict.add(.lost, "notification \(id) is in the timeline of \(user), not in the inbox")
            }
        }
    }

    // MARK: Presence

    private mutating func checkPresence() {
        let check = PresenceCheck(history)
        for finding in check.findings { verdict.add(.falsePresence, finding) }
        verdict.presenceSamples = history.presence.count
        verdict.gone = check.gone.count
        verdict.goneShownSeconds = Double(check.shownOnline) / 1_000_000
    }

    // MARK: Order

    /// G3: an answer before another message was sent puts it before, and requests on one connection keep their order.
    private mutating func checkOrder() {
        for (conversation, log) in history.logs.sorted(by: { $0.key < $1.key }) {
            var latest: (sent: Moment, text: String)?
            for entry in log {
                guard let message = messagesByCid[entry.text], let sent = message.firstSentAt else { continue }
                let stored = message.attempts.filter { isFirm($0, entry) }.compactMap(\.answeredAt).min()
                if let latest, let stored, stored < latest.sent {
                    verdict.add(
                        .misordered, "\(entry.text) was ok before \(latest.text) was sent, and stands behind it")
                }
                if latest == nil || sent > (latest?.sent ?? 0) { latest = (sent, entry.text) }
            }
            checkPipelines(conversation)
        }
    }

    private mutating func checkPipelines(_ conversation: String) {
        var pipelines: [Int: [(place: Int, n: Int64, cid: String)]] = [:]
        for message in history.messages where message.conversation == conversation {
            guard let first = message.attempts.first, case .ok(let n, _, false) = first.outcome,
                isFirm(first, logged[message.cid])
            else { continue }
            pipelines[first.connection, default: []].append((first.place, n, message.cid))
        }
        for pipeline in pipelines.values {
            let requests = pipeline.sorted { $0.place < $1.place }
            for (earlier, later) in zip(requests, requests.dropFirst()) where earlier.n > later.n {
                verdict.add(
                    .misordered, "\(earlier.cid) was sent before \(later.cid) on one connection, and is behind it")
            }
        }
    }
}

// MARK: What devices heard

extension Checker {
    private mutating func check(_ device: DeviceRecord) {
        var view = View()
        for session in device.sessions {
            verdict.sessions += 1
            checkRun(session, device)
            if let resync = session.resync {
                verdict.resyncs += 1
                if !mayResync(session) {
                    verdict.add(
                        .falseResync,
                        "\(device.name) was told \(resync) by \(session.node) at \(session.resume?.seq ?? 0)")
                }
            } else if session.resume != nil, !session.resumed {
                verdict.add(
                    .silentGap, "\(device.name) was neither resumed nor told why at \(session.resume?.seq ?? 0)")
            }
            view.follow(session)
        }
        // Of those who only came to leave, nothing was read.
        guard let timeline = history.timelines[device.user] else { return }
        guard device.isSettled, view.isWhole else {
            return verdict.add(.unsettled, "\(device.name) is not connected, or still reading")
        }
        compare(view, with: timeline, device)
    }

    /// Nothing is lost before the store might forget.
    private func mayResync(_ session: SessionRecord) -> Bool {
        allowance.contains(.resync) || (loss.map { session.openedAt >= $0.from } ?? false)
    }

    /// G5: seq, seq + 1, … each once.
    private mutating func checkRun(_ session: SessionRecord, _ device: DeviceRecord) {
        var last = session.resumed ? session.resume?.seq ?? 0 : session.head.seq
        for event in session.events {
            if event.seq > last + 1 {
                verdict.add(.hole, "\(device.name) on \(session.node) got \(event.seq) after \(last)")
            }
            if event.seq <= last {
                verdict.add(.doubled, "\(device.name) on \(session.node) got \(event.seq) after \(last)")
            }
            last = max(last, event.seq)
        }
    }

    /// What a client that follows the protocol believes to be the timeline.
    private struct View {
        var events: [Int64: String] = [:]
        var newest: Int64 = 0
        /// False while it has not read afresh what it was told to: then it knows that something is missing.
        var isWhole = false

        mutating func follow(_ session: SessionRecord) {
            if !session.resumed {
                events = [:]
                newest = session.head.seq
                isWhole = session.afresh != nil
                for event in session.afresh ?? [] { events[event.seq] = event.id }
            }
            for event in session.events {
                events[event.seq] = event.id
                newest = max(newest, event.seq)
            }
        }
    }

    private mutating func compare(_ view: View, with timeline: FinalTimeline, _ device: DeviceRecord) {
        let head = timeline.events.last?.seq ?? 0
        if view.newest < head {
            verdict.add(.undelivered, "\(device.name) has heard up to \(view.newest) of \(head)")
        }
        if view.newest > head {
            verdict.add(.silentGap, "\(device.name) believes in \(view.newest), beyond the head \(head)")
        }
        for event in timeline.events where event.seq <= view.newest {
            guard let seen = view.events[event.seq] else {
                verdict.add(.silentGap, "\(device.name) never got seq \(event.seq) (\(event.id)) and was not told")
                continue
            }
            if seen != event.id {
                verdict.add(
                    .silentGap,
                    "\(device.name) has \(seen) at seq \(event.seq), where \(event.id) stands, and was not told")
            }
        }
    }
}
