import Testing

@testable import apus_loadtest

@Suite("The table beside other servers")
struct ComparisonTests {
    @Test("has a line for each server, its rates as shares of those of Apus, and what went wrong")
    func table() {
        let table = Comparison.table([
            Comparison.Line(title: "Apus", broadcast: 1_000_000, live: 60_000, idleBytes: 2800),
            Comparison.Line(
                title: "other", broadcast: 250_000, live: nil, idleBytes: 40_000, remarks: ["live: not finished"]),
        ])
        let lines = table.split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines[2].hasPrefix("| Apus | ") && lines[2].contains("held"))
        #expect(lines[3].contains("(0.25 of Apus)") && lines[3].contains("–") && lines[3].contains("not finished"))
    }
}
