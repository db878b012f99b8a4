import ApusTesting
import Core
import Foundation
import Synchronization
import Testing
import Wire

@Suite("Storms: everybody comes back at once (G13)", .serialized)
struct StormTests {
    /// One that was away: what it knows, and what it found when it came back.
    private struct Returner: Sendable {
        let user: String
        let position: String
        var refusals = 0
        /// Answers that were neither a session nor a time to come back at.
        var surprises: [String] = []
        var welcome: JSONObject?
        var ids: [String] = []
    }

    private static let count = 200
    private static let missed = 3

    @Test(
        """
        200 clients at once where 20 a second may come: the surplus is told when to return, everybody is back with \
        nothing lost, those who are there go on talking; a resume costs two scripts, asked together, and no key set
        """)
    func reconnecting() async throws {
        let keys = try await TestKey.es256(id: "k1")
        let issuer = try await KeySetServer.start(.init(body: TestKey.keySet([keys])))
        let settings = [
            "APUS_AUTH_JWKS": issuer.url, "APUS_AUTH_HS256_SECRET": "", "APUS_THREADS": "2",
            "APUS_CONNECTS_PER_SECOND": "10",
        ]
        try await Fleet.with(nodes: 1, environment: settings) { fleet in
            let node = fleet.nodes[0]
            let token: @Sendable (String) throws -> String = { try keys.token(user: $0) }
            let away = try await leave(node, token)
            let talkers = try (0..<6).flatMap { index in
                let (one, other) = ("talker-a\(index)", "talker-b\(index)")
                return [
                    Roamer(one, partner: other, port: node.port, token: try token(one)),
                    Roamer(other, partner: one, port: node.port, token: try token(other)),
                ]
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for talker in talkers { group.addTask { await talker.live(everyMilliseconds: 200) } }
                defer { talkers.forEach { $0.leave() } }
                try await eventually("everybody is there", within: 60) { talkers.allSatisfy(\.isConnected) }
                talkers.forEach { $0.speakUp() }
                try await eventually("everybody talks", within: 60) { talkers.allSatisfy { $0.story.sent.count > 3 } }
                let (said, asked) = (Self.said(talkers), issuer.requests.count)
                let returned = try await Self.storm(away, node, token)
                judge(returned)
                #expect(issuer.requests.count == asked, "the key set was fetched in the storm")
                #expect(Self.said(talkers) > said + talkers.count, "those who were there could not talk")
                #expect(talkers.allSatisfy { $0.story.visits.isEmpty }, "those who were there were cut off")
            }
            try await costs(away, fleet, token)
        }
        try await issuer.stop()
    }

    private static func said(_ talkers: [Roamer]) -> Int { talkers.reduce(0) { $0 + $1.story.sent.count } }

