import Core
import Testing

/// A build that is broken on purpose (`Defect`), the fault under which that shows, and the check that must catch it.
struct Mutant: Sendable, CustomTestStringConvertible {
    var defect: Defect
    var fault: Fault
    var caughtBy: ViolationKind

    var testDescription: String { "\(defect.rawValue) is caught as \(caughtBy.rawValue)" }

    static let all = [
        Mutant(defect: .ackFirst, fault: .cutOffAndKill, caughtBy: .lost),
        Mutant(defect: .noDedup, fault: .killNodes(1), caughtBy: .doubled),
        Mutant(defect: .resumeUnchecked, fault: .loseTail(.users), caughtBy: .silentGap),
        Mutant(defect: .cursorUnchecked, fault: .loseTail(.conversations), caughtBy: .lost),
        Mutant(defect: .deadOnline, fault: .killForLong, caughtBy: .falsePresence),
    ]

    /// What a run with the defect gives. One that could not be ended throws, and has caught nothing.
    func run(seed: UInt64, plan: Crew.Plan) async throws -> Verdict {
        var fault = fault
        fault.site.environment["APUS_DEFECT"] = defect.rawValue
        var campaign = Campaign(fault: fault, seed: seed, plan: plan)
        // What it lost does not come by waiting; what is on its way has come by then.
        campaign.settleSeconds = 12
        return try await campaign.run().verdict
    }
}
