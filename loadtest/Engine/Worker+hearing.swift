import Wire

/// What a session of Apus hears, and what is checked of it (PROTOCOL §2).
extension Worker {
    // SAFETY: `payload` lies in the worker's buffer; it is read inside these calls, before anything else is read into it.
    func hear(_ session: Int, _ payload: UnsafeRawBufferPointer) {
        guard let head = EventHead.read(payload) else {
            return malformed(session, "text that begins with \(String(decoding: payload.prefix(80), as: UTF8.self))")
        }
        switch head.kind {
        case .topic: takeMarkers(session, payload, .topic, from: head.end)
        case .live: takeMarkers(session, payload, .live, from: head.end)
        case .notification:
            if durable(session, payload, head) { takeMarkers(session, payload, .notes, from: head.end) }
        case .message:
            if durable(session, payload, head) { message(session, payload, head) }
        case .otherDurable: _ = durable(session, payload, head)
        case .reply: reply(session, payload, head)
        case .welcome: welcome(session, payload)
        case .behind: behind(session)
        case .draining: draining(session, payload)
        case .other: break
        }
    }

    /// Takes a durable event's number. - Returns: Whether it is new.
    private func durable(_ session: Int, _ payload: UnsafeRawBufferPointer, _ head: EventHead) -> Bool {
        let record = records + session
        guard record.pointee.flags.contains(.welcomed) else {
            malformed(session, "an event before welcome")
            return false
        }
        let before = ledger.highest(.seq, session)
        let isNew = ledger.take(.seq, session, head.seq)
        if head.seq > before {
            record.pointee.last.set(UnsafeRawBufferPointer(rebasing: payload[head.id]))
            if record.pointee.flags.contains(.resuming), head.seq >= record.pointee.resumeTarget { resumed(session) }
        }
        return isNew
    }

    /// Takes the numbers of this run that stand in a payload.
    func takeMarkers(_ session: Int, _ payload: UnsafeRawBufferPointer, _ stream: Stream, from start: Int = 0) {
        var at = start
        while let found = Marker.find(in: payload, from: at) {
            at = found.end
            if found.marker.run == setup.run { take(session, found.marker, stream) }
            // A frame of Apus has one event.
            if dialect == nil { return }
        }
    }

    private func take(_ session: Int, _ marker: Marker, _ stream: Stream) {
        guard marker.stream == stream.owner(session: setup.first + session, topics: setup.topics) else {
            let whose = stream == .topic ? "topic \(marker.stream)" : "user \(marker.stream &+ 1) of the run"
            return ledger.note(
                .foreign, session, stream.name, expected: stream == .topic ? "its topic" : "its own",
                got: "\(marker.number) of \(whose)")
        }
        if stream == .topic, setup.index > 0 { noteTopic(marker) }
        let isUnderWay = stream == .notes && !ledger.isUncertain(stream, session, marker.number)
        guard ledger.take(stream, session, marker.number) else { return }
        tally.deliveries += 1
        if isUnderWay { underWay -= 1 }
        deliveredAt = receivedAt
        guard records[session].isCharged(marker.time) else { return }
        delivery.record(nanoseconds: receivedAt > marker.time ? receivedAt - marker.time : 0)
    }

    private func message(_ session: Int, _ payload: UnsafeRawBufferPointer, _ head: EventHead) {
        let record = records + session
        guard let n = EventHead.number(",\"n\":", in: payload, from: head.end).flatMap({ UInt32(exactly: $0) }) else {
            return malformed(session, "a message without n")
        }
        if record.pointee.flags.contains(.conversationIsNew) {
            record.pointee.flags.remove(.conversationIsNew)
        } else if n != record.pointee.conversationN &+ 1 {
            ledger.note(
                n > record.pointee.conversationN ? .lost : .misordered, session, "conversation",
                expected: "n \(record.pointee.conversationN &+ 1)", got: "n \(n)")
        }
        record.pointee.conversationN = n
        guard let marker = Marker.find(in: payload, from: head.end)?.marker, marker.run == setup.run else { return }
        take(session, marker, marker.stream == UInt32(truncatingIfNeeded: setup.first + session) ? .own : .messages)
    }

    // MARK: Live events after an absence

