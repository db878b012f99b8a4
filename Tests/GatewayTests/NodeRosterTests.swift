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
}
