/// What is checked in every session.
enum Check: String, Codable, CaseIterable, Comparable, Sendable {
    /// A number of the timeline, or an event that was accepted, that never came.
    case lost
    /// The same once more.
    case doubled
    /// After a later one.
    case misordered
    /// An event that was refused, or that nobody published, and came all the same.
    case phantom
    /// An event of another user or topic, or a session that was welcomed as somebody else.
    case foreign
    /// A resume that was answered `resync`.
    case resync
    /// A resume after which events are missing.
    case incompleteResume
    /// A frame that no server may send, or that cannot be understood.
    case malformed
    /// A close with a code that says the client is at fault.
    case closed
    /// A publish or a request that was refused for good.
    case refused
    /// A publish or a request that got no answer.
    case unanswered

    static func < (a: Check, b: Check) -> Bool {
        (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }
}

/// One thing that was not as promised.
struct Offender: Codable, Equatable, Sendable {
    var check: Check
    var user: String
    /// Whose numbers: `seq`, `notification`, `live`, `topic`, `message`, `own message`, `conversation`.
    var stream: String
    var expected: String
    var got: String
}

/// Counts of what was not as promised, and the first of each kind.
struct Findings: Codable, Equatable, Sendable {
    private(set) var counts: [String: Int] = [:]
    private(set) var offenders: [Offender] = []
    /// Offenders kept of each kind.
    static let keptMax = 10

    var isClean: Bool { counts.values.allSatisfy { $0 == 0 } }

    func count(_ check: Check) -> Int { counts[check.rawValue] ?? 0 }

    mutating func add(_ check: Check, count: Int = 1, _ offender: @autoclosure () -> Offender) {
        let before = self.count(check)
        counts[check.rawValue] = before + count
        if before < Self.keptMax, offenders.count(where: { $0.check == check }) < Self.keptMax {
            offenders.append(offender())
        }
    }

    mutating func merge(_ other: Findings) {
        for (name, count) in other.counts { counts[name, default: 0] += count }
        for offender in other.offenders
        where offenders.count(where: { $0.check == offender.check }) < Self.keptMax {
            offenders.append(offender)
        }
    }
}
