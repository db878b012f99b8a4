import ApusTesting
import Core
import Wire

/// What a device knows and records. It writes to its connection without waiting, so that requests keep their order.
struct DeviceState: Sendable {
    private(set) var record: DeviceRecord
    private(set) var messages: [SentMessage] = []
    private(set) var client: ScriptedClient?
    private(set) var isLive = false
    private(set) var lastOK: Moment = 0
    private(set) var timesBehind = 0
    var isAway = false
    private var isStalled = false

    /// The position to resume from; nil before the first `welcome`, and while what it was told to read afresh is missing.
    private var position: (epoch: String, seen: Seen)?
    private var random: SeededGenerator
    private var connection = 0
    private var place = 0
    private var isEnded = true
    private var leaveAt: Moment = .max
    private var plans: [Int: Plan] = [:]
    private var asked: [Int64: Question] = [:]
    /// What waits for the next connection, or for the time that the server named.
    private var waiting: [(message: Int, at: Moment)] = []
    private var pulled: [Seen] = []
    private var lastPing: Moment = 0

    private struct Plan {
        var isPersistent: Bool
        /// Sends it once more after it was ok, as a client does that did not hear the answer.
        var isRepeated: Bool
        var isDone = false
    }

    private enum Question {
        case send(message: Int, attempt: Int, at: Moment)
        case ping(at: Moment)
        case pull(isAfresh: Bool, at: Moment)

        var at: Moment {
            switch self {
            case .send(_, _, let at), .ping(let at), .pull(_, let at): at
            }
        }
    }

    /// A request without an answer for that long means that the node is dead or stands still.
    private static let patience: Moment = 8_000_000
    private let pingEvery: Moment

    init(_ options: Device.Options) {
        record = DeviceRecord(user: options.user, name: options.name)
        random = SeededGenerator(seed: options.seed &+ 1)
        pingEvery = options.pingMilliseconds * 1000
    }

    var openMessages: Int { plans.values.count { $0.isPersistent && !$0.isDone } }

    var finished: DeviceRecord {
        var record = record
        record.isSettled = isLive && !asked.values.contains { if case .pull = $0 { true } else { false } }
        return record
    }

    // MARK: The connection

    mutating func begin(_ client: ScriptedClient, _ number: Int) {
        self.client = client
        (connection, place, isEnded, leaveAt) = (number, 0, false, .max)
    }

    func hello(token: String) -> String {
        var request = #"{"id":0,"op":"hello","token":"\#(token)""#
        if let position {
            request +=
                #","resume":{"epoch":"\#(position.epoch)","seq":\#(position.seen.seq),"last":"\#(position.seen.id)"}"#
        }
        return request + "}"
    }

    mutating func end(_ now: Moment) {
        client?.drop()
        client = nil
        closed(now)
        asked = [:]
        waiting = []
    }

    private mutating func closed(_ now: Moment) {
        if isLive, let last = record.sessions.indices.last { record.sessions[last].closedAt = now }
        isLive = false
        isEnded = true
    }

    func isOver(_ now: Moment) -> Bool {
        if isEnded || isAway || now > leaveAt { return true }
        return !isStalled && asked.values.contains { now - $0.at > Self.patience }
    }

    /// While it does not read, answers do not come: that is nobody's fault, and no reason to leave.
    mutating func setStalled(_ isStalled: Bool) {
        self.isStalled = isStalled
        asked = asked.filter { if case .ping = $0.value { false } else { true } }
    }

