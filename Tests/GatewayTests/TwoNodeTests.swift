import ApusTesting
import Bus
import Core
import Testing
import Wire

@testable import Gateway

@Suite("Two nodes on one store and one bus")
struct TwoNodeTests {
    /// Two nodes that know each other.
    private func pair(_ body: (TestNode, TestNode) async throws -> Void) async throws {
        let world = try TestWorld()
        try await TestNode.run("gw-a", in: world) { a in
            try await TestNode.run("gw-b", in: world) { b in try await body(a, b) }
        }
    }

    @Test("What is published on one node reaches sessions on both, once and in one order, in each direction at once")
    func delivery() async throws {
        try await pair { a, b in
            let user = someUser()
            let (onA, _) = try await a.session(user)
            let (onB, _) = try await b.session(user)
            defer { [onA, onB].forEach { $0.drop() } }
            async let fromA: Void = { for _ in 0..<30 { try await a.notify(user) } }()
            async let fromB: Void = { for _ in 0..<30 { try await b.notify(user) } }()
            _ = try await (fromA, fromB)
            for client in [onA, onB] {
                #expect(try await client.durable(60).map { $0.number("seq") } == (1...60).map { $0 })
            }
            let last = try await b.notify(user)
            #expect(last.number("sessions") == 2)
        }
    }

    @Test("Live events, topics and disconnect reach both nodes")
    func broadcast() async throws {
        try await pair { a, b in
            let user = someUser()
            let sessions = [try await a.session(user).client, try await b.session(user).client]
            defer { sessions.forEach { $0.drop() } }
            for session in sessions { _ = try await session.ask("subscribe", "\"topic\":\"t\"") }
            try await a.backend("POST", "/v1/topics/t", "{\"data\":1}")
            try await a.backend("POST", "/v1/live", "{\"to\":\"\(user)\",\"type\":\"x\"}")
            for session in sessions {
                #expect(try await session.frame().string("ev") == "topic")
                #expect(try await session.frame().string("ev") == "live")
            }
            #expect(
                try await a.backend("POST", "/v1/users/\(user)/disconnect", "{\"code\":4403}").json.number("sessions")
                    == 2)
            for session in sessions { #expect(try await session.closeCode(within: 2) == 4403) }
        }
    }

    @Test("Events of a topic keep their order and none is lost, however fast they come and with whatever between them")
    func topicOrder() async throws {
        try await pair { a, b in
            let user = someUser()
            let sessions = [try await a.session(user).client, try await b.session(user).client]
            defer { sessions.forEach { $0.drop() } }
            for session in sessions {
                for topic in ["t", "u"] { _ = try await session.ask("subscribe", "\"topic\":\"\(topic)\"") }
            }
            let bus = a.bus
            for n in 0..<300 {
                let topic = n % 7 == 0 ? "u" : "t"
                let subject = n % 50 == 49 ? "apus.live.user.\(user)" : "apus.live.topic.\(topic)"
                bus.publish(BusMessage(subject: subject, payload: Array("{\"type\":\"x\",\"data\":\(n)}".utf8)))
            }
            for session in sessions {
                var (seen, lastOf): ([Int64], [String: Int64]) = ([], [:])
                while seen.count < 300 {
                    let frame = try await session.frame()
                    let n = try #require(frame.number("data"))
                    let topic = frame.string("topic") ?? "user"
                    #expect(n > lastOf[topic] ?? -1)
                    lastOf[topic] = n
                    seen.append(n)
                }
                #expect(seen.sorted() == (0..<300).map { Int64($0) })
            }
        }
    }

    @Test("The limit of sessions counts over both nodes: the oldest goes, wherever it is")
    func sessionLimit() async throws {
        let world = try TestWorld()
        try await TestNode.run("gw-a", in: world, configure: { $0.sessionsPerUser = 2 }) { a in
            try await TestNode.run("gw-b", in: world, configure: { $0.sessionsPerUser = 2 }) { b in
                let user = someUser()
                let (first, _) = try await a.session(user)
                try await Task.sleep(for: .milliseconds(3))
                let (second, _) = try await b.session(user)
                let (third, _) = try await b.session(user)
                defer { [first, second, third].forEach { $0.drop() } }
                #expect(try await first.closeCode() == 4409)
                try await a.notify(user)
                for client in [second, third] { #expect(try await client.durable(1).count == 1) }
            }
        }
    }

    @Test("A lost last hint is found by the sender's heartbeat and repaired within 10 s (G7)")
    func lostLastHint() async throws {
        try await pair { a, b in
            let user = someUser()
            let (client, _) = try await b.session(user)
            defer { client.drop() }
            // The first message makes the link known.
            try await a.notify(user)
            #expect(try await client.durable(1)[0].number("seq") == 1)
            a.loss.setLosing(true)
            for _ in 0..<2 { try await a.notify(user) }
            try await eventually("the hints were lost") { a.loss.lostCount > 0 }
            a.loss.setLosing(false)
            #expect(try await client.durable(2, within: 10).map { $0.number("seq") } == [2, 3])
        }
    }

    @Test("The very first hint of a link may be lost too")
    func lostFirstHint() async throws {
        try await pair { a, b in
            let user = someUser()
            let (client, _) = try await b.session(user)
            defer { client.drop() }
            a.loss.setLosing(true)
            try await a.notify(user)
            try await eventually("the hint was lost") { a.loss.lostCount > 0 }
            a.loss.setLosing(false)
            #expect(try await client.durable(1, within: 10)[0].number("seq") == 1)
        }
    }

    @Test("A hint that skips an event makes the node read what is missing first")
    func skippedHint() async throws {
        try await pair { a, b in
            let (user, other) = (someUser(), someUser())
            let (client, _) = try await b.session(user)
            let (bystander, _) = try await b.session(other)
            defer { [client, bystander].forEach { $0.drop() } }
            // The first message makes the link known.
            try await a.notify(other)
            #expect(try await bystander.durable(1).count == 1)
            try await a.appendSilently(user, count: 2)
            try await a.notify(user)
            #expect(try await client.durable(3, within: 10).map { $0.number("seq") } == [1, 2, 3])
        }
    }

    @Test("A drained node tells its sessions, and they resume on the other one without a hole")
    func handOver() async throws {
        let world = try TestWorld()
        try await TestNode.run("gw-b", in: world) { b in
            let a = try await TestNode.start("gw-a", in: world)
            let user = someUser()
            let (client, welcome) = try await a.session(user)
            defer { client.drop() }
            async let stopped: Void = a.stop()
            #expect(try await client.event("draining").number("reconnect_ms") != nil)
            try await b.notify(user)
            #expect(try await client.closeCode() == 4512)
            let (again, resumed) = try await b.session(user, resume: welcome.position)
            defer { again.drop() }
            #expect(resumed.bool("resumed") == true)
            #expect(try await again.durable(1)[0].number("seq") == 1)
            await stopped
            try await eventually("only one node is left") {
                try await b.backend("GET", "/v1/nodes").json.list("nodes").map { $0.string("node") } == ["gw-b"]
            }
        }
    }
}
