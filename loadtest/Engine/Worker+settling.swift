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
        // Of other servers live events are checked, and nothing else.
        guard dialect == nil || stream.isLive else { return nil }
        let record = records + session
        switch stream {
        case .seq: return ledger.highest(.seq, session)
        case .notes: return record.pointee.notified
        case .live: return record.pointee.liveSent
        case .topic: return topicTotals.isEmpty ? nil : topicTotals[topic(of: session)]
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
                sum += ledger.missing(stream, session, upTo: expected)
            }
            let isWaiting = !records[session].flags.isDisjoint(with: [.resuming, .behind])
            if isWaiting || !records[session].isOpen { sum += 1 }
        }
        return max(0, sum)
    }

    /// Judges, and tells what was found.
    func finish() {
        publisher?.giveUp()
        closePending()
        for session in 0..<begun where isChecked(session) { judge(session) }
        ledger.closeUnseen { _, session in isChecked(session) }
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
        if record.pointee.flags.contains(.behind) {
            ledger.note(
                .unanswered, session, "sync", expected: "events up to the head",
                got: "up to seq \(ledger.highest(.seq, session))")
        }
        endExcuse(session)
        for stream in Stream.allCases {
            guard let expected = expected(stream, session) else { continue }
            ledger.close(stream, session, upTo: expected)
        }
    }
}
