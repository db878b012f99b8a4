import Core
import Testing
import Timelines

/// A timeline whose event at n has the id "e<n>", and streams that stand somewhere in it.
@Suite("A session's stream")
struct SessionStreamTests {
    private func id(_ seq: Int64) -> String { seq == 0 ? "" : "e\(seq)" }
    private func print(_ seq: Int64) -> UInt64 { Fingerprint.of(id(seq).utf8) }
    private let other = Fingerprint.of("another".utf8)
    private let epoch = Fingerprint.of("now".utf8)

    private func stream(at seq: Int64, head: Int64? = nil) -> SessionStream {
        SessionStream(epoch: "now", seq: seq, last: id(seq), headSeq: head ?? seq)
    }

    private func entries(_ seqs: ClosedRange<Int64>) -> [TimelineEntry] {
        seqs.map { TimelineEntry(seq: $0, id: id($0), frame: Array("\($0)".utf8)) }
    }

    private func page(_ seqs: ClosedRange<Int64>?, head: Int64, epoch: String = "now") -> TimelinePage {
        TimelinePage(
            head: TimelineHead(epoch: epoch, seq: head, last: id(head)), resync: nil, entries: seqs.map(entries) ?? [])
    }

    /// A stream at 5 in each phase.
    private func inEveryPhase() -> [SessionStream] {
        let live = stream(at: 5)
        let reading = stream(at: 5, head: 6)
        var stale = reading
        stale.readFailed()
        var behind = live
        _ = behind.overflow()
        return [live, reading, stale, behind]
    }

    // MARK: Live

    @Test("begins live at the head, and reading before it")
    func beginning() {
        #expect(stream(at: 0).phase == .live && stream(at: 5).phase == .live)
        #expect(stream(at: 0, head: 1).phase == .reading && stream(at: 4, head: 5).phase == .reading)
    }

    @Test("delivers the next event, and the one after it")
    func next() {
        var stream = stream(at: 5)
        #expect(stream.hint(seq: 6, previous: print(5), id: print(6)) == .deliver)
        #expect(stream.hint(seq: 7, previous: print(6), id: print(7)) == .deliver)
        #expect(stream.seq == 7 && stream.phase == .live)
    }

    @Test("delivers the first event of a timeline")
    func first() {
        var stream = stream(at: 0)
        #expect(stream.hint(seq: 1, previous: print(0), id: print(1)) == .deliver)
    }

    @Test("passes over the event that it gave last")
    func again() {
        var stream = stream(at: 5)
        #expect(stream.hint(seq: 5, previous: print(4), id: print(5)) == .ignore)
        #expect(stream == self.stream(at: 5))
    }

    @Test(
        "reads when a hint skips one, goes back, or does not fit",
        arguments: [
            (7, "e6", "e7"), (.max, "e6", "e7"), (4, "e3", "e4"), (0, "", ""), (6, "another", "e6"), (6, "", "e6"),
            (5, "e4", "another"), (1, "", "e1"),
        ] as [(Int64, String, String)])
    func misfit(seq: Int64, previous: String, id: String) {
        var stream = stream(at: 5)
        #expect(stream.hint(seq: seq, previous: Fingerprint.of(previous.utf8), id: Fingerprint.of(id.utf8)) == .read)
        #expect(stream.phase == .reading && stream.seq == 5 && stream.readAfter == 4)
    }