    /// Opens a session for each, closes it, and publishes what they miss.
    private func leave(
        _ node: ApusProcess, _ token: @escaping @Sendable (String) throws -> String
    ) async throws -> [Returner] {
        var away: [Returner] = []
        for index in 0..<Self.count {
            let user = "away-\(index)"
            let client = try await Self.patiently(node)
            let welcome = try await client.hello(token: try token(user))
            client.drop()
            let epoch = try #require(welcome["epoch"]?.string)
            away.append(Returner(user: user, position: #"{"epoch":"\#(epoch)","seq":0,"last":""}"#))
        }
        for batch in stride(from: 0, to: away.count, by: 100) {
            let to = away[batch..<min(batch + 100, away.count)].map { "\"\($0.user)\"" }.joined(separator: ",")
            for number in 1...Self.missed {
                let body = #"{"to":[\#(to)],"id":"missed-\#(number)","type":"post.liked"}"#
                let (status, answer) = try await node.backend("POST", "/v1/notifications", body: body)
                try #require(status == 200, "\(answer)")
            }
        }
        return away
    }

    /// A socket, after as many refusals as it takes.
    private static func patiently(_ node: ApusProcess) async throws -> ScriptedClient {
        var socket: ScriptedClient?
        try await eventually("a socket", within: 30) {
            socket = try? await ScriptedClient.connect(port: node.port)
            return socket != nil
        }
        return try #require(socket)
    }

    private static func storm(
        _ away: [Returner], _ node: ApusProcess, _ token: @escaping @Sendable (String) throws -> String
    ) async throws -> [Returner] {
        try await withThrowingTaskGroup(of: Returner.self) { group in
            for returner in away {
                group.addTask {
                    var returner = returner
                    let jwt = try token(returner.user)
                    try await comeBack(&returner, node, jwt)
                    return returner
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    private static func comeBack(_ returner: inout Returner, _ node: ApusProcess, _ token: String) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline, returner.welcome == nil {
            let client = try await ScriptedClient.raw(port: node.port)
            defer { client.drop() }
            let head = try await client.upgrade()
            guard head.hasPrefix("HTTP/1.1 101 ") else {
                let time = head.firstMatch(of: /Retry-After: (\d+)/).flatMap { Int($0.1) }
                guard head.hasPrefix("HTTP/1.1 503 "), let time else {
                    returner.surprises.append(String(head.prefix(80)))
                    return
                }
                returner.refusals += 1
                try await Task.sleep(for: .seconds(time))
                continue
            }
            let welcome = try await client.hello(token: token, resume: returner.position)
            returner.welcome = welcome
            while returner.ids.count < missed {
                let event = try await client.frame(within: 20)
                if let id = event["id"]?.string { returner.ids.append(id) }
            }
        }
    }

    private func judge(_ returned: [Returner]) {
        #expect(returned.count == Self.count)
        #expect(returned.flatMap(\.surprises).isEmpty, "\(returned.flatMap(\.surprises).prefix(3))")
        let back = returned.filter { $0.welcome?["resumed"]?.bool == true }
        #expect(back.count == Self.count, "\(Self.count - back.count) are not back, or not where they were")
        let wanted = (1...Self.missed).map { "missed-\($0)" }
        let wrong = returned.filter { $0.ids != wanted }
        #expect(wrong.isEmpty, "\(wrong.count) did not get what they missed: \(wrong.first?.ids ?? [])")
        // About 60 may wait for three seconds; the others must have been told to return, not have waited longer.
        let refused = returned.count { $0.refusals > 0 }
        #expect((20...Self.count).contains(refused), "\(refused) were refused")
    }

    /// What one resume costs: the scripts `register` and `open`, and nothing else. Counted by Redis, with nobody talking,
    /// less what the bare node runs meanwhile (lease, sweeper, housekeeping), some twenty scripts a second.
    private func costs(
        _ away: [Returner], _ fleet: Fleet, _ token: @escaping @Sendable (String) throws -> String
    ) async throws {
        try await eventually("sessions that ended are out of the directory") {
            let before = try await Self.scripts(fleet)
            try await Task.sleep(for: .milliseconds(500))
            return try await Self.scripts(fleet) - before < 30
        }
        let (quiet, quietFrom) = (try await Self.scripts(fleet), ContinuousClock.now)
        try await Task.sleep(for: .seconds(3))
        let (before, from) = (try await Self.scripts(fleet), ContinuousClock.now)
        let idlePerSecond = Double(before - quiet) / ((from - quietFrom) / .seconds(1))
        var clients: [ScriptedClient] = []
        for returner in away.prefix(100) {
            let client = try await Self.patiently(fleet.nodes[0])
            clients.append(client)
            let welcome = try await client.hello(token: try token(returner.user), resume: returner.position)
            #expect(welcome["resumed"]?.bool == true)
        }
        let idle = idlePerSecond * ((ContinuousClock.now - from) / .seconds(1))
        let each = (Double(try await Self.scripts(fleet) - before) - idle) / Double(clients.count)
        clients.forEach { $0.drop() }
        #expect((1.6..<2.6).contains(each), "a resume costs \(each) scripts")
    }

    private static func scripts(_ fleet: Fleet) async throws -> Int {
        let page = try await fleet.redis.command("INFO", "commandstats")
        return page.matches(of: /cmdstat_(?:evalsha|eval|fcall):calls=(\d+)/).reduce(0) { $0 + (Int($1.1) ?? 0) }
    }
}
