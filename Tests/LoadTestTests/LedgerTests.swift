import Testing

@testable import apus_loadtest

@Suite("The ledger of the load generator")
struct LedgerTests {
    /// What is found when these numbers come, of those up to `expected`.
    private func findings(
        _ numbers: [UInt32], expected: UInt32, stream: apus_loadtest.Stream = .seq, base: UInt32 = 0
    ) -> Findings {
        let ledger = Ledger(sessions: 2) { "u\($0)" }
        ledger.rebase(stream, 1, to: base)
        for number in numbers { ledger.take(stream, 1, number) }
        ledger.close(stream, 1, upTo: expected)
        ledger.closeUnseen { _, _ in true }
        return ledger.findings
    }

    @Test("finds nothing where every number comes once and in order, from any base")
    func clean() {
        #expect(findings(Array(1...500), expected: 500).isClean)
        #expect(findings(Array(42...60), expected: 60, base: 41).isClean)
        #expect(findings([], expected: 0).isClean)
    }

    @Test(
        "finds a loss, wherever it is", arguments: [1, 2, 250, 436, 437, 499, 500] as [UInt32])
    func loss(_ missing: UInt32) {
        let found = findings((1...500).filter { $0 != missing }, expected: 500)
        #expect(found.count(.lost) == 1 && found.counts.count == 1)
        #expect(
            found.offenders == [
                Offender(check: .lost, user: "u1", stream: "seq", expected: "\(missing)", got: "nothing")
            ])
    }

    @Test("counts every loss of a long hole once, in the window or out of it")
    func holes() {
        #expect(findings(Array(1...10) + Array(311...320), expected: 320).count(.lost) == 300)
        #expect(findings(Array(1...10) + Array(311...900), expected: 1000).count(.lost) == 400)
        #expect(findings([1, 200_000], expected: 200_000).count(.lost) == 199_998)
    }

    @Test("finds a double, of the newest and of an old one")
    func doubles() {
        for (numbers, last) in [([1, 2, 2, 3], 3), (Array(1...200) + [5], 200), ([1, 1], 1)] as [([UInt32], UInt32)] {
            let found = findings(numbers, expected: last)
            #expect(found.count(.doubled) == 1 && found.counts.count == 1, "\(numbers.suffix(4)): \(found)")
        }
    }

    @Test("finds a swap, and that a late one is not lost")
    func swaps() {
        let near = findings([1, 3, 2, 4], expected: 4)
        #expect(near.count(.misordered) == 1 && near.counts.count == 1)
        #expect(near.offenders.first?.got == "2 after 3")
        let far = findings([1] + Array(3...300) + [2], expected: 300)
        #expect(far.count(.misordered) == 1 && far.counts.count == 1, "\(far)")
    }

    @Test("lets notifications come in any order, each once: several notifiers append them")
    func notifications() {
        #expect(findings([2, 1, 4, 3], expected: 4, stream: .notes).isClean)
        #expect(findings(Array(2...300) + [1], expected: 300, stream: .notes).isClean)
        #expect(findings([2, 1, 2], expected: 2, stream: .notes).count(.doubled) == 1)
        #expect(findings([3, 1], expected: 3, stream: .notes).count(.lost) == 1)
    }

    @Test("expects nothing of what was refused, and finds it when it comes")
    func phantoms() {
        let ledger = Ledger(sessions: 1) { _ in "u" }
        ledger.markRefused(.notes, 0, 2)
        ledger.markRefused(.notes, 0, 3)
        ledger.markUncertain(.notes, 0, 4)
        for number: UInt32 in [1, 3, 5] { ledger.take(.notes, 0, number) }
        ledger.close(.notes, 0, upTo: 5)
        #expect(ledger.findings.counts == ["phantom": 1], "\(ledger.findings)")
    }

    @Test("finds what was refused after it had come, in the window or out of it")
    func refusedLate() {
        let ledger = Ledger(sessions: 1) { _ in "u" }
        for number: UInt32 in [1] + Array(3...100) { ledger.take(.notes, 0, number) }
        // 2 left the window unseen: it has not come.
        let awaited = [1, 2, 100, 101].filter { ledger.markRefused(.notes, 0, $0) }
        #expect(awaited == [2, 101])
        ledger.close(.notes, 0, upTo: 101)
        ledger.closeUnseen { _, _ in true }
        #expect(ledger.findings.counts == ["phantom": 2], "\(ledger.findings)")
    }

    @Test("is not told that what has come already is uncertain, wherever it stands")
    func certain() {
        let ledger = Ledger(sessions: 1) { _ in "u" }
        for number: UInt32 in [1] + Array(4...100) { ledger.take(.notes, 0, number) }
        // 2 and 3 left the window unseen; 101 is beyond it.
        let awaited = [1, 2, 3, 4, 100, 101].filter { ledger.markUncertain(.notes, 0, $0) }
        #expect(awaited == [2, 3, 101])
        ledger.take(.notes, 0, 3)
        let uncertain = [2, 3, 101].filter { ledger.isUncertain(.notes, 0, $0) }
        #expect(uncertain == [2, 101] && ledger.missingElsewhere == -1, "2 is unseen, and need not come; nor need 101")
        ledger.close(.notes, 0, upTo: 101)
        #expect(ledger.findings.isClean)
    }

    @Test("finds what nobody published")
    func foreign() {
        let found = findings([1, 2, 3], expected: 2, stream: .topic)
        #expect(found.counts == ["phantom": 1] && found.offenders.first?.got == "3")
    }

    @Test("lets a message that was said again come late, once")
    func repeated() {
        let ledger = Ledger(sessions: 1) { _ in "u" }
        ledger.markRepeated(.messages, 0, 1)
        for number: UInt32 in [2, 1, 3] { ledger.take(.messages, 0, number) }
        #expect(ledger.findings.isClean)
        ledger.take(.messages, 0, 1)
        #expect(ledger.findings.count(.doubled) == 1)
    }

    @Test("counts what a slow or absent session was not given apart from what is lost")
    func withheld() {
        let ledger = Ledger(sessions: 1) { _ in "u" }
        for number: UInt32 in [1, 2] { ledger.take(.topic, 0, number) }
        ledger.excuse(.topic, 0, .all)
        for number: UInt32 in [5, 10] { ledger.take(.topic, 0, number) }
        let missing = ledger.missing(.topic, 0, upTo: 12)
        #expect(missing == 0)
        ledger.close(.topic, 0, upTo: 12)
        #expect(ledger.findings.isClean && ledger.withheld == 2 + 4 + 2)
    }

    // One `behind`, or one reconnect, must not excuse what is lost after it.
    @Test("requires every live event that was published after the session listened again")
    func listensAgain() {
        for came: [UInt32] in [[], [7], [9, 10], [7, 9, 10, 11]] {
            let ledger = Ledger(sessions: 1) { _ in "u" }
            for number: UInt32 in [1, 2] { ledger.take(.live, 0, number) }
            ledger.excuse(.live, 0, .all)
            // Ten were published by the time it is back, and two later.
            ledger.excuse(.live, 0, .upTo(10))
            for number in came { ledger.take(.live, 0, number) }
            let lost = (11...12).count { !came.contains($0) }
            let missing = ledger.missing(.live, 0, upTo: 12)
            #expect(missing == lost)
            ledger.close(.live, 0, upTo: 12)
            #expect(ledger.findings.counts == ["lost": lost], "\(came): \(ledger.findings)")
        }
    }

    @Test("lets the next live event jump once, where nobody knows how many were published meanwhile")
    func jumpsOnce() {
        let ledger = Ledger(sessions: 1) { _ in "u" }
        ledger.excuse(.topic, 0, .untilNext)
        let isOpenEnded = ledger.isOpenEnded(.topic, 0)
        #expect(isOpenEnded)
        for number: UInt32 in [20, 22] { ledger.take(.topic, 0, number) }
        let isStillOpenEnded = ledger.isOpenEnded(.topic, 0)
        #expect(!isStillOpenEnded)
        ledger.close(.topic, 0, upTo: 23)
        #expect(ledger.findings.counts == ["lost": 2] && ledger.withheld == 19, "\(ledger.findings)")
    }

    @Test("an absence does not excuse what was missing before it")
    func missedBefore() {
        let ledger = Ledger(sessions: 1) { _ in "u" }
        for number: UInt32 in [1, 3, 4] { ledger.take(.live, 0, number) }
        ledger.excuse(.live, 0, .all)
        ledger.excuse(.live, 0, .upTo(6))
        for number: UInt32 in [5, 6, 7] { ledger.take(.live, 0, number) }
        ledger.close(.live, 0, upTo: 7)
        ledger.closeUnseen { _, _ in true }
        #expect(ledger.findings.counts == ["lost": 1] && ledger.findings.offenders.first?.expected == "2")
    }

    @Test("keeps the first offenders of each kind and counts all, also over workers")
    func offenders() {
        var all = Findings()
        for worker in 0..<3 {
            let ledger = Ledger(sessions: 1) { _ in "w\(worker)" }
            for number: UInt32 in 1...30 { ledger.take(.seq, 0, number * 2) }
            ledger.close(.seq, 0, upTo: 60)
            all.merge(ledger.findings)
        }
        #expect(all.count(.lost) == 90 && all.offenders.count == Findings.keptMax)
    }
}