    @Test("reads when a head is not where it stands: by number, id or epoch")
    func heads() {
        func action(_ seen: UInt64?, _ seq: Int64, _ id: UInt64) -> SessionStream.HintAction {
            var stream = stream(at: 5)
            return stream.head(epoch: seen, seq: seq, id: id)
        }
        #expect(action(epoch, 5, print(5)) == .ignore && action(nil, 5, print(5)) == .ignore)
        #expect(
            action(epoch, 6, print(6)) == .read && action(epoch, 4, print(4)) == .read
                && action(epoch, 0, print(0)) == .read)
        #expect(action(epoch, 5, other) == .read && action(nil, 5, other) == .read)
        #expect(action(other, 5, print(5)) == .read)
    }

    @Test("reads when something beyond it is known to exist")
    func reaches() {
        var stream = stream(at: 5)
        #expect(stream.reaches(seq: 4) == .ignore)
        #expect(stream.reaches(seq: 5) == .ignore)
        #expect(stream.phase == .live)
        #expect(stream.reaches(seq: 6) == .read)
        #expect(stream.phase == .reading)
    }

    @Test("starts no second read, whatever it hears while one is under way, has failed, or is not wanted")
    func noSecondRead() {
        for before in inEveryPhase().dropFirst() {
            var stream = before
            #expect(stream.hint(seq: 6, previous: print(5), id: print(6)) == .ignore)
            #expect(stream.hint(seq: 9, previous: print(8), id: print(9)) == .ignore)
            #expect(stream.head(epoch: other, seq: 3, id: other) == .ignore)
            #expect(stream.reaches(seq: 100) == .ignore)
            #expect(stream.seq == 5 && stream.phase == before.phase)
        }
    }

    // MARK: Reading

    @Test("reads its own last event again, to compare it")
    func readAfter() {
        #expect(stream(at: 0).readAfter == 0 && stream(at: 1).readAfter == 0 && stream(at: 5).readAfter == 4)
    }

    @Test("gives what a page brings without its own event, and is live at the head")
    func pageToHead() {
        var stream = stream(at: 5, head: 7)
        #expect(stream.page(page(5...7, head: 7)) == .deliver(entries(6...7)[...], next: .live))
        #expect(stream.phase == .live && stream.seq == 7)
        #expect(stream.hint(seq: 8, previous: print(7), id: print(8)) == .deliver)
    }

    @Test("gives the first events of a timeline, where there is no own one")
    func pageFromZero() {
        var stream = stream(at: 0, head: 2)
        #expect(stream.page(page(1...2, head: 2)) == .deliver(entries(1...2)[...], next: .live))
    }

    @Test("is live after a page with nothing new")
    func pageOfNothing() {
        for seq in [0, 5] as [Int64] {
            var stream = stream(at: seq, head: seq + 1)
            #expect(stream.page(page(seq == 0 ? nil : 5...5, head: seq)) == .deliver([], next: .live))
            #expect(stream.phase == .live && stream.seq == seq)
        }
    }

    @Test("reads on when the page ends before the head")
    func pageBeforeHead() {
        var stream = stream(at: 5, head: 9)
        #expect(stream.page(page(5...7, head: 9)) == .deliver(entries(6...7)[...], next: .read))
        #expect(stream.phase == .reading && stream.readAfter == 6)
        #expect(stream.page(page(7...9, head: 9)) == .deliver(entries(8...9)[...], next: .live))
    }

    // The page was cut before the event was appended, its hint came before the page: without the note the event would
    // wait for the next one.
    @Test("reads on when a hint told of more than the page has")
    func hintedMeanwhile() {
        var stream = stream(at: 5, head: 6)
        _ = stream.hint(seq: 7, previous: print(6), id: print(7))
        _ = stream.hint(seq: 6, previous: print(5), id: print(6))
        #expect(stream.page(page(5...6, head: 6)) == .deliver(entries(6...6)[...], next: .read))
        #expect(
            stream.page(page(6...6, head: 6)) == .deliver([], next: .live),
            "once: the hint may have been of a lost tail")
    }

    @Test("is lost when the page shows another timeline")
    func lost() {
        func verdict(_ page: TimelinePage) -> SessionStream.PageAction {
            var stream = stream(at: 5, head: 6)
            return stream.page(page)
        }
        #expect(verdict(page(5...6, head: 6, epoch: "then")) == .lost(.epochChanged))
        #expect(verdict(page(4...4, head: 4)) == .lost(.ahead))
        #expect(verdict(page(nil, head: 0)) == .lost(.ahead))
        #expect(verdict(page(6...6, head: 6)) == .lost(.trimmed))
        #expect(verdict(page(nil, head: 6)) == .lost(.trimmed))
        var forked = page(5...6, head: 6)
        forked.entries[0].id = "another"
        #expect(verdict(forked) == .lost(.idMismatch))
        for reason in ResyncReason.allCases {
            #expect(verdict(TimelinePage(head: page(nil, head: 6).head, resync: reason, entries: [])) == .lost(reason))
        }
    }

    @Test("may repeat a read that failed, once for each failure")
    func failures() {
        var stream = stream(at: 5, head: 6)
        #expect(stream.retry() == false)
        stream.readFailed()
        #expect(stream.phase == .stale)
        stream.readFailed()
        #expect(stream.retry() == true)
        #expect(stream.phase == .reading)
        #expect(stream.retry() == false)
        #expect(stream.page(page(5...6, head: 6)) == .deliver(entries(6...6)[...], next: .live))
        for before in inEveryPhase() where before.phase != .stale {
            var stream = before
            #expect(stream.retry() == false)
            if before.phase != .reading { stream.readFailed() }
            #expect(stream == before)
        }
    }

    // MARK: Behind

    @Test("is behind once, from every phase")
    func overflow() {
        for before in inEveryPhase() {
            var stream = before
            #expect(stream.overflow() == (before.phase != .behind))
            #expect(stream.phase == .behind && stream.seq == 5)
            #expect(stream.overflow() == false)
        }
    }

    @Test("is live again where the client's own pull ended")
    func caughtUp() {
        var stream = stream(at: 5)
        _ = stream.overflow()
        #expect(stream.caughtUp(to: page(nil, head: 8).head) == .ignore)
        #expect(stream.phase == .live && stream.seq == 8)
        #expect(stream.hint(seq: 9, previous: print(8), id: print(9)) == .deliver)
    }

    @Test("reads when a hint told of more than the client pulled")
    func hintedBehind() {
        var stream = stream(at: 5)
        _ = stream.overflow()
        _ = stream.hint(seq: 9, previous: print(8), id: print(9))
        #expect(stream.caughtUp(to: page(nil, head: 8).head) == .read)
        #expect(stream.phase == .reading && stream.readAfter == 7)
    }

    @Test("does not go back: a pull that ended before its own position changes nothing")
    func pulledLess() {
        var stream = stream(at: 5)
        _ = stream.overflow()
        #expect(stream.caughtUp(to: page(nil, head: 4).head) == .ignore)
        #expect(stream.phase == .behind && stream.seq == 5)
    }

    @Test("minds a pull only when it is behind")
    func pulledUnasked() {
        for before in inEveryPhase() where before.phase != .behind {
            var stream = before
            #expect(stream.caughtUp(to: page(nil, head: 8).head) == .ignore)
            #expect(stream == before)
        }
    }

    @Test("traps when a page comes that nobody asked for")
    func unaskedPage() async {
        await #expect(processExitsWith: .failure) {
            var stream = SessionStream(epoch: "now", seq: 0, last: "", headSeq: 0)
            _ = stream.page(TimelinePage(head: TimelineHead(epoch: "now", seq: 0, last: ""), resync: nil, entries: []))
        }
    }

    @Test("is small: there are as many as sessions")
    func size() { #expect(MemoryLayout<SessionStream>.size <= 40) }
}
