import Foundation
import Testing

@Suite("The report keeps the rows that a run did not try")
struct ReportTests {
    /// Of a time when there were fewer columns.
    private static let old = """
        Seed 20, 2026-11-30, 2 cores, debug build.

        | fault | runs | lost | back after |
        |---|--:|--:|--:|
        | Redis: clean restart | 1 | 3 | 1.9 s |
        | what nobody plays any more | 1 | 0 | 1.0 s |

        | defect | fault | caught as | how often |
        |---|---|---|--:|
        | `no_dedup` | kill -9 of a random node, 1 times a run | doubled | 62 |

        """

    private func report(_ rows: [Report.Row], seed: UInt64) -> Report {
        Report(rows: rows, mutants: [], seed: seed, date: Date(), machine: "2 cores")
    }

    private var row: Report.Row {
        let outcome = Campaign.Outcome(
            fault: Fault.natsKill.name, seed: 7, verdict: Verdict(), recoverySeconds: 1.2, answeredSeconds: 4,
            wholeSeconds: 4.5)
        return Report.Row(fault: .natsKill, outcomes: [outcome])
    }

    private func line(_ name: String, in text: String) -> String {
        text.split(separator: "\n").first { $0.hasPrefix("| \(name) |") }.map(String.init) ?? ""
    }

    @Test("with what they have, and – where a column is new")
    func kept() {
        let text = report([row], seed: 7).text(over: Self.old[...])
        #expect(
            line("Redis: clean restart", in: text)
                == "| Redis: clean restart | 1 | – | 3 | – | – | – | – | – | – | – | 1.9 s | – | – |")
        #expect(
            line("`no_dedup`", in: text)
                == "| `no_dedup` | kill -9 of a random node, 1 times a run | doubled | 62 | – |")
        #expect(!text.contains("nobody plays"))
        let new = line(Fault.natsKill.name, in: text)
        #expect(new.hasPrefix("| NATS: kill -9, back after 2 s | 1 of 3 | 0 |"), "\(new)")
        #expect(new.contains("| 1.2 s | 4.5 s | 7, "), "\(new)")
    }

    @Test("with the seed and the day that they had")
    func provenance() {
        let first = report([row], seed: 7).text()
        let second = report([], seed: 8).text(over: first[...])
        #expect(line(Fault.natsKill.name, in: second) == line(Fault.natsKill.name, in: first))
        #expect(second.hasPrefix("The last run: seed 8, "))
    }

    @Test("a run that never became whole is shown so")
    func never() {
        var row = row
        row.outcomes[0].wholeSeconds = nil
        let text = report([row], seed: 7).text()
        #expect(line(Fault.natsKill.name, in: text).contains("| 1.2 s | never | 7, "))
    }
}
