import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

/// Each was told as the client's own fault, with codes after which it does not come back by itself.
@Suite("A node that answers late says that it is the node")
struct SlowAnswerTests {
    @Test("A hello that came in time is answered when the store answers, after the time for hello is over too")
    func helloInTime() async throws {
        let clock = HandClock()
        try await TestNode.run(time: clock) { node in
            // They say nothing. Sockets go to the two loops in turn: when all are closed, both loops have swept.
            var silent: [ScriptedClient] = []
            for _ in 0..<4 { silent.append(try await node.socket()) }
            let client = try await node.socket()
            defer { (silent + [client]).forEach { $0.drop() } }
            node.fault.mode = .held
            async let reply = client.hello(token: try await TestNode.token(someUser()))
            try await eventually("the store is asked") { node.fault.calls(.open) == 1 }
            clock.advance(seconds: Int64(Limits.helloTimeoutSeconds) + 2)
            for other in silent { #expect(try await other.closeCode() == 4408) }
            node.fault.mode = .up
            #expect(try await reply.string("ev") == "welcome")
        }
    }

    @Test("A hello that gets no answer at all is closed with 4503, and leaves nobody in the directory")
    func noAnswer() async throws {
        let clock = HandClock()
        try await TestNode.run(time: clock) { node in
            let user = someUser()
            let client = try await node.socket()
            defer { client.drop() }
            let token = try await TestNode.token(user)
            node.fault.mode = .held
            try await client.send("{\"id\":1,\"op\":\"hello\",\"token\":\"\(token)\"}")
            try await eventually("the store is asked") { node.fault.calls(.open) == 1 }
            clock.advance(seconds: Int64(Limits.answerTimeoutSeconds) + 1)
            #expect(try await client.closeCode() == 4503)
            node.fault.mode = .up
            try await eventually("offline") {
                try await node.backend("GET", "/v1/users/\(user)/presence").json.string("state") == "offline"
            }
        }
    }

    @Test("A token in the handshake whose key does not come is answered 503, not 408")
    func keysDoNotCome() async throws {
        let set = TestKey.keySet([try await Keys.es256])
        let keys = try await KeySetServer.start(.init(body: set))
        let clock = HandClock()
        do {
            try await TestNode.run(time: clock, configure: { $0.auth.jwks = .url(keys.url) }) { node in
                keys.set(.init(body: set, stallAfterBytes: 0))
                // An unknown key is asked for once in 10 s at most.
                clock.advance(seconds: 11)
                let user = someUser()
                let expiry = clock.wallMilliseconds() / 1000 + 3600
                let token = try await Keys.es256.named("new").token("{\"sub\":\"\(user)\",\"exp\":\(expiry)}")
                let client = try await ScriptedClient.raw(port: node.port)
                defer { client.drop() }
                async let head = client.upgrade(headers: ["Authorization: Bearer \(token)"], within: 8)
                try await eventually("the key is asked for", within: 8) { keys.requests.count == 2 }
                clock.advance(seconds: Int64(Limits.answerTimeoutSeconds) + 1)
                #expect(try await head.hasPrefix("HTTP/1.1 503 "))
                #expect(try await head.contains("\r\nRetry-After: "))
            }
        } catch {
            try await keys.stop()
            throw error
        }
        try await keys.stop()
    }
}
