/// What every session of a worker was sent and what it got: finds loss, doubles, swaps and phantoms.
///
/// Pure: it is told what was taken and what was expected, and keeps the findings. 104 bytes per session, and a set
/// entry for each number that needs more.
final class Ledger {
    let sessions: Int
    private(set) var findings = Findings()
    /// Numbers that came for the first time.
    private(set) var arrivals = 0
    /// Missing ones that may have been withheld from a slow session, as the protocol allows.
    private(set) var withheld = 0
    // SAFETY: allocated in `init` with one window per session and stream, freed in `deinit`, indexed below that.
    private let windows: UnsafeMutablePointer<NumberWindow>
    /// Of the two live streams: numbers up to this one may be missing.
    // SAFETY: as `windows`, with two for each session.
    private let excuses: UnsafeMutablePointer<UInt32>
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
        excuses = .allocate(capacity: sessions * 2)
        excuses.initialize(repeating: 0, count: sessions * 2)
    }

    deinit {
        windows.deallocate()
        excuses.deallocate()
    }

    /// What a session takes in it, as long as all is well.
    static let bytesPerSession =
        MemoryLayout<NumberWindow>.stride * Stream.allCases.count + MemoryLayout<UInt32>.stride * 2

    private func index(_ stream: Stream, _ session: Int) -> Int {
        session * Stream.allCases.count + Int(stream.rawValue)
    }

    func highest(_ stream: Stream, _ session: Int) -> UInt32 { windows[index(stream, session)].highest }

    /// Numbers begin anew behind `base`; what was missing below it is forgotten.
    func rebase(_ stream: Stream, _ session: Int, to base: UInt32) {
        windows[index(stream, session)] = NumberWindow(base: base)
    }

    // MARK: Live events that need not come

    /// Which numbers of a live stream may be missing from now on.
    enum Excuse: Equatable {
        /// All: the session is away, or too slow for live events.
        case all
        /// Those before the next one that comes: it is not known how many were published meanwhile.
        case untilNext
        /// Those up to this one: they were published while nobody listened, and may still be on their way.
        case upTo(UInt32)

        fileprivate var number: UInt32 {
            switch self {
            case .all: .max
            case .untilNext: .max - 1
            case .upTo(let number): number
            }
        }
    }

    /// Excuses numbers of a live stream. What is missing before the newest that has come was missed earlier, and stays
    /// so.
    func excuse(_ stream: Stream, _ session: Int, _ excuse: Excuse) {
        guard stream.isLive else { return }
        restart(stream, session, at: highest(stream, session))
        excuses[excuseIndex(stream, session)] = excuse.number
    }

    /// Whether it is excused until the next one comes, which has not come.
    func isOpenEnded(_ stream: Stream, _ session: Int) -> Bool {
        excused(stream, session) == Excuse.untilNext.number
    }

    private func excuseIndex(_ stream: Stream, _ session: Int) -> Int { session * 2 + (stream == .topic ? 1 : 0) }

    private func excused(_ stream: Stream, _ session: Int) -> UInt32 {
        stream.isLive ? excuses[excuseIndex(stream, session)] : 0
    }

    /// A live event comes: what may be missing before it was withheld.
    private func passOver(_ stream: Stream, _ session: Int, before number: UInt32) {
        let limit = excused(stream, session)
        if limit == Excuse.untilNext.number { excuses[excuseIndex(stream, session)] = number - 1 }
        let (base, newest) = (min(limit, number - 1), highest(stream, session))
        guard base > newest else { return }
        withheld += Int(base - newest)
        restart(stream, session, at: base)
    }

    /// A window that begins behind `base`; what the old one misses is remembered.
    private func restart(_ stream: Stream, _ session: Int, at base: UInt32) {
        let at = index(stream, session)
        for number in windows[at].missing { unseen.insert(stream, session, number) }
        windows[at] = NumberWindow(base: base)
    }

    // MARK: What was published

    /// One that has come already is found. - Returns: Whether it has not.
    @discardableResult
    func markRefused(_ stream: Stream, _ session: Int, _ number: UInt32) -> Bool {
        guard !isAwaited(stream, session, number) else {
            refused.insert(stream, session, number)
            return true
        }
        // Of what was passed over nobody knows whether it came.
        if number > excused(stream, session) { notePhantom(stream, session, number) }
        return false
    }

    /// What has come already is certain. - Returns: Whether it has not.
    @discardableResult
    func markUncertain(_ stream: Stream, _ session: Int, _ number: UInt32) -> Bool {
        let isAwaited = isAwaited(stream, session, number)
        if isAwaited { uncertain.insert(stream, session, number) }
        return isAwaited
    }

    func isUncertain(_ stream: Stream, _ session: Int, _ number: UInt32) -> Bool {
        uncertain.count > 0 && uncertain.contains(stream, session, number)
    }

    private func isAwaited(_ stream: Stream, _ session: Int, _ number: UInt32) -> Bool {
        let window = windows[index(stream, session)]
        return number > window.highest || window.misses(number) == true || unseen.contains(stream, session, number)
    }

    func markRepeated(_ stream: Stream, _ session: Int, _ number: UInt32) { repeated.insert(stream, session, number) }

    // MARK: What came

    /// Takes a number. - Returns: Whether it came for the first time.
    @discardableResult
    func take(_ stream: Stream, _ session: Int, _ number: UInt32) -> Bool {
        let at = index(stream, session)
        if stream.isLive, number > windows[at].highest { passOver(stream, session, before: number) }
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
        // In a window that was begun anew, too, one may be missing from before.
        case .old, .doubled:
            guard unseen.remove(stream, session, number) else {
                noteDouble(stream, session, number)
                return false
            }
            noteLate(stream, session, number)
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
        if refused.count > 0, refused.remove(stream, session, number) { notePhantom(stream, session, number) }
    }

    private func notePhantom(_ stream: Stream, _ session: Int, _ number: UInt32) {
        findings.add(.phantom, offender(.phantom, stream, session, expected: "refused", got: "\(number)"))
    }

    /// Notes something that is not about numbers. - Parameter session: Below 0 for what concerns no single user.
    func note(_ check: Check, _ session: Int, _ stream: String, expected: String, got: String) {
        findings.add(
            check, Offender(check: check, user: user(session), stream: stream, expected: expected, got: got))
    }

    private func user(_ session: Int) -> String { session < 0 ? "all" : name(session) }

    private func offender(
        _ check: Check, _ stream: Stream, _ session: Int, expected: String, got: String
    ) -> Offender {
        Offender(check: check, user: user(session), stream: stream.name, expected: expected, got: got)
    }

    // MARK: What is missing

    /// How many numbers of a session up to `expected` are not here, refused and uncertain ones included.
    func missing(_ stream: Stream, _ session: Int, upTo expected: UInt32) -> Int {
        let window = windows[index(stream, session)]
        let known = max(window.highest, excused(stream, session))
        return window.holes + (expected > known ? Int(expected - known) : 0)
    }

    /// Of all sessions: what to add to and to take from the sum of `missing`.
    var missingElsewhere: Int { unseen.count - refused.count - uncertain.count }

    /// At the end: what is missing of a session up to `expected` is lost, or was withheld; what is beyond, nobody
    /// published.
    func close(_ stream: Stream, _ session: Int, upTo expected: UInt32) {
        let window = windows[index(stream, session)]
        for number in window.missing { lose(stream, session, number) }
        if expected < window.highest {
            findings.add(
                .phantom, count: Int(window.highest - expected),
                offender(.phantom, stream, session, expected: "up to \(expected)", got: "\(window.highest)"))
        }
        guard expected > window.highest else { return }
        let first = max(window.highest, min(excused(stream, session), expected))
        withheld += Int(first - window.highest)
        guard expected > first else { return }
        for number in first + 1...expected { lose(stream, session, number) }
    }

    /// At the end: what left the windows unseen, of sessions that `isChecked` lets through.
    func closeUnseen(isChecked: (Stream, Int) -> Bool) {
        unseen.all { stream, session, number in
            if isChecked(stream, session) { lose(stream, session, number) }
        }
    }

    private func lose(_ stream: Stream, _ session: Int, _ number: UInt32) {
        guard !refused.contains(stream, session, number), !uncertain.contains(stream, session, number) else { return }
        findings.add(.lost, offender(.lost, stream, session, expected: "\(number)", got: "nothing"))
    }
}
