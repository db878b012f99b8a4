import ApusTesting
import Core
import Foundation
import Testing
import Wire

@Suite("A fleet behind HAProxy, with the configuration in deploy/haproxy", .serialized)
struct HAProxyTests {
    /// How long a node was on its way out: from its first 503 at /readyz to its end.
    private struct Leaving {
        var node: String
        var from: ContinuousClock.Instant
        var until: ContinuousClock.Instant
    }

    @Test("All nodes restarted one after another under load: nothing lost, doubled or out of order, nobody refused")
    func rollingRestart() async throws {
        try await Fleet.with(nodes: 3, environment: ["APUS_TRUSTED_PROXIES": "127.0.0.1"]) { fleet in
            let proxy = try await HAProxyServer.started(for: fleet.nodes)
            defer { proxy.stop() }
            let roamers = try Self.pairs(75, fleet, port: proxy.port)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for roamer in roamers { group.addTask { await roamer.live(everyMilliseconds: 1000) } }
                defer { roamers.forEach { $0.leave() } }
                try await eventually("everybody is there", within: 60) { roamers.allSatisfy(\.isConnected) }
                roamers.forEach { $0.speakUp() }
                let began = ContinuousClock.now
                var leavings: [Leaving] = []
                for node in fleet.nodes {
                    try await said(by: roamers, more: 200)
                    leavings.append(try await Self.restart(node))
                }
                try await said(by: roamers, more: 200)
                try await settle(roamers)
                let took = ContinuousClock.now - began
                roamers.forEach { $0.leave() }
                try await group.waitForAll()
                judge(roamers, leavings, took)
            }
        }
    }

    /// `count` pairs that talk with each other.
    static func pairs(_ count: Int, _ fleet: Fleet, port: Int) throws -> [Roamer] {
        try (0..<count).flatMap { index in
            let names = ["a\(index)", "b\(index)"]
            return [
                Roamer(names[0], partner: names[1], port: port, token: try fleet.token(names[0])),
                Roamer(names[1], partner: names[0], port: port, token: try fleet.token(names[1])),
            ]
        }
    }

    private func said(by roamers: [Roamer], more count: Int) async throws {
        let before = roamers.reduce(0) { $0 + $1.story.sent.count }
        try await eventually("\(count) more messages", within: 60) {
            roamers.reduce(0) { $0 + $1.story.sent.count } >= before + count
        }
    }

    /// SIGTERM, its end, and a new start on the same ports.
    private static func restart(_ node: ApusProcess) async throws -> Leaving {
        let asked = ContinuousClock.now
        node.server.signal(SIGTERM)
        try await eventually("\(node.server.name) is not ready any more", within: 5) {
            try await node.status("/readyz") != 200
        }
        let from = ContinuousClock.now
        let status = await node.server.waitForExit()
        let until = ContinuousClock.now
        #expect(status == 0, "\(node.server.output.suffix(2000))")
        #expect(until - asked < .seconds(30))
        let regrets = ["MISUSE", "has already shut down"].filter { node.server.output.contains($0) }
        #expect(regrets.isEmpty, "\(node.server.output.suffix(3000))")
        try await node.start()
        return Leaving(node: node.server.name, from: from, until: until)
    }

    private func settle(_ roamers: [Roamer]) async throws {
        roamers.forEach { $0.fallSilent() }
        try await eventually("everything said is answered", within: 60) { roamers.allSatisfy(\.isSilent) }
        for index in stride(from: 0, to: roamers.count, by: 2) {
            let (one, other) = (roamers[index], roamers[index + 1])
            // What is lost is for the audit to say, not for a time-out.
            try? await eventually("\(one.user) and \(other.user) have heard everything", within: 30) {
                RoamerAudit.missing(one, other) + RoamerAudit.missing(other, one) == 0
            }
        }
    }

    private func judge(_ roamers: [Roamer], _ leavings: [Leaving], _ took: Duration) {
        var findings = RoamerAudit.Findings()
        for index in stride(from: 0, to: roamers.count, by: 2) {
            RoamerAudit.judge(roamers[index], roamers[index + 1], &findings)
        }
        #expect(findings.lost == 0, "\(findings)")
        #expect(findings.doubled == 0, "\(findings)")
        #expect(findings.misordered == 0, "\(findings)")
        #expect(findings.holes == 0, "\(findings)")
        #expect(findings.resyncs == 0, "\(findings)")
        let visits = roamers.flatMap { $0.story.visits }
        let landed = visits.filter { visit in
            leavings.contains {
                ($0.node == visit.node || visit.node == nil) && ($0.from..<$0.until).contains(visit.began)
            }
        }
        #expect(landed.isEmpty, "\(landed.count) landed on a node that was leaving: \(landed.prefix(3))")
        let refused = visits.filter { $0.refusal != nil }
        #expect(refused.isEmpty, "\(refused.count) were refused: \(refused.prefix(3))")
        let thrownOut = visits.filter { $0.closeCode != nil && !$0.wasToldToGo && $0.node != nil }
        #expect(thrownOut.isEmpty, "\(thrownOut.count) were sent away without a warning: \(thrownOut.prefix(3))")
        #expect(roamers.flatMap { $0.story.errors }.isEmpty, "\(roamers.flatMap { $0.story.errors }.prefix(5))")
        let sent = roamers.reduce(0) { $0 + $1.story.sent.count }
        let repeated = roamers.reduce(0) { $0 + $1.story.repeated }
        let summary = "\(sent) messages, \(repeated) repeated, \(visits.count) connections in \(took)"
        #expect(visits.count { $0.wasToldToGo } > roamers.count / 2, "\(summary)")
        #expect(Set(visits.compactMap(\.node)).count == 3, "\(summary)")
    }
}
