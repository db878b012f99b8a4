import ApusTesting
import Core
import Foundation

/// One run: quiet, fault, heal, quiet; then everything is read and checked.
struct Campaign: Sendable {
    struct Outcome: Sendable {
        var fault: String
        var seed: UInt64
        var verdict: Verdict
        /// From the end of the fault until every device had an answer again.
        var recoverySeconds: Double?
        var notes: [String] = []
        /// The end of every process's log, when something was amiss.
        var logs = ""
    }

    var fault: Fault
    var seed: UInt64
    var plan = Crew.Plan()
    /// How long the quiet parts last.
    var quietSeconds = 2.0
    /// How long what is on its way may take after the load has ended, before it counts as lost. Generous: a machine that is
    /// busy with other things must not make a verdict.
    var settleSeconds = 60.0

    func run() async throws -> Outcome {
        try await Site.with(fault.site) { site in
            do { return try await run(at: site) } catch {
                throw TestFailure("\(fault.name), seed \(seed): \(error)\n\(site.logs)")
            }
        }
    }

    private func run(at site: Site) async throws -> Outcome {
        var plan = plan
        plan.percentRepeated = fault.percentRepeated ?? plan.percentRepeated
        plan.messages *= fault.pace
        plan.notifications *= fault.pace
        let crew = try await Crew.gather(plan, at: site, seed: seed)
        return try await withThrowingTaskGroup(of: Void.self) { people in
            for device in crew.devices + crew.leavers { people.addTask { await device.run() } }
            defer { people.cancelAll() }
            try await eventually("everybody is connected", within: 60) {
                (crew.devices + crew.leavers).allSatisfy(\.isLive)
            }
            let load = Task { await crew.load(seed: seed) }
            let observation = Task { await crew.observe() }
            defer {
                load.cancel()
                observation.cancel()
            }
            try await Task.sleep(for: .seconds(quietSeconds))
            var scene = Scene(site: site, crew: crew, random: SeededGenerator(seed: seed))
            try await fault.inject(&scene)
            let healed = site.clock.now
            try await eventually("everybody is served again", within: 90) {
                crew.devices.allSatisfy(\.isLive) && crew.talkers.allSatisfy { $0.lastOK > healed }
            }
            let recovered = site.clock.now
            try await Task.sleep(for: .seconds(quietSeconds))
            load.cancel()
            observation.cancel()
            await load.value
            await observation.value
            crew.sayGoodbye()
            let verdict = try await settle(crew, site)
            return Outcome(
                fault: fault.name, seed: seed, verdict: verdict,
                recoverySeconds: Double(recovered - healed) / 1_000_000, notes: site.notes.all,
                logs: verdict.isClean ? "" : site.logs)
        }
    }

    /// Reads and checks until nothing is amiss that waiting could mend.
    private func settle(_ crew: Crew, _ site: Site) async throws -> Verdict {
        let deadline = ContinuousClock.now + .seconds(settleSeconds)
        try await eventually("everything is answered", within: settleSeconds) {
            crew.producer.open == 0 && crew.talkers.allSatisfy(\.isQuiet)
        }
        let conversations = crew.talks.map { (id: $0.id, reader: crew.users[$0.members[0]]) }
        while true {
            // The devices first: what they have by now must stand in what is read after it.
            var history = crew.history
            try await Reader(site: site).read(crew.users, conversations, into: &history)
            let verdict = Checker.check(history, allowing: fault.allowance)
            if !verdict.mayHeal || ContinuousClock.now > deadline { return verdict }
            try await Task.sleep(for: .seconds(1))
        }
    }
}
