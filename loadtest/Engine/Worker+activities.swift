/// An activity and how far it is.
struct ActivityRun {
    let activity: Activity
    var done = 0

    init(_ activity: Activity) { self.activity = activity }

    /// When number `done` is due.
    var due: UInt64 { activity.start + UInt64(Double(done) / activity.rate * 1e9) }
}

/// What goes on at a rate: open loop, each event with the time at which it was meant to be sent.
extension Worker {
    /// Events of one activity in one turn of the loop, so that reading is not kept waiting.
    private static let turnMax = 512
    /// One to each session: as many of a worker may be under way. The site is to be kept busy, not buried: what it does not
    /// carry would wait in its stream, and the latency would be that of a queue.
    private static let eachUnderWayMax = 128
    /// When nothing comes for so long, what is under way is lost, and the others are published all the same.
    private static let eachPatience = 10 * Clock.second

    /// Does what is due. - Returns: When to look again.
    func act(_ now: UInt64) -> UInt64 {
        guard !runs.isEmpty else { return .max }
        var next = UInt64.max
        for at in runs.indices {
            var left = Self.turnMax
            while left > 0, !isOver(runs[at]), runs[at].due <= now, canAct(runs[at].activity, now) {
                // One to each is no open loop: it is published when there is room for it.
                let due = runs[at].activity.each ? now : runs[at].due
                tally.latenessMax = max(tally.latenessMax, now - due)
                perform(runs[at].activity, number: runs[at].done, meant: due)
                runs[at].done += 1
                left -= 1
            }
            guard !isOver(runs[at]) else { continue }
            // A publisher that is full is looked at again soon; so is what did not fit in this turn.
            let due = max(runs[at].due, now)
            next = min(next, canAct(runs[at].activity, now) ? due : now + Clock.millisecond)
        }
        let before = runs.count
        runs.removeAll { isOver($0) }
        if runs.isEmpty, before > 0 { tell(.idle(topics: topicSent)) }
        return next
    }

    private func isOver(_ run: ActivityRun) -> Bool {
        run.activity.each
            ? run.done >= begun : Double(run.done) >= run.activity.seconds * run.activity.rate
    }

    private func canAct(_ activity: Activity, _ now: UInt64) -> Bool {
        switch activity.kind {
        case .notify, .live, .topic: publisher.map { !$0.isFull } ?? true && !(activity.each && isFarAhead(now))
        case .send: pending.count < 20_000
        case .churn: true
        }
    }

    /// Whether so much of one to each is under way that the next has to wait.
    private func isFarAhead(_ now: UInt64) -> Bool {
        underWay >= Self.eachUnderWayMax && now < max(deliveredAt, notifiedAt) + Self.eachPatience
    }

    private func perform(_ activity: Activity, number: Int, meant: UInt64) {
        switch activity.kind {
        // Other servers have nothing durable.
        case .notify where dialect == nil: notify(activity.each ? number : random.below(begun), meant)
        case .notify, .live: withRandom({ $0.pointee.isOpen }) { live($0, meant) }
        case .topic: publish(to: number % max(1, setup.topics), meant)
        case .send:
            let now = Clock.now()
            withRandom({ $0.pointee.mayWrite(now) }) { say($0, meant) }
        case .churn: withRandom({ $0.pointee.isOpen }) { churn($0) }
        }
    }

    /// Does it with a random session of this kind that reads; when some tries find none, it is left out and counted.
    // SAFETY: the pointers are those of `records`, used inside this call.
    private func withRandom(
        _ isThis: (UnsafeMutablePointer<SessionRecord>) -> Bool, _ body: (Int) -> Void
    ) {
        for _ in 0..<(begun > 0 ? 16 : 0) {
            let session = random.below(begun)
            if isThis(records + session), !records[session].flags.contains(.slow) { return body(session) }
        }
        tally.skipped += 1
    }

    private func data(_ stream: UInt32, _ number: UInt32, _ meant: UInt64) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(setup.payloadBytes + 8)
        Marker(run: setup.run, stream: stream, number: number, time: meant).append(
            to: &out, bytes: setup.payloadBytes)
        return out
    }

    private func notify(_ session: Int, _ meant: UInt64) {
        // Somebody who was never welcomed has no timeline whose head is known.
        guard records[session].flags.contains(.welcomed) else {
            tally.skipped += 1
            return
        }
        records[session].notified += 1
        let number = records[session].notified
        var name: [UInt8] = []
        users.appendName(session, to: &name)
        let id = Array("\(setup.run)-\(setup.first + session)-\(number)".utf8)
        tally.published += 1
        underWay += 1
        // Patience begins with the last one that there was room for.
        if underWay < Self.eachUnderWayMax { notifiedAt = meant }
        publisher?.notify(
            user: name, id: id, data: data(UInt32(setup.first + session), number, meant),
            Ticket(session: Int32(session), number: number, stream: .notes))
    }

    private func live(_ session: Int, _ meant: UInt64) {
        records[session].liveSent += 1
        let number = records[session].liveSent
        var name: [UInt8] = []
        users.appendName(session, to: &name)
        tally.published += 1
        publisher?.live(
            user: name, data: data(UInt32(setup.first + session), number, meant),
            Ticket(session: Int32(session), number: number, stream: .live))
    }

    private func publish(to topic: Int, _ meant: UInt64) {
        guard topic < topicSent.count else { return }
        topicSent[topic] += 1
        tally.published += 1
        publisher?.topic(
            topicName(topic), data: data(UInt32(topic), topicSent[topic], meant),
            Ticket(session: -1, number: topicSent[topic]))
    }

    /// What became of a publish.
    func published(_ ticket: Ticket, _ outcome: PublishOutcome) {
        let session = Int(ticket.session)
        switch outcome {
        case .stored: tally.stored += 1
        case .refused(let why):
            problem(why)
            ledger.note(.refused, session, ticket.stream.name, expected: "\(ticket.text) accepted", got: why)
            guard session >= 0, ledger.markRefused(ticket.stream, session, ticket.number) else { return }
            if ticket.stream == .notes { underWay -= 1 }
        case .unanswered(let why):
            problem(why)
            ledger.note(.unanswered, session, ticket.stream.name, expected: "an answer to \(ticket.text)", got: why)
            maybe(ticket)
        case .unavailable(let why):
            tally.refusals += 1
            problem(why)
            maybe(ticket)
        case .postponed(let why):
            tally.refusals += 1
            problem(why)
        }
    }

    /// Nobody knows whether it was accepted.
    private func maybe(_ ticket: Ticket) {
        let session = Int(ticket.session)
        guard session >= 0, ledger.markUncertain(ticket.stream, session, ticket.number) else { return }
        if ticket.stream == .notes { underWay -= 1 }
    }

    /// Goes, and comes back after some seconds.
    private func churn(_ session: Int) {
        let now = Clock.now()
        leave(session, now)
        records[session].flags.insert(.dropped)
        wait(session, until: now + UInt64(1000 + random.below(4000)) * Clock.millisecond)
    }
}
