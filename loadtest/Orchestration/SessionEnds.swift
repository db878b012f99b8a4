/// How sessions ended, as the workers counted it.
struct SessionEnds: Equatable, Sendable {
    /// Open ones whose connection ended, in whichever way.
    var losses = 0
    /// Of these, the closes with a code that says whom the server blames: itself, or nobody.
    var codes: [Int: Int] = [:]
    /// Of these, what the workers have found wrong: other codes, and frames that no server may send.
    var faults = 0

    /// A node that goes away closes with this (PROTOCOL §2.5).
    static let draining = 4512

    init(losses: Int = 0, codes: [Int: Int] = [:], faults: Int = 0) {
        (self.losses, self.codes, self.faults) = (losses, codes, faults)
    }

    init(_ log: RunLog) {
        losses = log.total.losses
        faults = log.faults.reduce(0, +)
        for (text, count) in log.problems {
            guard let found = text.wholeMatch(of: /closed with (\d+)/), let code = Int(found.1) else { continue }
            codes[code, default: 0] += count
        }
    }

    /// What has ended since then.
    func since(_ earlier: SessionEnds) -> SessionEnds {
        SessionEnds(
            losses: losses - earlier.losses,
            codes: codes.merging(earlier.codes.mapValues { -$0 }) { $0 + $1 }.filter { $0.value != 0 },
            faults: faults - earlier.faults)
    }

    /// Those that were cut: no close frame, or one without a code.
    var cut: Int { max(0, losses - faults - codes.values.reduce(0, +)) }

    /// Judges the drain of all nodes: every session is told to go, and why.
    func judgeDrain(_ checks: inout RunChecks) {
        func add(_ count: Int, _ got: String) {
            guard count > 0 else { return }
            let offender = RunChecks.Offender(
                .refused, user: "\(FigureText.count(count)) sessions", expected: "drain: a close with \(Self.draining)",
                got: got)
            checks.add(.refused, offender, count: count)
        }
        add(cut, "cut without a close frame")
        add(faults, "a code that blames the client, or a frame that no server may send")
        for (code, count) in codes.sorted(by: { $0.key < $1.key }) where code != Self.draining {
            add(count, "closed with \(code)")
        }
    }
}
