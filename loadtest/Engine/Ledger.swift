/// What every session of a worker was sent and what it got: finds loss, doubles, swaps and phantoms.
///
/// Pure: it is told what was taken and what was expected, and keeps the findings. 96 bytes per session, and a set entry
/// for each number that needs more.
final class Ledger {
    let sessions: Int
    private(set) var findings = Findings()
    /// Numbers that came for the first time.
    private(set) var arrivals = 0
    /// Missing ones that may have been withheld from a slow session, as the protocol allows.
    private(set) var withheld = 0
    // SAFETY: allocated in `init` with one window per session and stream, freed in `deinit`, indexed below that.
    private let windows: UnsafeMutablePointer<NumberWindow>
    /// Left their window unseen.
    private var unseen = NumberSet()
    /// Were refused, so they must not come.
    private var refused = NumberSet()
    /// Nobody knows whether they were accepted: they may come.
    private var uncertain = NumberSet()
    /// Were said again, so they may come after later ones.
    private var repeated = NumberSet()
    private let name: (Int) -> String

    /// - Parameter name: The user of a session, for the findings.
    init(sessions: Int, name: @escaping (Int) -> String) {
        self.sessions = sessions
        self.name = name
        windows = .allocate(capacity: sessions * Stream.allCases.count)
        windows.initialize(repeating: NumberWindow(), count: sessions * Stream.allCases.count)
    }

    deinit { windows.deallocate() }

    private func index(_ stream: Stream, _ session: Int) -> Int {
        session * Stream.allCases.count + Int(stream.rawValue)
    }

    func highest(_ stream: Stream, _ session: Int) -> UInt32 { windows[index(stream, session)].highest }

    /// Numbers begin anew behind `base`; what was missing below it is forgotten.
    func rebase(_ stream: Stream, _ session: Int, to base: UInt32) {
        windows[index(stream, session)] = NumberWindow(base: base)
    }

    /// Numbers up to `base` were withheld from a slow session, as the protocol allows.
    func skip(_ stream: Stream, _ session: Int, to base: UInt32) {
        let at = index(stream, session)
        withheld += missing(stream, session, upTo: base)
        windows[at] = NumberWindow(base: base)
    }

    // MARK: What was published

    func markRefused(_ stream: Stream, _ session: Int, _ number: UInt32) { refused.insert(stream, session, number) }
    func markUncertain(_ stream: Stream, _ session: Int, _ number: UInt32) { uncertain.insert(stream, session, number) }
    func markRepeated(_ stream: Stream, _ session: Int, _ number: UInt32) { repeated.insert(stream, session, number) }

    // MARK: What came

    /// Takes a number. - Returns: Whether it came for the first time.
    @discardableResult
    func take(_ stream: Stream, _ session: Int, _ number: UInt32) -> Bool {
        let at = index(stream, session)
        guard number <= windows[at].highest || number - windows[at].highest <= Self.jumpMax else {
            jump(stream, session, number)
            return true
        }
        let verdict = windows[at].take(number) { numbers in
            for number in numbers { unseen.insert(stream, session, number) }
        }
        switch verdict {
        case .next, .ahead: break
        case .late: noteLate(stream, session, number)
        case .old:
            guard unseen.remove(stream, session, number) else {
                noteDouble(stream, session, number)
                return false
            }
            noteLate(stream, session, number)
        case .doubled:
            noteDouble(stream, session, number)
            return false
        }
        arrivals += 1
        noteUnexpected(stream, session, number)
        return true
    }

    /// More missing numbers than are worth remembering one by one: all of them are lost at once.
    private static let jumpMax: UInt32 = 100_000

    private func jump(_ stream: Stream, _ session: Int, _ number: UInt32) {
        let highest = highest(stream, session)
        findings.add(
            .lost, count: Int(number - highest) - 1,
            offender(.lost, stream, session, expected: "\(highest + 1)", got: "\(number)"))
        rebase(stream, session, to: number)
        arrivals += 1
    }

    private func noteDouble(_ stream: Stream, _ session: Int, _ number: UInt32) {
        findings.add(.doubled, offender(.doubled, stream, session, expected: "once", got: "\(number) again"))
    }

    private func noteLate(_ stream: Stream, _ session: Int, _ number: UInt32) {
        guard stream.isOrdered, !repeated.remove(stream, session, number) else { return }
        let highest = highest(stream, session)
        findings.add(
            .misordered,
            offender(.misordered, stream, session, expected: "before \(highest)", got: "\(number) after \(highest)"))
    }

    private func noteUnexpected(_ stream: Stream, _ session: Int, _ number: UInt32) {
        if uncertain.count > 0 { _ = uncertain.remove(stream, session, number) }
        guard refused.count > 0, refused.remove(stream, session, number) else { return }
        findings.add(.phantom, offender(.phantom, stream, session, expected: "refused", got: "\(number)"))
    }

    /// Notes something that is not about numbers.
    func note(_ check: Check, _ session: Int, _ stream: String, expected: String, got: String) {
        findings.add(
            check, Offender(check: check, user: name(session), stream: stream, expected: expected, got: got))
    }

    private func offender(
        _ check: Check, _ stream: Stream, _ session: Int, expected: String, got: String
    ) -> Offender {
        Offender(check: check, user: name(session), stream: stream.name, expected: expected, got: got)
    }

    // MARK: What is missing

    /// How many numbers of a session up to `expected` are not here, those included that need not come.
    func missing(_ stream: Stream, _ session: Int, upTo expected: UInt32) -> Int {
        let window = windows[index(stream, session)]
        return window.holes + (expected > window.highest ? Int(expected - window.highest) : 0)
    }

    /// Of all sessions: what to add to and to take from the sum of `missing`.
    var missingElsewhere: Int { unseen.count - refused.count - uncertain.count }

    /// At the end: what is missing of a session up to `expected` is lost, or was withheld; what is beyond, nobody published.
    func close(_ stream: Stream, _ session: Int, upTo expected: UInt32, mayBeWithheld: Bool) {
        let window = windows[index(stream, session)]
        for number in window.missing { lose(stream, session, number, mayBeWithheld) }
        if expected < window.highest {
            findings.add(
                .phantom, count: Int(window.highest - expected),
                offender(.phantom, stream, session, expected: "up to \(expected)", got: "\(window.highest)"))
        }
        guard expected > window.highest else { return }
        for number in window.highest + 1...expected { lose(stream, session, number, mayBeWithheld) }
    }

    /// At the end: what left the windows unseen, of sessions that `isChecked` lets through.
    func closeUnseen(isChecked: (Stream, Int) -> Bool, mayBeWithheld: (Stream, Int) -> Bool) {
        unseen.all { stream, session, number in
            if isChecked(stream, session) { lose(stream, session, number, mayBeWithheld(stream, session)) }
        }
    }

    private func lose(_ stream: Stream, _ session: Int, _ number: UInt32, _ mayBeWithheld: Bool) {
        guard !refused.contains(stream, session, number), !uncertain.contains(stream, session, number) else { return }
        guard !mayBeWithheld else {
            withheld += 1
            return
        }
        findings.add(.lost, offender(.lost, stream, session, expected: "\(number)", got: "nothing"))
    }
}
