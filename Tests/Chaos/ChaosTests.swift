import ApusTesting
import Testing

/// A selection of the table that `make test` has time for. `make chaos` runs all of it (docs/reliability.md).
@Suite("Faults under load", .serialized, .timeLimit(.minutes(5)))
struct ChaosTests {
    @Test("nothing is lost, doubled, misordered or silently left out", arguments: Fault.short)
    func fault(_ fault: Fault) async throws {
        let outcome = try await Campaign(fault: fault, seed: SeededGenerator.seed()).run()
        #expect(outcome.verdict.isClean, "\(fault.name), seed \(outcome.seed)\n\(outcome.verdict)\n\(outcome.logs)")
    }
}
