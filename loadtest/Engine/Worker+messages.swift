import Wire

/// A `send` that was not answered yet. Its text follows from what is here, so it can be said again.
struct PendingSend {
    /// When it was meant to be sent.
    var meant: UInt64
    /// It was on a socket: said again, it may overtake or be overtaken.
    var isSaid = false
    /// When it was said last.
    var saidAt: UInt64 = 0
    /// When it was told first to come again later, and until when it waits now; 0 when it was not, or does not.
    var firstPostponedAt: UInt64 = 0
    var postponedUntil: UInt64 = 0

    /// At the end, of a session that is open and reads: whether the server owes an answer. Not to what was said a moment
    /// ago; nor to what was told to wait, for a while.
    func isOwed(at now: UInt64) -> Bool {
        guard isSaid else { return false }
        return firstPostponedAt > 0
            ? now >= firstPostponedAt + Self.postponedMax : now >= saidAt + Self.answerMax
    }

    /// A server that protects itself for longer than that refuses.
    private static let postponedMax = 10 * Clock.second
    private static let answerMax = 2 * Clock.second
}

/// Direct messages between the two sessions of a pair: 2i and 2i + 1.
extension Worker {
    private func key(_ session: Int, _ number: UInt32) -> UInt64 { UInt64(session) << 32 | UInt64(number) }

    /// Writes to the other one of the pair. What cannot be sent now is sent when the session is back, and counts from
    /// when it was meant to be sent.
    func say(_ session: Int, _ meant: UInt64) {
        guard session ^ 1 < setup.count, records[session ^ 1].flags.contains(.welcomed) else {
            tally.skipped += 1
            return
        }
        records[session].messagesSent += 1
        records[session].unanswered += 1
        let number = records[session].messagesSent
        pending[key(session, number)] = PendingSend(meant: meant)
        tally.sent += 1
        if records[session].isConnected { say(session, number, meant) }
    }

    private func say(_ session: Int, _ number: UInt32, _ meant: UInt64) {
        var said = pending[key(session, number)] ?? PendingSend(meant: meant)
        (said.isSaid, said.saidAt, said.postponedUntil) = (true, Clock.now(), 0)
        pending[key(session, number)] = said
        var frame = Array("{\"id\":\"m.\(number).\(meant)\",\"op\":\"send\",\"to\":\"".utf8)
        users.appendName(session ^ 1, to: &frame)
        frame += "\",\"cid\":\"\(setup.run)-\(number)\",\"body\":".utf8
        let author = UInt32(truncatingIfNeeded: setup.first + session)
        Marker(run: setup.run, stream: author, number: number, time: meant).append(
            to: &frame, bytes: setup.payloadBytes)
        frame.append(UInt8(ascii: "}"))
        send(frame, session)
    }

    /// Reads `"m.<number>.<meant>","ok":…` or an error.
    // SAFETY: `payload` lies in the worker's buffer and is read inside this call.
    func answered(_ session: Int, _ payload: UnsafeRawBufferPointer, from start: Int) {
        var at = start + 1
        guard let number = Decimal.read(payload, &at).flatMap({ UInt32(exactly: $0) }), at < payload.count else {
            return malformed(session, "a reply to nothing that was asked")
        }
        at += 1
        guard let meant = Decimal.read(payload, &at) else {
            return malformed(session, "a reply to nothing that was asked")
        }
        if EventHead.starts(payload, at, "\",\"ok\":") {
            // An answer to what was said again may be the second one.
            guard isSettled(session, number) else { return }
            tally.oks += 1
            let now = Clock.now()
            if records[session].isCharged(meant) { okLatency.record(nanoseconds: now > meant ? now - meant : 0) }
            return
        }
        refused(session, number, payload)
    }

    /// Takes it out of what is not answered. - Returns: Whether it was there.
    private func isSettled(_ session: Int, _ number: UInt32) -> Bool {
        guard pending.removeValue(forKey: key(session, number)) != nil else { return false }
        records[session].unanswered -= 1
        return true
    }

    private func refused(_ session: Int, _ number: UInt32, _ payload: UnsafeRawBufferPointer) {
        guard let error = ErrorReply(payload) else { return malformed(session, "a reply without ok and error") }
        heardRefusal(session, "send", error)
        if let milliseconds = error.retryMilliseconds {
            // It waits as it is told and says it again, under the same cid; later ones may overtake it.
            let now = Clock.now()
            markRepeated(session, number)
            let until = now + pause(milliseconds)
            pending[key(session, number)]?.postponedUntil = until
            if pending[key(session, number)]?.firstPostponedAt == 0 {
                pending[key(session, number)]?.firstPostponedAt = now
            }
            resends.add(Int32(session), due: until)
            return
        }
        _ = isSettled(session, number)
        ledger.markRefused(.own, session, number)
        ledger.markRefused(.messages, session ^ 1, number)
    }

    private func markRepeated(_ session: Int, _ number: UInt32) {
        ledger.markRepeated(.own, session, number)
        ledger.markRepeated(.messages, session ^ 1, number)
    }

    /// After a new connection, or when there is room again: whoever has no answer asks again, in order.
    ///
    /// - Parameter due: Only those that were told to wait until then, or before; nil: all.
    func repeatPending(of session: Int, due: UInt64? = nil) {
        var left = records[session].unanswered
        guard left > 0 else { return }
        // The newest first: few are without an answer, and those are the latest ones.
        var numbers: [UInt32] = []
        var number = records[session].messagesSent
        while left > 0, number > 0 {
            if let send = pending[key(session, number)] {
                left -= 1
                let isDue = due.map { send.postponedUntil > 0 && send.postponedUntil <= $0 } ?? true
                if isDue { numbers.append(number) }
            }
            number -= 1
        }
        for number in numbers.reversed() {
            guard let send = pending[key(session, number)] else { continue }
            if send.isSaid { markRepeated(session, number) }
            say(session, number, send.meant)
        }
    }

    /// At the end: who is there has an answer to everything, and what else has none is uncertain.
    func closePending() {
        let now = Clock.now()
        for (key, send) in pending {
            let (session, number) = (Int(key >> 32), UInt32(truncatingIfNeeded: key))
            let record = records + session
            if record.pointee.isOpen, !record.pointee.flags.contains(.slow), send.isOwed(at: now) {
                ledger.note(
                    .unanswered, session, "send", expected: "an answer to message \(number)",
                    got: send.firstPostponedAt > 0 ? "to come later" : "nothing")
            }
            ledger.markUncertain(.own, session, number)
            ledger.markUncertain(.messages, session ^ 1, number)
        }
    }
}