    /// From here on the session gets live events: those that are published later must come.
    func listensNow(_ session: Int) {
        let record = records + session
        record.pointee.changed = milliseconds(Clock.now())
        ledger.excuse(.live, session, .upTo(record.pointee.liveSent))
        guard setup.topics > 0 else { return }
        let topic = topic(of: session)
        // The first worker publishes to topics and knows their counts; the others know what they have heard.
        if setup.index == 0 {
            ledger.excuse(.topic, session, .upTo(topicSent[topic]))
        } else if record.pointee.flags.contains(.wasOpen) {
            ledger.excuse(.topic, session, .untilNext)
        } else {
            ledger.excuse(.topic, session, .upTo(topicHeard[topic].number))
        }
    }

    private func noteTopic(_ marker: Marker) {
        let topic = Int(marker.stream)
        guard topic < topicHeard.count, marker.number > topicHeard[topic].number else { return }
        topicHeard[topic] = (number: marker.number, time: marker.time)
    }

    /// At the end, for one that heard nothing of its topic since it is back: what others heard that was meant to be
    /// sent later must have come.
    func endExcuse(_ session: Int) {
        guard setup.topics > 0, ledger.isOpenEnded(.topic, session) else { return }
        let heard = topicHeard[topic(of: session)]
        guard heard.number > 0, milliseconds(heard.time) > records[session].changed else { return }
        ledger.excuse(.topic, session, .upTo(heard.number - 1))
    }

    // MARK: The session's own affairs

    private func welcome(_ session: Int, _ payload: UnsafeRawBufferPointer) {
        let record = records + session
        guard record.pointee.phase == .greeting, let object = try? JSONObject(payload),
            let seq = object["seq"]?.integer.flatMap({ UInt32(exactly: $0) }), let epoch = object["epoch"]?.string
        else { return malformed(session, "a welcome that cannot be read") }
        let user = object["user"]?.string
        if user != users.name(session) {
            ledger.note(.foreign, session, "welcome", expected: "its own name", got: user ?? "no name")
        }
        record.pointee.epoch.set(epoch)
        if record.pointee.flags.contains(.welcomed) {
            resume(session, object, seq)
        } else {
            cameIn(session)
            record.pointee.flags.formUnion([.welcomed, .conversationIsNew])
            start(session, at: seq, object)
        }
        guard record.pointee.phase == .greeting else { return }
        repeatPending(of: session)
        guard setup.topics > 0 else { return nowOpen(session) }
        record.pointee.phase = .subscribing
        handshakes -= 1
        subscribe(session)
    }

    private func subscribe(_ session: Int) {
        send(Array("{\"id\":\"s\",\"op\":\"subscribe\",\"topic\":\"\(topicName(topic(of: session)))\"}".utf8), session)
    }

    /// The position is the head.
    private func start(_ session: Int, at seq: UInt32, _ object: JSONObject) {
        ledger.rebase(.seq, session, to: seq)
        records[session].last.set(object["last"]?.string ?? "")
    }

    private func resume(_ session: Int, _ object: JSONObject, _ seq: UInt32) {
        let record = records + session
        guard object["resumed"]?.bool == true else {
            let why = object["resync"]?.string ?? "no reason"
            ledger.note(.resync, session, "resume", expected: "resumed", got: why)
            record.pointee.flags.insert(.conversationIsNew)
            return start(session, at: seq, object)
        }
        record.pointee.resumeTarget = seq
        record.pointee.flags.insert(.resuming)
        if ledger.highest(.seq, session) >= seq { resumed(session) }
    }

    private func resumed(_ session: Int) {
        let record = records + session
        record.pointee.flags.remove(.resuming)
        tally.resumes += 1
        let now = Clock.now()
        resumeLatency.record(nanoseconds: now > record.pointee.since ? now - record.pointee.since : 0)
    }

    /// Bodies are withheld from here on: the rest is pulled.
    private func behind(_ session: Int) {
        tally.behinds += 1
        records[session].flags.insert(.behind)
        ledger.excuse(.live, session, .all)
        if setup.topics > 0 { ledger.excuse(.topic, session, .all) }
        pull(session)
    }

    private func pull(_ session: Int) {
        let after = ledger.highest(.seq, session)
        send(Array("{\"id\":\"y\",\"op\":\"sync\",\"after\":\(after),\"limit\":500}".utf8), session)
    }

    private func draining(_ session: Int, _ payload: UnsafeRawBufferPointer) {
        let milliseconds = EventHead.number("\"reconnect_ms\":", in: payload, from: 0) ?? 1000
        records[session].flags.insert(.draining)
        // It stays until the node closes.
        guard !staysAway else { return }
        returning.add(Int32(session), due: Clock.now() + milliseconds * Clock.millisecond)
    }

