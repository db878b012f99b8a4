import Testing

/// A run in which all is well, and one fault planted at a time.
private struct Planted {
    var history = History()

    /// ann and ben exchange four messages, sent at 100, 200, … and ok 50 later; ben gets two notifications in the same
    /// way; ben's phone resumes once. Where the store may forget, it may from 380 on, unless a test says otherwise.
    init() {
        let conversation = "d:ann:ben"
        var events: [FinalTimeline.Event] = []
        for n in 1...4 {
            let from = n % 2 == 1 ? "ann" : "ben"
            var message = SentMessage(from: from, cid: "c\(n)", conversation: conversation, members: ["ann", "ben"])
            message.attempts = [
                .init(
                    connection: n % 2, place: n, sentAt: Moment(n * 100), answeredAt: Moment(n * 100 + 50),
                    outcome: .ok(n: Int64(n), id: "m\(n)", isDuplicate: false))
            ]
            history.messages.append(message)
            history.logs[conversation, default: []].append(.init(n: Int64(n), id: "m\(n)", from: from, text: "c\(n)"))
            events.append(
                .init(
                    seq: Int64(n), id: "m\(n)",
                    content: .message(conversation: conversation, n: Int64(n), from: from, text: "c\(n)")))
        }
        history.timelines["ann"] = FinalTimeline(epoch: "e", events: events)
        for n in 5...6 {
            history.notifications.append(
                .init(id: "n\(n)", user: "ben", firstSentAt: Moment(n * 100), acknowledgedAt: Moment(n * 100 + 50)))
            events.append(.init(seq: Int64(n), id: "n\(n)", content: .notification))
        }
        history.timelines["ben"] = FinalTimeline(epoch: "e", events: events)
        history.inboxes = ["ann": [], "ben": ["n5", "n6"]]
        let seen = events.map { Seen(seq: $0.seq, id: $0.id) }
        var first = session(head: Seen(seq: 0, id: ""), events: Array(seen[..<3]))
        first.afresh = []
        var second = session(head: seen[4], events: Array(seen[3...]))
        second.resume = seen[2]
        second.resumed = true
        second.openedAt = 580
        history.loss = LossWindow(from: 380, until: 700)
        history.devices = [DeviceRecord(user: "ben", name: "ben/phone", sessions: [first, second])]
    }

    private func session(head: Seen, events: [Seen]) -> SessionRecord {
        SessionRecord(node: "gw-1", openedAt: 0, epoch: "e", head: head, resumed: false, events: events)
    }

    mutating func unlog(_ cid: String) {
        history.logs["d:ann:ben"]?.removeAll { $0.text == cid }
        for user in ["ann", "ben"] { remove(cid, from: user) }
    }

    mutating func remove(_ what: String, from user: String) {
        history.timelines[user]?.events.removeAll { event in
            if case .message(_, _, _, let text) = event.content { return text == what }
            return event.id == what
        }
    }

    /// Numbers the timeline anew, so that a planted fault leaves no hole.
    mutating func renumber(_ user: String) {
        for index in history.timelines[user]?.events.indices ?? 0..<0 {
            history.timelines[user]?.events[index].seq = Int64(index + 1)
        }
    }
}

@Suite("The checker finds what is planted")
struct CheckerTests {
    private func expect(
        _ wanted: Set<ViolationKind>, _ allowance: Checker.Allowance = [],
        sourceLocation: SourceLocation = #_sourceLocation, _ plant: (inout Planted) -> Void
    ) {
        var planted = Planted()
        plant(&planted)
        let verdict = Checker.check(planted.history, allowing: allowance)
        #expect(verdict.kinds == wanted, "\(verdict)", sourceLocation: sourceLocation)
    }

    @Test("a run in which all is well is clean, and everything in it was looked at")
    func clean() {
        let verdict = Checker.check(Planted().history)
        #expect(verdict.isClean, "\(verdict)")
        #expect(verdict.operations == 6 && verdict.sessions == 2 && verdict.resyncs == 0)
    }

    @Test("a message that was ok and is nowhere is lost; when the store may lose its tail, it is forgotten")
    func lostMessage() {
        let plant: (inout Planted) -> Void = {
            $0.unlog("c4")
            for user in ["ann", "ben"] { $0.renumber(user) }
            $0.history.devices = []
        }
        expect([.lost], [], plant)
        expect([], .storeLosesTail, plant)
    }

