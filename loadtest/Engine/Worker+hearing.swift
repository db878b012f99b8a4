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
        let record = records + session
        let isNewFlag: SessionRecord.Flags? =
            stream == .live ? .liveIsNew : stream == .topic ? .topicIsNew : nil
        if let isNewFlag, record.pointee.flags.contains(isNewFlag), marker.number > ledger.highest(stream, session) {
            ledger.rebase(stream, session, to: marker.number - 1)
            record.pointee.flags.remove(isNewFlag)
        }
        if record.pointee.flags.contains(.wasBehind), isNewFlag != nil,
            marker.number > ledger.highest(stream, session)
        {
            ledger.skip(stream, session, to: marker.number - 1)
        }
        guard ledger.take(stream, session, marker.number) else { return }
        tally.deliveries += 1
        underWay -= 1
        deliveredAt = receivedAt
        // What was published while it was away is late by its absence, which is not the server's latency.
        guard marker.time >= record.pointee.since else { return }
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
        // The marker's stream is the place of the author in the pair.
        take(session, marker, marker.stream == UInt32(session & 1) ? .own : .messages)
    }

    // MARK: The session's own affairs

    private func welcome(_ session: Int, _ payload: UnsafeRawBufferPointer) {
        let record = records + session
        guard record.pointee.phase == .greeting, let object = try? JSONObject(payload),
            let seq = object["seq"]?.integer.flatMap({ UInt32(exactly: $0) }), let epoch = object["epoch"]?.string
        else { return malformed(session, "a welcome that cannot be read") }
        let now = Clock.now()
        connectLatency.record(nanoseconds: now - record.pointee.since)
        record.pointee.epoch.set(epoch)
        if record.pointee.flags.contains(.welcomed) {
            resume(session, object, seq)
        } else {
            tally.connects += 1
            record.pointee.flags.formUnion([.welcomed, .conversationIsNew])
            // Everything live from here on counts.
            record.pointee.flags.subtract([.liveIsNew, .topicIsNew])
            start(session, at: seq, object)
            if setup.slowShare > 0, Double(random.below(1_000_000)) < setup.slowShare * 1e6 {
                record.pointee.flags.insert(.slow)
            }
        }
        guard record.pointee.phase == .greeting else { return }
        repeatPending(of: session, now)
        guard setup.topics > 0 else { return nowOpen(session) }
        record.pointee.phase = .subscribing
        handshakes -= 1
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
        resumeLatency.record(nanoseconds: Clock.now() - record.pointee.since)
    }

    /// Bodies are withheld from here on: the rest is pulled.
    private func behind(_ session: Int) {
        tally.behinds += 1
        records[session].flags.formUnion([.behind, .wasBehind])
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
        default: helloRefused(session, payload)
        }
    }

    private func subscribed(_ session: Int, _ payload: UnsafeRawBufferPointer) {
        guard let object = try? JSONObject(payload), object["ok"] != nil else {
            return malformed(session, "subscribe was refused: \(String(decoding: payload.prefix(200), as: UTF8.self))")
        }
        if records[session].phase == .subscribing { nowOpen(session) }
    }

    private func pulled(_ session: Int, _ payload: UnsafeRawBufferPointer) {
        guard let page = (try? JSONObject(payload))?["ok"]?.object, let events = page["events"]?.array else {
            return pull(session)
        }
        for event in events { event.bytes.withUnsafeBytes { hear(session, $0) } }
        if page["more"]?.bool == true { pull(session) } else { records[session].flags.remove(.behind) }
    }

    private func helloRefused(_ session: Int, _ payload: UnsafeRawBufferPointer) {
        guard let error = (try? JSONObject(payload))?["error"]?.object else { return }
        let code = error["code"]?.string ?? "?"
        problem("hello was answered \(code): \(error["message"]?.string ?? "")")
        tally.failures += 1
        if code == "unauthenticated" {
            return fatal("the token was refused: check --secret or --tokens, and the node's APUS_AUTH_… settings")
        }
        // The socket could stay; a new one is as good and simpler.
        shut(session)
        let milliseconds = UInt64(clamping: error["retry_ms"]?.integer ?? 1000) + UInt64(random.below(500))
        wait(session, until: Clock.now() + milliseconds * Clock.millisecond)
    }

    func topic(of session: Int) -> Int { (setup.first + session) % max(1, setup.topics) }
    func topicName(_ topic: Int) -> String { setup.topicName(topic) }
}
