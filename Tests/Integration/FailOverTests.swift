import ApusTesting
import Core
import Foundation
import Testing
import Wire

/// GUARANTEES, "fail-over": the tail that was not replicated is lost, and surfaces as `resync`, never as a silent gap.
@Suite("Redis fails over to a replica that missed the tail", .serialized, .timeLimit(.minutes(4)))
struct FailOverTests {
    @Test("every session that saw what is lost is closed and told resync, one that was away too; others notice nothing")
    func tail() async throws {
        let redis = try await RedisSentinels.start()
        defer { redis.stop() }
        try await Fleet.with(environment: ["APUS_REDIS_URL": redis.url()]) { fleet in
            let (first, second) = (fleet.nodes[0], fleet.nodes[1])
            let anns = [try await fleet.device("ann", on: first), try await fleet.device("ann", on: second)]
            let cara = try await fleet.device("cara", on: second)
            var aways: [Device] = []
            for user in ["ben", "dan"] { aways.append(try await fleet.device(user, on: first)) }
            for user in ["ann", "ben", "cara", "dan"] { try await Self.notify(fleet, user, 1...5) }
            for device in anns + aways + [cara] { try await device.wait(for: 5) }
            try await eventually("the replica has them") {
                for user in ["ann", "ben", "cara", "dan"] {
                    guard try await redis.replicas[0].command("LLEN", "apus:{u:\(user)}:t") == "5" else { return false }
                }
                return true
            }

            // The replica follows nobody from now on, and is promoted without what comes next.
            try await redis.replicas[0].command("REPLICAOF", "127.0.0.1", "\(try FreePort.next())")
            for user in ["ann", "ben", "dan"] { try await Self.notify(fleet, user, 6...8) }
            let sent = try await anns[0].request(#""op":"send","to":"ben","cid":"lost","body":{"text":"lost"}"#)
            #expect(sent["ok"] != nil)
            for device in anns { try await device.wait(for: 9) }
            for device in aways { try await device.wait(for: 8) }
            try await aways[0].wait(for: 9)
            let positions = (anns + aways).map(\.position)
            for device in aways { device.client.drop() }
            redis.master.killNow()

            for device in anns {
                try await eventually("a session that saw what is lost is closed", within: 60) { device.isClosed }
                #expect(device.closeCode == 4510)
                #expect(device.seqs == Array(1...9), "nothing else was written to it")
            }
            // Before anything new: the positions are ahead of the timeline.
            for (user, position) in zip(["ann", "ann", "ben"], positions) {
                try await Self.isToldToResync(fleet, user, position, "ahead")
            }
            // Others have taken the lost numbers meanwhile: the ids do not fit.
            let fresh = try await fleet.device("dan", on: second)
            #expect(fresh.start == 5)
            try await Self.notify(fleet, "dan", 11...13)
            try await fresh.wait(for: 3)
            #expect(fresh.seqs == [6, 7, 8])
            try await Self.isToldToResync(fleet, "dan", positions[3], "id_mismatch")

            // Whoever lost nothing noticed nothing.
            try await Self.notify(fleet, "cara", 6...8)
            try await cara.wait(for: 8)
            #expect(cara.seqs == Array(1...8) && !cara.isClosed)
        }
    }

    private static func notify(_ fleet: Fleet, _ user: String, _ numbers: ClosedRange<Int>) async throws {
        for number in numbers {
            try await eventually("\(user) \(number) is stored", within: 60) {
                let body = #"{"to":"\#(user)","id":"\#(user)-\#(number)","type":"x.y"}"#
                return try await fleet.nodes[0].backend("POST", "/v1/notifications", body: body).status == 200
            }
        }
    }

    private static func isToldToResync(_ fleet: Fleet, _ user: String, _ position: String, _ why: String) async throws {
        for node in fleet.nodes {
            var device: Device?
            try await eventually("\(user) is let in", within: 30) {
                device = try await fleet.device(user, on: node, resume: position)
                return device?.welcome["ev"]?.string == "welcome"
            }
            let welcome = try #require(device).welcome
            #expect(welcome["resumed"]?.bool == false && welcome["resync"]?.string == why, "\(user): \(welcome)")
            device?.client.drop()
        }
    }
}
