import Wire

/// A `send` that was not answered yet. Its text follows from what is here, so it can be said again.
struct PendingSend {
    /// When it was meant to be sent.
    var meant: UInt64
}

/// Direct messages between the two sessions of a pair: 2i and 2i + 1.
extension Worker {
    private func key(_ session: Int, _ number: UInt32) -> UInt64 { UInt64(session) << 32 | UInt64(number) }

    func say(_ session: Int, _ meant: UInt64) {
        guard session ^ 1 < setup.count, records[session ^ 1].flags.contains(.welcomed) else { return }
        records[session].messagesSent += 1
        let number = records[session].messagesSent
        pending[key(session, number)] = PendingSend(meant: meant)
        tally.sent += 1
        say(session, number, meant)
    }

    private func say(_ session: Int, _ number: UInt32, _ meant: UInt64) {
        var frame = Array("{\"id\":\"m.\(number).\(meant)\",\"op\":\"send\",\"to\":\"".utf8)
        users.appendName(session ^ 1, to: &frame)
        frame += "\",\"cid\":\"\(setup.run)-\(number)\",\"body\":".utf8
        Marker(run: setup.run, stream: UInt32(session & 1), number: number, time: meant).append(
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
            guard pending.removeValue(forKey: key(session, number)) != nil else { return }
            tally.oks += 1
            let now = Clock.now()
            okLatency.record(nanoseconds: now > meant ? now - meant : 0)
            return
        }
        refused(session, number, payload)
    }

    private func refused(_ session: Int, _ number: UInt32, _ payload: UnsafeRawBufferPointer) {
        let error = (try? JSONObject(payload))?["error"]?.object
        let code = error?["code"]?.string ?? "?"
        problem("send was answered \(code)")
        if let retry = error?["retry_ms"]?.integer {
            // It waits as it is told and says it again, under the same cid; later ones may overtake it.
            tally.held += 1
            markRepeated(session, number)
            resends.add(
                Int32(session),
                due: Clock.now() + (UInt64(clamping: retry) + UInt64(50 + random.below(450))) * Clock.millisecond)
            return
        }
        tally.failures += 1
        pending[key(session, number)] = nil
        ledger.markRefused(.own, session, number)
        ledger.markRefused(.messages, session ^ 1, number)
    }

    private func markRepeated(_ session: Int, _ number: UInt32) {
        ledger.markRepeated(.own, session, number)
        ledger.markRepeated(.messages, session ^ 1, number)
    }

    /// Says again what is due. - Returns: When to look again.
    func resend(_ now: UInt64) -> UInt64 {
        while let session = resends.next(by: now) {
            if records[Int(session)].isOpen { repeatPending(of: Int(session), now) }
        }
        return resends.first ?? .max
    }

    /// After a new connection, or when there is room again: whoever has no answer asks again, in order.
    func repeatPending(of session: Int, _ now: UInt64) {
        guard !pending.isEmpty else { return }
        let numbers = pending.keys.filter { $0 >> 32 == UInt64(session) }.sorted()
        for key in numbers {
            let number = UInt32(truncatingIfNeeded: key)
            markRepeated(session, number)
            if let send = pending[key] { say(session, number, send.meant) }
        }
    }
}
