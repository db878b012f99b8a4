/// The end of a run: waiting for what is under way, then judging what is missing.
extension Worker {
    /// Looks whether everything has come. - Returns: When to look again.
    func settle(_ now: UInt64) -> UInt64 {
        guard let deadline = settleDeadline else { return .max }
        guard now >= nextSettleLook else { return nextSettleLook }
        let missing = missing()
        // A look walks over all sessions: it may take a fiftieth of the time.
        nextSettleLook = now + max(100 * Clock.millisecond, 50 * (Clock.now() - now))
        let isQuiet = pending.isEmpty && (publisher?.inFlight ?? 0) == 0
        guard (missing == 0 && isQuiet) || now >= deadline else { return nextSettleLook }
        settleDeadline = nil
        tell(.settled(missing: missing))
        return .max
    }

    /// How many events this session is to have of a stream; nil when the stream is not checked to its end.
    private func expected(_ stream: Stream, _ session: Int) -> UInt32? {
        let record = records + session
        switch stream {
        case .seq: return ledger.highest(.seq, session)
        case .notes: return record.pointee.notified
        case .live: return record.pointee.flags.contains(.liveIsNew) ? nil : record.pointee.liveSent
        case .topic:
            guard !topicTotals.isEmpty, !record.pointee.flags.contains(.topicIsNew) else { return nil }
            return topicTotals[topic(of: session)]
        case .messages: return session ^ 1 < setup.count ? records[session ^ 1].messagesSent : 0
        case .own: return record.pointee.messagesSent
        }
    }

    private func isChecked(_ session: Int) -> Bool {
        let record = records + session
        return record.pointee.flags.contains(.welcomed) && !record.pointee.flags.contains(.slow)
    }

    private func missing() -> Int {
        var sum = ledger.missingElsewhere
        for session in 0..<begun where isChecked(session) {
            for stream in Stream.allCases {
                guard let expected = expected(stream, session) else { continue }
                if stream == .live || stream == .topic, records[session].flags.contains(.wasBehind) { continue }
                sum += ledger.missing(stream, session, upTo: expected)
            }
            if records[session].flags.contains(.resuming) || !records[session].isOpen { sum += 1 }
        }
        return max(0, sum)
    }

    /// Judges, and tells what was found.
    func finish() {
        for key in pending.keys {
            let (session, number) = (Int(key >> 32), UInt32(truncatingIfNeeded: key))
            ledger.markUncertain(.own, session, number)
            ledger.markUncertain(.messages, session ^ 1, number)
        }
        for session in 0..<begun where isChecked(session) { judge(session) }
        let mayBeWithheld = { [records] (stream: Stream, session: Int) in
            (stream == .live || stream == .topic) && records[session].flags.contains(.wasBehind)
        }
        ledger.closeUnseen(isChecked: { [unowned self] _, session in isChecked(session) }, mayBeWithheld: mayBeWithheld)
        tell(.finished(ledger.findings, withheld: ledger.withheld))
    }

    private func judge(_ session: Int) {
        let record = records + session
        guard record.pointee.isOpen else {
            return ledger.note(
                .incompleteResume, session, "session", expected: "open at the end",
                got: "not back \(record.pointee.attempts) attempts after its loss")
        }
        if record.pointee.flags.contains(.resuming) {
            ledger.note(
                .incompleteResume, session, "resume", expected: "events up to seq \(record.pointee.resumeTarget)",
                got: "up to seq \(ledger.highest(.seq, session))")
        }
        for stream in Stream.allCases {
            guard let expected = expected(stream, session) else { continue }
            let mayBeWithheld =
                (stream == .live || stream == .topic) && record.pointee.flags.contains(.wasBehind)
            ledger.close(stream, session, upTo: expected, mayBeWithheld: mayBeWithheld)
        }
    }
}