    @Test("a message that one member has and the other has not is lost, whatever its sender was told")
    func halfStored() {
        let plant: (inout Planted) -> Void = {
            $0.history.messages[3].attempts[0].outcome = .unknown
            $0.remove("c4", from: "ann")
        }
        expect([.lost], [], plant)
        expect([.lost], .storeLosesTail, plant)
    }

    @Test("a message without an answer may be stored or not; one that was refused may not")
    func phantom() {
        expect([]) { $0.history.messages[3].attempts[0].outcome = .unknown }
        expect([]) { $0.history.messages[3].attempts[0].outcome = .refused("unavailable") }
        expect([.phantom]) { $0.history.messages[3].attempts[0].outcome = .refused("conflict") }
        expect([.phantom]) { $0.history.messages.removeLast() }
        expect([.phantom]) { $0.history.notifications.removeLast() }
    }

    @Test("what stands twice in a history, a timeline or an inbox is doubled")
    func doubled() {
        expect([.doubled, .contradiction, .misordered]) {
            $0.history.logs["d:ann:ben"]?.append(.init(n: 5, id: "m5", from: "ben", text: "c4"))
        }
        expect([.doubled]) {
            $0.history.timelines["ann"]?.events.append(.init(seq: 5, id: "m4", content: .other("read")))
        }
        expect([.doubled, .misordered]) {
            $0.history.timelines["ann"]?.events.append(
                .init(seq: 5, id: "m5", content: .message(conversation: "d:ann:ben", n: 5, from: "ben", text: "c4")))
        }
        expect([.doubled]) { $0.history.inboxes["ben"]?.append("n6") }
    }

    @Test("what a session gets twice is doubled, what it leaves out is a hole")
    func sessions() {
        expect([.doubled]) { $0.history.devices[0].sessions[1].events.insert(Seen(seq: 3, id: "m3"), at: 0) }
        expect([.hole, .silentGap]) { $0.history.devices[0].sessions[0].events.remove(at: 1) }
    }

    @Test("an acknowledged notification that is not in the timeline, or not in the inbox, is lost")
    func lostNotification() {
        let plant: (inout Planted) -> Void = {
            $0.remove("n6", from: "ben")
            $0.history.devices = []
        }
        expect([.lost], [], plant)
        expect([], .storeLosesTail, plant)
        expect([]) {
            plant(&$0)
            $0.history.notifications[1].acknowledgedAt = nil
        }
        expect([.lost]) { $0.history.inboxes["ben"]?.removeLast() }
    }

    @Test("orders that differ, an answer that was earlier than its successor, and a pipeline out of order")
    func order() {
        expect([.misordered]) {
            $0.history.timelines["ann"]?.events.swapAt(1, 2)
            $0.renumber("ann")
        }
        // c2 was ok at 250, before c1 was sent, and stands behind it.
        expect([.misordered]) {
            $0.history.messages[0].attempts[0].sentAt = 300
            $0.history.messages[0].attempts[0].answeredAt = 400
        }
        // c3 was sent before c1 on the same connection.
        expect([.misordered]) {
            $0.history.messages[0].attempts[0].place = 9
            for index in 0..<4 { $0.history.messages[index].attempts[0].answeredAt = 900 }
        }
    }

    @Test("a reply that says another number than the history is a contradiction")
    func contradiction() {
        expect([.contradiction]) {
            $0.history.messages[2].attempts[0].outcome = .ok(n: 7, id: "m3", isDuplicate: true)
        }
    }

    @Test("a client that has another event at a number, or believes in more than there is, has a silent gap")
    func silentGap() {
        expect([.silentGap]) { $0.history.devices[0].sessions[1].events[0].id = "other" }
        expect([.silentGap]) { $0.history.devices[0].sessions[1].events.append(Seen(seq: 7, id: "gone")) }
        expect([.silentGap], .storeLosesTail) { $0.history.devices[0].sessions[0].events[1].id = "other" }
        // Neither resumed nor a reason; and it has not read afresh.
        expect([.silentGap, .unsettled]) {
            $0.history.devices[0].sessions[1].resumed = false
            $0.history.devices[0].sessions[1].events.removeFirst(2)
        }
    }