    // MARK: Replies

    private func reply(_ session: Int, _ payload: UnsafeRawBufferPointer, _ head: EventHead) {
        guard EventHead.starts(payload, head.end, "\""), head.end + 1 < payload.count else {
            return malformed(session, "a reply to nothing that was asked")
        }
        switch payload[head.end + 1] {
        case UInt8(ascii: "m"): answered(session, payload, from: head.end + 2)
        case UInt8(ascii: "s"): subscribed(session, payload)
        case UInt8(ascii: "y"): pulled(session, payload)
        case UInt8(ascii: "h"): helloRefused(session, payload)
        default: malformed(session, "a reply to nothing that was asked")
        }
    }

    private func subscribed(_ session: Int, _ payload: UnsafeRawBufferPointer) {
        if let object = try? JSONObject(payload), object["ok"] != nil {
            if records[session].phase == .subscribing { nowOpen(session) }
            return
        }
        guard !waits(session, "subscribe", payload, .subscribesLater) else { return }
        // Without its topic it would hear nothing: it begins anew.
        lost(session, nil)
    }

    private func pulled(_ session: Int, _ payload: UnsafeRawBufferPointer) {
        if let page = (try? JSONObject(payload))?["ok"]?.object, let events = page["events"]?.array {
            for event in events { event.bytes.withUnsafeBytes { hear(session, $0) } }
            if page["more"]?.bool == true { return pull(session) }
        } else if waits(session, "sync", payload, .pullsLater) {
            return
        }
        // It may be lost by now, and is not behind then.
        guard records[session].flags.contains(.behind) else { return }
        records[session].flags.remove(.behind)
        listensNow(session)
    }

    private func helloRefused(_ session: Int, _ payload: UnsafeRawBufferPointer) {
        guard let error = ErrorReply(payload) else { return malformed(session, "a reply without ok and error") }
        if error.code == "unauthenticated" {
            return fatal("the token was refused: check --secret or --tokens, and the node's APUS_AUTH_… settings")
        }
        heardRefusal(session, "hello", error)
        // The socket could stay; a new one is as good and simpler.
        shut(session)
        wait(session, until: Clock.now() + pause(error.retryMilliseconds ?? 1000))
    }

    /// Reads the error that a request got. - Returns: false when it was refused for good; else it is asked again later,
    /// or was no error at all.
    private func waits(
        _ session: Int, _ op: String, _ payload: UnsafeRawBufferPointer, _ flag: SessionRecord.Flags
    ) -> Bool {
        guard let error = ErrorReply(payload) else {
            malformed(session, "a reply without ok and error")
            return true
        }
        heardRefusal(session, op, error)
        guard let milliseconds = error.retryMilliseconds else { return false }
        records[session].flags.insert(flag)
        resends.add(Int32(session), due: Clock.now() + pause(milliseconds))
        return true
    }

    /// Counts an error reply: come later, or a finding.
    func heardRefusal(_ session: Int, _ op: String, _ error: ErrorReply) {
        problem("\(op) was answered \(error.code): \(error.message)")
        guard error.retryMilliseconds == nil else {
            tally.refusals += 1
            return
        }
        ledger.note(.refused, session, op, expected: "ok", got: "\(error.code): \(error.message)")
    }

    /// What `retry_ms` says in nanoseconds, with some jitter.
    func pause(_ milliseconds: UInt64) -> UInt64 { (milliseconds + UInt64(50 + random.below(450))) * Clock.millisecond }

    /// Asks again whoever was told to wait. - Returns: When to look again.
    func askAgain(_ now: UInt64) -> UInt64 {
        while let due = resends.next(by: now) {
            let (session, record) = (Int(due), records + Int(due))
            if record.pointee.flags.contains(.pullsLater), record.pointee.isConnected { pull(session) }
            if record.pointee.flags.contains(.subscribesLater), record.pointee.phase == .subscribing {
                subscribe(session)
            }
            record.pointee.flags.subtract([.pullsLater, .subscribesLater])
            if record.pointee.isConnected { repeatPending(of: session, due: now) }
        }
        return resends.first ?? .max
    }

    func topic(of session: Int) -> Int { (setup.first + session) % max(1, setup.topics) }
    func topicName(_ topic: Int) -> String { setup.topicName(topic) }
}