    /// Asks for the head now and then, and sends again what was to be sent again by now.
    mutating func keepAlive(_ now: Moment) {
        let isDue = !asked.values.contains { if case .ping = $0 { true } else { false } }
        if isDue, now > lastPing + pingEvery {
            lastPing = now
            ask(.ping(at: now), #""op":"ping""#)
        }
        let due = waiting.filter { $0.at <= now }.map(\.message)
        waiting.removeAll { $0.at <= now }
        for message in due { transmit(message, now) }
    }

    private mutating func ask(_ question: Question, _ body: String) {
        place += 1
        asked[Int64(place)] = question
        client?.post(#"{"id":\#(place),\#(body)}"#)
    }

    // MARK: Sending

    mutating func say(_ message: SentMessage, isPersistent: Bool, isRepeated: Bool, now: Moment) {
        messages.append(message)
        plans[messages.count - 1] = Plan(isPersistent: isPersistent, isRepeated: isRepeated)
        if isLive { transmit(messages.count - 1, now) }
    }

    private mutating func transmit(_ index: Int, _ now: Moment) {
        let message = messages[index]
        messages[index].attempts.append(.init(connection: connection, place: place + 1, sentAt: now))
        ask(
            .send(message: index, attempt: message.attempts.count, at: now),
            #""op":"send","conv":"\#(message.conversation)","cid":"\#(message.cid)","body":{"text":"\#(message.cid)"}"#)
    }

    /// After `welcome`: what was never sent, and what must be answered.
    private mutating func transmitOpen(_ now: Moment) {
        for index in messages.indices {
            guard let plan = plans[index], !plan.isDone else { continue }
            if plan.isPersistent || messages[index].attempts.isEmpty { transmit(index, now) }
        }
    }

    private mutating func answered(_ index: Int, _ attempt: Int, _ frame: JSONObject, _ now: Moment) {
        messages[index].attempts[attempt].answeredAt = now
        if let ok = frame["ok"]?.object {
            messages[index].attempts[attempt].outcome = .ok(
                n: ok["n"]?.integer ?? -1, id: ok["id"]?.string ?? "", isDuplicate: ok["dup"]?.bool ?? false)
            lastOK = now
            if plans[index]?.isRepeated == true {
                plans[index]?.isRepeated = false
                transmit(index, now)
            } else {
                plans[index]?.isDone = true
            }
        } else {
            let error = frame["error"]?.object
            messages[index].attempts[attempt].outcome = .refused(error?["code"]?.string ?? "")
            guard plans[index]?.isPersistent == true else {
                plans[index]?.isDone = true
                return
            }
            let pause = error?["retry_ms"]?.integer ?? 1000
            waiting.append((index, now + (pause + Int64.random(in: 0...250, using: &random)) * 1000))
        }
    }

    // MARK: Hearing

    mutating func take(_ incoming: ScriptedClient.Incoming, _ now: Moment) {
        guard !isEnded else { return }
        switch incoming {
        case .text(let text):
            guard let frame = try? JSONObject(Array(text.utf8)) else { return }
            take(frame, now)
        case .close(let code, _):
            if isLive, let last = record.sessions.indices.last { record.sessions[last].closeCode = code }
            closed(now)
        case .end: closed(now)
        case .ping, .pong, .binary: break
        }
    }

    private mutating func take(_ frame: JSONObject, _ now: Moment) {
        let event = frame["ev"]?.string
        if event == "welcome" { return welcome(frame, now) }
        if let reply = frame["re"]?.integer {
            // A `hello` that was refused: it tries again on a new connection.
            if reply == 0 { return isEnded = true }
            if let question = asked.removeValue(forKey: reply) { self.reply(frame, to: question, now) }
        } else if let seq = frame["seq"]?.integer, let id = frame["id"]?.string, isLive {
            take([Seen(seq: seq, id: id)])
        } else if event == "behind" {
            timesBehind += 1
            pull(isAfresh: false, after: position?.seen.seq ?? 0, now)
        } else if event == "draining" {
            leaveAt = now + (frame["reconnect_ms"]?.integer ?? 0) * 1000
        }
    }

    private mutating func welcome(_ frame: JSONObject, _ now: Moment) {
        let epoch = frame["epoch"]?.string ?? ""
        let head = Seen(seq: frame["seq"]?.integer ?? -1, id: frame["last"]?.string ?? "")
        var session = SessionRecord(
            node: frame["node"]?.string ?? "", openedAt: now, resume: position?.seen, epoch: epoch, head: head,
            resumed: frame["resumed"]?.bool ?? false, resync: frame["resync"]?.string)
        isLive = true
        (pulled, lastPing) = ([], now)
        if !session.resumed {
            position = nil
            if head.seq == 0 {
                session.afresh = []
                position = (epoch, head)
            }
        }
        record.sessions.append(session)
        if position == nil { pull(isAfresh: true, after: 0, now) }
        transmitOpen(now)
    }

    private mutating func take(_ events: [Seen]) {
        let last = record.sessions.count - 1
        record.sessions[last].events += events
        // While it reads afresh, it has no position yet.
        if position != nil, let newest = events.last { position?.seen = newest }
    }

    private mutating func pull(isAfresh: Bool, after seq: Int64, _ now: Moment) {
        ask(.pull(isAfresh: isAfresh, at: now), #""op":"sync","after":\#(seq),"limit":500"#)
    }

    private mutating func reply(_ frame: JSONObject, to question: Question, _ now: Moment) {
        switch question {
        case .ping: if frame["ok"] != nil { lastOK = now }
        case .send(let message, let attempt, _): answered(message, attempt, frame, now)
        case .pull(let isAfresh, _):
            guard let page = frame["ok"]?.object, page["resync"]?.string == nil else {
                // Not now, or not any more: a new connection will tell.
                return isEnded = true
            }
            let events = (page["events"]?.array ?? []).compactMap { $0.object }.map {
                Seen(seq: $0["seq"]?.integer ?? -1, id: $0["id"]?.string ?? "")
            }
            let more = page["more"]?.bool ?? false
            isAfresh ? readAfresh(events, more, now) : caughtUp(events, more, now)
        }
    }

    private mutating func caughtUp(_ events: [Seen], _ more: Bool, _ now: Moment) {
        take(events)
        if more { pull(isAfresh: false, after: events.last?.seq ?? 0, now) }
    }

    private mutating func readAfresh(_ events: [Seen], _ more: Bool, _ now: Moment) {
        let last = record.sessions.count - 1
        let session = record.sessions[last]
        pulled += events
        let reached = pulled.last?.seq ?? 0
        if reached < session.head.seq, more { return pull(isAfresh: true, after: reached, now) }
        record.sessions[last].afresh = pulled.filter { $0.seq <= session.head.seq }
        position = (session.epoch, session.events.last ?? session.head)
    }
}
