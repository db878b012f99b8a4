import ApusTesting
import Foundation
import Testing

/// The whole table, with a seed, and the report: `make chaos` (scripts/chaos).
///
/// `APUS_CHAOS=full` runs it. `APUS_CHAOS_SEED` repeats a run, `APUS_CHAOS_ONLY` is a part of the names of the rows that are
/// wanted, `APUS_CHAOS_LONG=1` runs those too that take many minutes, `APUS_CHAOS_RUNS` is how often a row is run at most, and
/// `APUS_CHAOS_REPORT` the document that gets the table.
@Suite("The whole table of faults", .enabled(if: setting("APUS_CHAOS") == "full"))
struct FullRun {
    @Test("holds, and is written down")
    func table() async throws {
        let seed = setting("APUS_CHAOS_SEED").flatMap { UInt64($0) } ?? .random(in: 1...999_999)
        let only = setting("APUS_CHAOS_ONLY") ?? ""
        say("seed \(seed)")
        var report = Report(rows: [], mutants: [], seed: seed, date: Date(), machine: Self.machine)
        for fault in Fault.table where only.isEmpty || fault.name.contains(only) {
            if fault.isLong, setting("APUS_CHAOS_LONG") != "1" { continue }
            report.rows.append(await row(fault, seed))
            // A run that is broken off has its rows so far.
            try write(report)
        }
        for mutant in Mutant.all where only.isEmpty || mutant.defect.rawValue.contains(only) {
            report.mutants.append((mutant, await verdict(on: mutant, seed)))
        }
        try write(report)
        say(report.text())
    }

    private func write(_ report: Report) throws {
        if let file = setting("APUS_CHAOS_REPORT") { try report.write(to: URL(fileURLWithPath: file)) }
    }

    private func verdict(on mutant: Mutant, _ seed: UInt64) async -> Verdict? {
        do {
            let verdict = try await mutant.run(seed: seed, plan: Crew.Plan())
            say("\(mutant.testDescription): \(verdict[mutant.caughtBy])")
            #expect(verdict[mutant.caughtBy] > 0, "\(mutant.testDescription)")
            return verdict
        } catch {
            Issue.record("\(mutant.testDescription): \(error)")
            return nil
        }
    }

    private func row(_ fault: Fault, _ seed: UInt64) async -> Report.Row {
        var row = Report.Row(fault: fault)
        let runsMax = setting("APUS_CHAOS_RUNS").flatMap { Int($0) } ?? fault.runs
        for run in 0..<UInt64(min(fault.runs, runsMax)) {
            do {
                let outcome = try await Campaign(fault: fault, seed: seed &+ run).run()
                row.outcomes.append(outcome)
                let back = String(format: "%.1f s", outcome.recoverySeconds)
                let whole = outcome.wholeSeconds.map { String(format: "after %.1f s", $0) } ?? "never"
                say(
                    "\(fault.name), run \(run + 1) of \(fault.runs), back after \(back), whole \(whole): "
                        + "\(outcome.verdict)")
                for note in outcome.notes { say("    \(note)") }
                if !outcome.verdict.isClean { say(outcome.logs) }
                #expect(outcome.verdict.isClean, "\(fault.name), seed \(outcome.seed)\n\(outcome.verdict)")
                judgeTimes(outcome)
            } catch {
                row.failures.append("\(error)")
                say("\(fault.name), run \(run + 1): \(error)")
                Issue.record("\(fault.name): \(error)")
            }
        }
        return row
    }

    /// What GUARANTEES promises of time. Only here: `make test` may run beside anything.
    private func judgeTimes(_ outcome: Campaign.Outcome) {
        let run = "\(outcome.fault), seed \(outcome.seed)"
        #expect(outcome.recoverySeconds <= Self.recoverySecondsMax, "\(run): back too late")
        guard let whole = outcome.wholeSeconds else { return }
        // Producers that catch up are answered later than that.
        let wholeMax = max(Self.wholeSecondsMax, outcome.answeredSeconds + Self.ingestSecondsMax)
        #expect(whole <= wholeMax, "\(run): whole too late")
    }

    /// G11: from the end of a fault to answers for everybody.
    private static let recoverySecondsMax = 5.0
    /// G1: from the end of a fault until everything is where it belongs, …
    private static let wholeSecondsMax = 10.0
    /// … and from JetStream's last answer: what it has by then is taken in, some of it after a pause.
    private static let ingestSecondsMax = 5.0

    /// A long run says how far it is.
    private func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    private static var machine: String {
        let info = ProcessInfo.processInfo
        return "\(info.activeProcessorCount) cores, \(info.physicalMemory / 1_073_741_824) GB, debug build"
    }
}

private func setting(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }
