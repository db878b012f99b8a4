import ApusTesting
import Core
import Presence
import Testing

@testable import Gateway

@Suite("Who is alive, as one node sees it")
struct NodeRosterTests {
    private func incarnation(_ name: String) throws -> Incarnation { try #require(Incarnation(newOf: name)) }

    private func record(_ incarnation: Incarnation) -> NodeRecord {
        NodeRecord(
            incarnation: incarnation, sinceMilliseconds: 0, sessions: 0, draining: false, version: "1", roles: [])
    }

    @Test("A node that was alive and is in no renewal any more is gone; one that was never heard of is unknown first")
    func goneAndUnknown() throws {
        let (own, other, stranger) = (try incarnation("a"), try incarnation("b"), try incarnation("c"))
        let roster = NodeRoster(own: own)
        roster.renewalBegins()
        #expect(roster.update([record(own), record(other)]) == [])
        #expect(roster.standing(of: other) == .alive)
        #expect(roster.standing(of: stranger) == .unknown)
        roster.renewalBegins()
        #expect(roster.update([record(own)]) == [other])
        #expect(roster.standing(of: other) == .dead)
        for _ in 0..<10 {
            roster.renewalBegins()
            _ = roster.update([record(own)])
        }
        #expect(roster.standing(of: stranger) == .dead)
        roster.heard(other)
        #expect(roster.standing(of: other) == .alive)
    }

    /// A node starts between the store's answer to a renewal and its arrival: it was heard, and the answer does not know
    /// it. Taking it for dead would throw its sessions out of the directory, and nothing would reach them any more.
    @Test("An answer that is older than a node's first word does not make that node dead")
    func overtaken() throws {
        let (own, fresh) = (try incarnation("a"), try incarnation("b"))
        let roster = NodeRoster(own: own)
        roster.renewalBegins()
        roster.heard(fresh)
        #expect(roster.update([record(own)]) == [])
        #expect(roster.standing(of: fresh) == .alive)
        roster.renewalBegins()
        #expect(roster.update([record(own)]) == [fresh])
        #expect(roster.standing(of: fresh) == .dead)
    }

    private func renew(_ roster: NodeRoster, _ nodes: [Incarnation]) {
        roster.renewalBegins()
        _ = roster.update(nodes.map(record))
    }

    @Test("For presence only the lease counts, and the bus delays the verdict by some seconds at most")
    func presenceByLease() throws {
        let (own, other) = (try incarnation("a"), try incarnation("b"))
        let clock = SetClock()
        let roster = NodeRoster(own: own, time: clock)
        renew(roster, [own, other])
        #expect(roster.presence(of: other) == .alive && roster.presence(of: own) == .alive)
        roster.heard(other, isVouching: true)
        // The store lost its leases, or the node its store: it has a moment to say more.
        renew(roster, [own])
        #expect(roster.presence(of: other) == .doubtful)
        let lastSign = clock.wallMilliseconds()
        clock.move(milliseconds: Limits.presenceVouchMilliseconds)
        // The newest renewal is older than that: the node may have its lease again since.
        #expect(roster.presence(of: other) == .doubtful)
        renew(roster, [own])
        #expect(roster.presence(of: other) == .dead(atMilliseconds: lastSign))
        // Whoever only sends hints does not say that it has a lease.
        roster.heard(other)
        #expect(roster.presence(of: other) == .dead(atMilliseconds: lastSign))
        renew(roster, [own, other])
        #expect(roster.presence(of: other) == .alive)
    }

    @Test("A holder that nobody knows is dead for presence after two renewals without it, a new node never")
    func presenceOfUnknown() throws {
        let (own, stranger, fresh) = (try incarnation("a"), try incarnation("b"), try incarnation("c"))
        let roster = NodeRoster(own: own, time: SetClock())
        renew(roster, [own])
        #expect(roster.presence(of: stranger) == .doubtful)
        renew(roster, [own])
        #expect(roster.presence(of: stranger) == .doubtful, "that renewal may have been asked for before")
        roster.heard(fresh, isVouching: true)
        #expect(roster.presence(of: fresh) == .doubtful)
        renew(roster, [own, fresh])
        #expect(roster.presence(of: stranger) == .dead(atMilliseconds: nil))
        #expect(roster.presence(of: fresh) == .alive)
    }

    @Test("After a store that was away nobody is dead for presence until all have had the time to renew")
    func presenceAfterOutage() throws {
        let (own, other) = (try incarnation("a"), try incarnation("b"))
        let clock = SetClock()
        let roster = NodeRoster(own: own, time: clock)
        renew(roster, [own, other])
        clock.move(milliseconds: 60_000)
        renew(roster, [own])
        roster.doubt()
        #expect(roster.presence(of: other) == .doubtful)
        clock.move(milliseconds: (Limits.leaseRefreshSeconds + 1) * 1000)
        guard case .dead = roster.presence(of: other) else {
            Issue.record("it had its time")
            return
        }
    }
}

/// A clock that the test moves.
private final class SetClock: TimeSource {
    private let now = Locked<UInt64>(1_000_000)

    func wallMilliseconds() -> Int64 { 1_760_000_000_000 + Int64(now.value) }
    func monotonicNanoseconds() -> UInt64 { now.value * 1_000_000 }
    func move(milliseconds: Int) { now.change { $0 += UInt64(milliseconds) } }
}
