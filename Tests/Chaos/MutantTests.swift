import ApusTesting
import Testing

/// A harness that finds nothing proves nothing: it must find these.
@Suite("Builds broken on purpose are caught", .serialized, .timeLimit(.minutes(5)))
struct MutantTests {
    @Test("by the check that should", arguments: Mutant.all)
    func mutant(_ mutant: Mutant) async throws {
        let seed = SeededGenerator.seed()
        let verdict = try await mutant.run(seed: seed, plan: Crew.Plan(users: 30, messages: 60, notifications: 40))
        #expect(verdict[mutant.caughtBy] > 0, "\(mutant.defect.rawValue), seed \(seed)\n\(verdict)")
    }
}
