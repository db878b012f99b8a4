import ApusTesting
import Core
import Foundation
import Testing
import Wire

@Suite("Servers that die under open sessions", .serialized)
struct OutageTests {
    @Test("Redis killed and started again: unavailable in time, no session lost, nothing lost or doubled")
    func redis() async throws {
        try await Fleet.with { fleet in
            let here = try await fleet.device("ann", on: fleet.nodes[0])
            let there = try await fleet.device("ann", on: fleet.nodes[1])
            try await fleet.publish("ann", id: "before")
            try await here.wait(for: 1)
            fleet.redis.killNow()
            let asked = ContinuousClock.now
            let reply = try await here.request(#""op":"inbox""#)
            #expect(reply["error"]?.object?["code"]?.string == "unavailable")
            #expect(reply["error"]?.object?["retry_ms"]?.integer != nil)
            #expect(ContinuousClock.now - asked < .seconds(5))
            #expect(try await fleet.nodes[0].status("/readyz") == 503)
            #expect(
                try await fleet.nodes[0].backend("POST", "/v1/notifications", body: #"{"to":"ann","type":"x"}"#).status
                    == 503)
            for index in 1...20 { try await fleet.publish("ann", id: "during\(index)") }
            try await fleet.redis.start()
            try await here.wait(for: 21)
            try await there.wait(for: 21)
            #expect(here.seqs == Array(1...21))
            #expect(there.seqs == Array(1...21))
            #expect(Set(here.ids).count == 21)
            #expect(!here.isClosed && !there.isClosed)
        }
    }

    @Test("NATS killed and started again: HTTP still works, other nodes catch up, ingest goes on without loss")
    func nats() async throws {
        try await Fleet.with { fleet in
            let here = try await fleet.device("ann", on: fleet.nodes[0])
            let there = try await fleet.device("ann", on: fleet.nodes[1])
            fleet.nats.killNow()
            let (status, _) = try await fleet.nodes[1].backend(
                "POST", "/v1/notifications", body: #"{"to":"ann","id":"http","type":"x.y"}"#)
            #expect(status == 200)
            try await there.wait(for: 1)
            try await fleet.nats.start()
            try await here.wait(for: 1)
            for index in 1...20 { try await fleet.publish("ann", id: "after\(index)") }
            try await here.wait(for: 21)
            try await there.wait(for: 21)
            #expect(here.seqs == Array(1...21))
            #expect(there.seqs == Array(1...21))
            #expect(!here.isClosed && !there.isClosed)
        }
    }

    @Test("a node that is frozen and thawed neither loses nor doubles, and is found again")
    func freeze() async throws {
        try await Fleet.with { fleet in
            let frozen = try await fleet.device("ann", on: fleet.nodes[0])
            let other = try await fleet.device("ann", on: fleet.nodes[1])
            fleet.nodes[0].server.signal(SIGSTOP)
            for index in 1...20 { try await fleet.publish("ann", id: "e\(index)") }
            // Long enough for the lease to run out.
            try await eventually("the frozen node's lease is gone", within: 30) {
                try await fleet.nodes[1].backend("GET", "/v1/nodes").body.contains("gw-1") == false
            }
            fleet.nodes[0].server.signal(SIGCONT)
            try await other.wait(for: 20, within: 60)
            try await frozen.wait(for: 20, within: 60)
            try await fleet.publish("ann", id: "last")
            try await frozen.wait(for: 21)
            try await other.wait(for: 21)
            #expect(frozen.seqs == Array(1...21))
            #expect(other.seqs == Array(1...21))
        }
    }
}
