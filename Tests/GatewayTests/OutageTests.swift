import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("The store goes away and comes back (G11)")
struct OutageTests {
    @Test(
        "While it is away every operation is unavailable with retry_ms within 2 s, and sockets stay",
        arguments: [false, true])
    func unavailable(_ hangs: Bool) async throws {
        try await TestNode.run { node in
            let user = someUser()
            let (client, _) = try await node.session(user)
            defer { client.drop() }
            node.fault.mode = hangs ? .hanging : .unavailable
            for (op, members) in [("ping", ""), ("sync", "\"after\":0"), ("inbox", ""), ("inbox.read", "\"all\":true")]
            {
                let began = ContinuousClock.now
                let reply = try await client.ask(op, members)
                #expect(reply.errorCode == "unavailable", "\(op)")
                #expect(reply.retryMilliseconds == 1000)
                // The store's own deadline is 1.5 s; the rest is the busy machine of a test run.
                #expect(ContinuousClock.now - began < .seconds(4))
            }
            // What needs no store works.
            #expect(try await client.ask("subscribe", "\"topic\":\"t\"")["ok"] != nil)
            #expect(try await client.ask("auth", "\"token\":\"\(try await TestNode.token(user))\"")["ok"] != nil)
            node.fault.mode = .up
            #expect(try await client.ask("ping").ok.number("seq") == 0)
        }
    }

    @Test("hello during an outage is unavailable and can be said again on the same socket", arguments: [false, true])
    func hello(_ hangs: Bool) async throws {
        try await TestNode.run { node in
            let user = someUser()
            let token = try await TestNode.token(user)
            node.fault.mode = hangs ? .hanging : .unavailable
            let client = try await node.socket()
            defer { client.drop() }
            for _ in 0..<3 {
                let reply = try await client.hello(token: token)
                #expect(reply.errorCode == "unavailable")
                #expect(reply.retryMilliseconds == 1000)
            }
            node.fault.mode = .up
            #expect(try await client.hello(token: token).string("ev") == "welcome")
            try await node.notify(user)
            #expect(try await client.durable(1).count == 1)
            // The attempts that failed left nobody behind in the directory.
            #expect(try await node.backend("GET", "/v1/users/\(user)/presence").json.number("sessions") == 1)
        }
    }

    @Test("Events that another node appended meanwhile arrive within 5 s of its return, without a reconnect")
    func repair() async throws {
        try await TestNode.run { node in
            let user = someUser()
            let (client, _) = try await node.session(user)
            defer { client.drop() }
            try await node.notify(user)
            #expect(try await client.durable(1)[0].number("seq") == 1)
            node.fault.mode = .unavailable
            // A renewal of the lease must have failed, as every longer outage makes it.
            try await Task.sleep(for: .seconds(Limits.leaseRefreshSeconds + 1))
            try await node.appendSilently(user, count: 3)
            node.fault.mode = .up
            #expect(try await client.durable(3, within: 5).map { $0.number("seq") } == [2, 3, 4])
            try await node.notify(user)
            #expect(try await client.durable(1)[0].number("seq") == 5)
        }
    }

    @Test("The heads are compared once when the store is back, although the connection and the lease both tell of it")
    func repairedOnce() async throws {
        try await TestNode.run { node in
            let user = someUser()
            let (client, _) = try await node.session(user)
            defer { client.drop() }
            node.fault.mode = .unavailable
            try await eventually("a renewal fails", within: 10) { node.fault.calls(.renewLease) > 1 }
            try await node.appendSilently(user)
            node.fault.mode = .up
            let (heads, renewals) = (node.fault.calls(.heads), node.fault.calls(.renewLease))
            node.node.storeReconnected()
            #expect(try await client.durable(1)[0].number("seq") == 1)
            try await eventually("the next beats are over", within: 15) {
                node.fault.calls(.renewLease) >= renewals + 3
            }
            #expect(node.fault.calls(.heads) == heads + 1)
        }
    }

    @Test("An append whose answer was lost is told unavailable, and its event still reaches the session")
    func lostAnswer() async throws {
        try await TestNode.run { node in
            let user = someUser()
            let (client, _) = try await node.session(user)
            defer { client.drop() }
            node.fault.mode = .answersLost
            let body = "{\"to\":\"\(user)\",\"id\":\"once\",\"type\":\"a.b\"}"
            let answer = try await node.backend("POST", "/v1/notifications", body)
            #expect(answer.status == 503)
            node.fault.mode = .up
            #expect(try await client.durable(1)[0].string("id") == "once")
            let again = try await node.backend("POST", "/v1/notifications", body)
            #expect(again.results.first?.bool("duplicate") == true)
            #expect(try await client.ask("ping").ok.number("seq") == 1)
            #expect(try await client.isSilent(forMilliseconds: 200))
        }
    }

    @Test("Durable events wait on the bus while the store is away, and none is lost or doubled")
    func ingest() async throws {
        try await TestNode.run { node in
            let user = someUser()
            let (client, _) = try await node.session(user)
            defer { client.drop() }
            node.fault.mode = .unavailable
            for i in 0..<10 {
                try await answer {
                    node.bus.publishDurable(
                        .init(
                            subject: "apus.in.notify.\(user)",
                            payload: Array("{\"id\":\"d\(i)\",\"type\":\"a.b\"}".utf8)),
                        dedupID: "\(user)-\(i)", $0)
                }
            }
            #expect(try await client.isSilent(forMilliseconds: 300))
            node.fault.mode = .up
            let events = try await client.durable(10)
            #expect(events.map { $0.number("seq") } == (1...10).map { $0 })
            #expect(Set(events.compactMap { $0.string("id") }).count == 10)
        }
    }

    @Test("An event without a name of its own is stored once, though its answer was lost and it is handed out again")
    func unnamed() async throws {
        try await TestNode.run { node in
            let user = someUser()
            let (client, _) = try await node.session(user)
            defer { client.drop() }
            node.fault.mode = .answersLost
            for _ in 0..<2 {
                try await answer {
                    node.bus.publishDurable(
                        .init(subject: "apus.in.notify.\(user)", payload: Array(#"{"type":"a.b"}"#.utf8)),
                        dedupID: RandomToken.make(length: 12), $0)
                }
            }
            try await eventually("both are stored") { node.fault.calls(.append) == 2 }
            node.fault.mode = .up
            try await eventually("both came again") { node.fault.calls(.append) >= 4 }
            let events = try await client.durable(2)
            #expect(Set(events.compactMap { $0.string("id") }).count == 2, "two that look alike are two")
            #expect(try await client.isSilent(forMilliseconds: 200))
            #expect(try await client.ask("ping").ok.number("seq") == 2)
        }
    }

    @Test("A session that ends during an outage leaves the directory when the store is back")
    func directory() async throws {
        try await TestNode.run { node in
            let user = someUser()
            let (client, _) = try await node.session(user)
            node.fault.mode = .unavailable
            try await client.send(.close, [0x03, 0xE8])
            #expect(try await client.closeCode() == 1000)
            node.fault.mode = .up
            try await eventually("offline", within: 6) {
                try await node.backend("GET", "/v1/users/\(user)/presence").json.string("state") == "offline"
            }
        }
    }
}