    @Test("a client that was told to read afresh has no gap, unless there was no reason to tell it")
    func resync() {
        let plant: (inout Planted) -> Void = { planted in
            planted.history.devices[0].sessions[0].events[1].id = "other"
            planted.history.devices[0].sessions[1].resumed = false
            planted.history.devices[0].sessions[1].resync = "id_mismatch"
            planted.history.devices[0].sessions[1].afresh = planted.history.timelines["ben"]?.events.prefix(5).map {
                Seen(seq: $0.seq, id: $0.id)
            }
            planted.history.devices[0].sessions[1].events.removeFirst(2)
        }
        expect([.falseResync], [], plant)
        expect([], .storeLosesTail, plant)
        expect([.silentGap], .storeLosesTail) {
            plant(&$0)
            $0.history.devices[0].sessions[1].afresh?[1].id = "other"
        }
    }

    @Test("a device that is connected and did not get the newest events is told of; one that is not is waited for")
    func undelivered() {
        expect([.undelivered]) { $0.history.devices[0].sessions[1].events.removeLast() }
        let away: (inout Planted) -> Void = {
            $0.history.devices[0].sessions[1].events.removeLast()
            $0.history.devices[0].isSettled = false
        }
        expect([.unsettled], [], away)
        var planted = Planted()
        away(&planted)
        let verdict = Checker.check(planted.history)
        #expect(verdict.mayHeal)
        // It was told to read afresh, and has not done it yet.
        expect([.unsettled], .storeLosesTail) {
            $0.history.devices[0].sessions[1].resumed = false
            $0.history.devices[0].sessions[1].resync = "ahead"
            $0.history.devices[0].sessions[1].events.removeFirst(2)
        }
    }

    @Test("a conversation that was reset without a loss is a false resync; after a loss it explains what is missing")
    func reset() {
        let plant: (inout Planted) -> Void = { planted in
            planted.history.loss = LossWindow(from: 220, until: 700)
            planted.remove("c2", from: "ann")
            planted.history.timelines["ann"]?.events.insert(
                .init(seq: 2, id: "x", content: .reset(conversation: "d:ann:ben")), at: 1)
        }
        expect([.falseResync, .lost], [], plant)
        expect([], .storeLosesTail, plant)
    }

    @Test("what a conversation lost must be told to those who have it in their timelines")
    func gone() {
        let plant: (inout Planted) -> Void = { $0.history.logs["d:ann:ben"]?.removeLast() }
        expect([.lost, .phantom], [], plant)
        expect([.silentGap], .storeLosesTail, plant)
        expect([], .storeLosesTail) { planted in
            plant(&planted)
            for user in ["ann", "ben"] {
                let seq = Int64(planted.history.timelines[user]?.events.count ?? 0) + 1
                planted.history.timelines[user]?.events.append(
                    .init(seq: seq, id: "x", content: .reset(conversation: "d:ann:ben")))
            }
            planted.history.devices[0].sessions[1].events.append(Seen(seq: 7, id: "x"))
        }
    }
}

/// What a store that loses its newest part explains, and what not: the time decides (`LossWindow`).
extension CheckerTests {
    private func expect(
        _ wanted: Set<ViolationKind>, losing window: ClosedRange<Moment>,
        sourceLocation: SourceLocation = #_sourceLocation, _ plant: (inout Planted) -> Void
    ) {
        expect(wanted, .storeLosesTail, sourceLocation: sourceLocation) { planted in
            planted.history.loss = LossWindow(from: window.lowerBound, until: window.upperBound)
            plant(&planted)
        }
    }

    /// c4 was sent at 400 and ok at 450.
    @Test("a message that was ok before the loss or after it is lost; one that was ok meanwhile is forgotten")
    func timeOfLostMessage() {
        let plant: (inout Planted) -> Void = {
            $0.unlog("c4")
            for user in ["ann", "ben"] { $0.renumber(user) }
            $0.history.devices = []
        }
        expect([], losing: 380...700, plant)
        expect([], losing: 420...700, plant)
        expect([], losing: 450...450, plant)
        expect([.lost], losing: 451...700, plant)
        expect([.lost], losing: 300...449, plant)
        expect([.lost], losing: 300...399, plant)
        // Sent once more after the loss, and ok again.
        expect([.lost], losing: 380...700) {
            plant(&$0)
            $0.history.messages[3].attempts.append(
                .init(
                    connection: 0, place: 9, sentAt: 800, answeredAt: 850,
                    outcome: .ok(n: 4, id: "m4", isDuplicate: true)))
        }
        // Nobody said from when on.
        expect([.lost], .storeLosesTail) {
            plant(&$0)
            $0.history.loss = nil
        }
    }

