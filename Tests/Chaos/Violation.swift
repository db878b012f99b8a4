/// What can be wrong with a run (GUARANTEES G1–G6, G8).
enum ViolationKind: String, CaseIterable, Sendable {
    /// Somebody was told ok, or JetStream acknowledged, and it is not there; or it is there for one and not for the other.
    case lost
    /// It is there, and nobody sent it or it was refused.
    case phantom
    /// It is there more than once, or came more than once.
    case doubled
    /// Orders differ, or an earlier message stands behind a later one.
    case misordered
    /// A session, or a timeline, left out a number.
    case hole
    /// A client believes that it has everything, and has not.
    case silentGap = "silent gap"
    /// A client was told to read afresh although the store had lost nothing.
    case falseResync = "false resync"
    /// It stands in the timeline, and a device that is connected never got it.
    case undelivered
    /// A device was not connected at the end, or still reading what it had missed: what it believes cannot be compared.
    case unsettled
    /// A reply said something else than what is stored.
    case contradiction
    /// Somebody was said to be offline who was not, or to be online who had gone with a node.
    case falsePresence = "false presence"

    /// Whether waiting may mend it: what is on its way is not lost yet.
    var mayHeal: Bool {
        switch self {
        case .lost, .undelivered, .unsettled, .silentGap: true
        default: false
        }
    }
}

/// The checker's findings.
struct Verdict: Sendable, CustomStringConvertible {
    private(set) var counts: [ViolationKind: Int] = [:]
    private(set) var offenders: [ViolationKind: [String]] = [:]
    /// Messages and notifications that were looked for.
    var operations = 0
    /// What a store that lost its newest part took with it, where the fault allows that.
    var forgotten = 0
    /// Sessions that were told to read afresh.
    var resyncs = 0
    /// Connections in all.
    var sessions = 0
    /// What nodes said of who is online.
    var presenceSamples = 0
    /// Users who went with a node and did not come back, and for how long one of them was shown online.
    var gone = 0
    var goneShownSeconds = 0.0

    static let offendersShown = 5

    mutating func add(_ kind: ViolationKind, _ what: @autoclosure () -> String) {
        counts[kind, default: 0] += 1
        if offenders[kind, default: []].count < Self.offendersShown { offenders[kind, default: []].append(what()) }
    }

    subscript(_ kind: ViolationKind) -> Int { counts[kind] ?? 0 }
    var isClean: Bool { counts.isEmpty }
    var kinds: Set<ViolationKind> { Set(counts.keys) }
    /// Whether something in it is worth waiting for.
    var mayHeal: Bool { counts.keys.contains(where: \.mayHeal) }

    var description: String {
        var lines = [
            "\(operations) operations, \(sessions) sessions, \(resyncs) told to read afresh, \(forgotten) forgotten, "
                + "\(presenceSamples) looks at presence"
                + (gone > 0 ? ", \(gone) gone with a node and shown for \(goneShownSeconds) s" : "")
                + (isClean ? ": clean" : "")
        ]
        for kind in ViolationKind.allCases where self[kind] > 0 {
            lines.append("\(kind.rawValue): \(self[kind])")
            for offender in offenders[kind] ?? [] { lines.append("    \(offender)") }
        }
        return lines.joined(separator: "\n")
    }
}
