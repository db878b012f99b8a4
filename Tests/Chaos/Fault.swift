import ApusTesting
import Foundation
import Testing

/// One row of the table: what is done to the fleet, and what it may cost.
struct Fault: Sendable, CustomTestStringConvertible {
    /// As the report names it.
    var name: String
    /// The promises that it tries.
    var promises: String
    var site = Site.Options()
    /// Empty: nothing may be lost, and nobody told to read afresh. With `.storeLosesTail` the fault must say from when
    /// on (`Scene.beginLoss`).
    var allowance: Checker.Allowance = []
    /// How often the long run does it.
    var runs = 1
    /// Takes too long to be run each time: only with `APUS_CHAOS_LONG=1`.
    var isLong = false
    /// How much is said, of what is usual. A timeline keeps its newest 1,000 events, and a run reads all of it.
    var pace = 1.0
    /// How many of a hundred messages and events are said again; nil: as usual.
    var percentRepeated: Int?
    /// Hurts, heals, and returns when the fleet is whole again.
    var inject: @Sendable (inout Scene) async throws -> Void

    var testDescription: String { name }
}

/// Where a fault acts.
struct Scene: Sendable {
    let site: Site
    let crew: Crew
    var random: SeededGenerator
    /// From when on the store may forget what was ok or acknowledged; nil: it may not.
    var mayForgetFrom: Moment?
    /// Until when; nil: until the fault has ended.
    var mayForgetUntil: Moment?

    mutating func member() -> Site.Member { site.members[Int.random(in: 0..<site.options.nodes, using: &random)] }

    mutating func pause(_ milliseconds: ClosedRange<Int>) async throws {
        try await Task.sleep(for: .milliseconds(Int.random(in: milliseconds, using: &random)))
    }

    /// What was not forgotten by now, and what comes from now on, may not be forgotten any more. Answers that are on their
    /// way are waited for.
    mutating func endLoss() async throws {
        try await Task.sleep(for: .seconds(1))
        mayForgetUntil = site.clock.now
    }

    /// From now on, until `endLoss` or the end of the fault, the store may forget. What was ok or acknowledged before stands in it
    /// when this returns, so the harm must be done after that.
    mutating func beginLoss() async throws {
        mayForgetFrom = site.clock.now
        try await site.waitForIngest()
    }
}