    /// n6 was published at 600 and acknowledged at 650.
    @Test("a notification acknowledged before the loss, or published after it, is lost; another one is forgotten")
    func timeOfLostNotification() {
        let plant: (inout Planted) -> Void = {
            $0.remove("n6", from: "ben")
            $0.history.devices = []
        }
        expect([], losing: 500...700, plant)
        expect([], losing: 620...700, plant)
        // The store may have taken it in before the acknowledgement came.
        expect([], losing: 500...620, plant)
        expect([.lost], losing: 651...700, plant)
        expect([.lost], losing: 500...599, plant)
    }

    @Test("a swap is found when the store may forget, unless the answer was of what is lost")
    func timeOfSwap() {
        // c2 was ok at 250, before c1 was sent, and stands behind it.
        let swap: (inout Planted) -> Void = {
            $0.history.messages[0].attempts[0].sentAt = 300
            $0.history.messages[0].attempts[0].answeredAt = 370
        }
        expect([.misordered], losing: 380...700, swap)
        expect([.misordered], losing: 50...90, swap)
        // What stands there is what that answer told of.
        expect([.misordered], losing: 240...700, swap)
        // c2 was lost and sent again.
        let again: (inout Planted) -> Void = {
            swap(&$0)
            $0.history.messages[1].attempts[0].outcome = .ok(n: 2, id: "gone", isDuplicate: false)
            $0.history.messages[1].attempts.append(
                .init(
                    connection: 0, place: 9, sentAt: 372, answeredAt: 375,
                    outcome: .ok(n: 2, id: "m2", isDuplicate: false)))
        }
        expect([], losing: 240...360, again)
        expect([.contradiction, .misordered], losing: 251...360, again)
        // c3 was sent before c1 on the same connection.
        let pipeline: (inout Planted) -> Void = {
            $0.history.messages[0].attempts[0].place = 9
            for index in 0..<4 { $0.history.messages[index].attempts[0].answeredAt = 900 }
        }
        expect([.misordered], losing: 380...700, pipeline)
    }

    /// c3 was ok at 350.
    @Test("an answer of before the loss, or of after it, tells what is stored; one of meanwhile may tell what was lost")
    func timeOfContradiction() {
        let plant: (inout Planted) -> Void = {
            $0.history.messages[2].attempts[0].outcome = .ok(n: 7, id: "m3", isDuplicate: true)
        }
        expect([.contradiction], losing: 351...700, plant)
        expect([.contradiction], losing: 100...349, plant)
        expect([], losing: 300...700, plant)
    }

    @Test("a reset explains neither a message that was ok before the loss nor one that came behind the reset")
    func explained() {
        let plant = { (missing: String, planted: inout Planted) in
            planted.remove(missing, from: "ann")
            planted.history.timelines["ann"]?.events.insert(
                .init(seq: 2, id: "x", content: .reset(conversation: "d:ann:ben")), at: 1)
            planted.renumber("ann")
        }
        expect([], losing: 240...700) { plant("c2", &$0) }
        expect([.lost], losing: 251...700) { plant("c2", &$0) }
        expect([.lost], losing: 50...700) { plant("c3", &$0) }
    }

    @Test("what a timeline has and the history has not, is explained by a reset only when it may have been lost")
    func goneBefore() {
        let plant: (inout Planted) -> Void = { planted in
            planted.history.logs["d:ann:ben"]?.removeLast()
            for user in ["ann", "ben"] {
                planted.history.timelines[user]?.events.append(
                    .init(seq: 0, id: "x", content: .reset(conversation: "d:ann:ben")))
                planted.renumber(user)
            }
            planted.history.devices = []
        }
        expect([], losing: 380...700, plant)
        expect([.lost, .phantom], losing: 451...700, plant)
        expect([.lost, .phantom], losing: 100...399, plant)
    }

    @Test("nobody is told to read afresh before the store might forget")
    func earlyResync() {
        let plant: (inout Planted) -> Void = { planted in
            planted.history.devices[0].sessions[1].resumed = false
            planted.history.devices[0].sessions[1].resync = "id_mismatch"
            planted.history.devices[0].sessions[1].afresh = planted.history.timelines["ben"]?.events.prefix(5).map {
                Seen(seq: $0.seq, id: $0.id)
            }
            planted.history.devices[0].sessions[1].events.removeFirst(2)
        }
        expect([], losing: 580...700, plant)
        expect([.falseResync], losing: 581...700, plant)
    }
}
