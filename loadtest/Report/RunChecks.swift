/// What the sessions verified.
struct RunChecks: Codable, Equatable, Sendable {
    /// How many deliveries, replies and resumes were compared with what was expected.
    var verified = 0
    var counts: [RunCheck: Int] = [:]
    /// The first ones, at most `offendersMax` of each kind.
    var offenders: [Offender] = []

    static let offendersMax = 5

    var held: Bool { counts.values.allSatisfy { $0 == 0 } }

    subscript(_ check: RunCheck) -> Int { counts[check] ?? 0 }

    /// Counts one, and keeps who it was if it is one of the first.
    mutating func add(_ check: RunCheck, _ offender: Offender? = nil, count: Int = 1) {
        guard count > 0 else { return }
        counts[check, default: 0] += count
        if let offender { keep(offender) }
    }

    /// Takes in those of another worker or scenario.
    mutating func add(_ other: RunChecks) {
        verified += other.verified
        counts.merge(other.counts) { $0 + $1 }
        for offender in other.offenders { keep(offender) }
    }

    /// A run that published and of which nothing arrived has verified nothing: its checks hold of nothing.
    mutating func noteNothingVerified(published: Int) {
        guard published > 0, verified == 0 else { return }
        add(
            .nothingVerified,
            Offender(
                .nothingVerified, user: "all", expected: "some of \(FigureText.count(published)) published",
                got: "nothing"))
    }

    private mutating func keep(_ offender: Offender) {
        if offenders.count(where: { $0.check == offender.check }) < Self.offendersMax { offenders.append(offender) }
    }

    struct Offender: Codable, Equatable, Sendable {
        var check: RunCheck
        var user: String
        var expected: String
        var got: String

        init(_ check: RunCheck, user: String, expected: String, got: String) {
            (self.check, self.user, self.expected, self.got) = (check, user, expected, got)
        }
    }
}

/// What can be wrong. One of any of them, and the run's checks did not hold.
enum RunCheck: String, Codable, CaseIterable, CodingKeyRepresentable, Sendable {
    /// What was acknowledged did not arrive, or a `seq` was left out.
    case lost
    /// Something arrived twice at a session.
    case doubled
    /// Something arrived after what should have come later.
    case misordered
    /// Another's event, or one that nobody published.
    case foreign
    /// A `resync` although nothing was trimmed or reset.
    case unexpectedResync
    /// A resume that did not bring all that was missed.
    case incompleteResume
    /// A session that never came in (again), or a request or a publish that was refused for good.
    case refused
    /// A request or a publish that got no answer.
    case unanswered
    /// Something was published, and nothing came.
    case nothingVerified

    var title: String {
        switch self {
        case .lost: "lost"
        case .doubled: "doubled"
        case .misordered: "misordered"
        case .foreign: "foreign"
        case .unexpectedResync: "unexpected resyncs"
        case .incompleteResume: "incomplete resumes"
        case .refused: "refused"
        case .unanswered: "unanswered"
        case .nothingVerified: "nothing verified"
        }
    }
}
