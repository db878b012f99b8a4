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
        var recoverySeconds: Double
        /// From the end of the fault until all that was said was answered, and what JetStream had taken was taken in.
        var answeredSeconds: Double
        /// From the end of the fault to the reading that found nothing amiss; nil: none did.
        var wholeSeconds: Double?
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
            people.addTask { await crew.producer.run() }
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
            let loss = scene.mayForgetFrom.map { LossWindow(from: $0, until: scene.mayForgetUntil ?? healed) }
            if loss == nil, fault.allowance.contains(.storeLosesTail) {
                throw TestFailure("the fault does not say from when on the store may forget")
            }
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
            let end = try await settle(crew, site, loss)
            let isClean = end.verdict.isClean
            let seconds = { (moment: Moment) in Double(moment - healed) / 1_000_000 }
            return Outcome(
                fault: fault.name, seed: seed, verdict: end.verdict, recoverySeconds: seconds(recovered),
                answeredSeconds: seconds(end.answered), wholeSeconds: isClean ? seconds(end.read) : nil,
                notes: site.notes.all, logs: isClean ? "" : site.logs)
        }
    }

    private struct End {
        var verdict: Verdict
        var answered: Moment
        /// When the last reading began. How long it takes is the matter of the one who reads.
        var read: Moment
    }

    /// Reads and checks until nothing is amiss that waiting could mend.
    private func settle(_ crew: Crew, _ site: Site, _ loss: LossWindow?) async throws -> End {
        let deadline = ContinuousClock.now + .seconds(settleSeconds)
        try await eventually("everything is answered", within: settleSeconds) {
            crew.producer.open == 0 && crew.talkers.allSatisfy(\.isQuiet)
        }
        let answered = site.clock.now
        // What is not taken in is for the checker to find.
        try? await site.waitForIngest()
        let conversations = crew.talks.map { (id: $0.id, reader: crew.users[$0.members[0]]) }
        while true {
            let read = site.clock.now
            // The devices first: what they have by now must stand in what is read after it.
            var history = crew.history
            history.loss = loss
            try await Reader(site: site).read(crew.users, conversations, into: &history)
            let verdict = Checker.check(history, allowing: fault.allowance)
            if !verdict.mayHeal || ContinuousClock.now > deadline {
                return End(verdict: verdict, answered: answered, read: read)
            }
            try await Task.sleep(for: .milliseconds(300))
        }
    }
}
