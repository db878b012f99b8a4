import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("Which token a session has, and that it is in force at the welcome (G12)")
struct HelloTokenTests {
    /// Nothing looked at `exp` between the upgrade and `welcome`: a client got counts and a replay seconds after it.
    @Test("A token of the handshake that expires before hello brings no welcome but 4401")
    func expiredBeforeHello() async throws {
        let clock = HandClock()
        try await TestNode.run(time: clock) { node in
            let token = try await clock.token(someUser(), ttlSeconds: 5)
            let client = try await node.socket(headers: ["Authorization: Bearer \(token)"])
            defer { client.drop() }
            clock.advance(seconds: 6)
            #expect(try await client.ask("hello", id: 1).errorCode == "unauthenticated")
            #expect(try await client.closeCode() == 4401)
        }
    }

    @Test("A token that expires while the store is asked brings no welcome but 4401, and nobody is left online")
    func expiredMeanwhile() async throws {
        let clock = HandClock()
        try await TestNode.run(time: clock) { node in
            let user = someUser()
            let token = try await clock.token(user, ttlSeconds: 5)
            let client = try await node.socket()
            defer { client.drop() }
            node.fault.mode = .held
            async let reply = client.hello(token: token)
            try await eventually("the store is asked") { node.fault.calls(.open) == 1 }
            clock.advance(seconds: 6)
            node.fault.mode = .up
            #expect(try await reply.errorCode == "unauthenticated")
            #expect(try await client.closeCode() == 4401)
            try await eventually("offline") {
                try await node.backend("GET", "/v1/users/\(user)/presence").json.string("state") == "offline"
            }
        }
    }

    /// The token of the hello that failed was kept, and welcomed when it had long expired; the new one was not looked at.
    @Test("After a hello that failed in an outage, the token of the next one counts")
    func repeated() async throws {
        let clock = HandClock()
        try await TestNode.run(time: clock) { node in
            let user = someUser()
            let client = try await node.socket()
            defer { client.drop() }
            node.fault.mode = .unavailable
            let short = try await clock.token(user, ttlSeconds: 5)
            #expect(try await client.hello(token: short).errorCode == "unavailable")
            clock.advance(seconds: 6)
            node.fault.mode = .up
            let long = try await clock.token(user, ttlSeconds: 3600)
            #expect(try await client.hello(token: long).string("ev") == "welcome")
            // A ping is sent by the sweep, after it has looked at the token.
            clock.advance(seconds: Int64(Limits.pingSeconds) + 1)
            guard case .ping = try await client.next() else { throw TestFailure("the session was not pinged") }
        }
    }

    @Test("After a hello that failed in an outage, another user may say hello on the same socket")
    func anotherUser() async throws {
        try await TestNode.run { node in
            let (first, second) = (someUser("first"), someUser("second"))
            let client = try await node.socket()
            defer { client.drop() }
            node.fault.mode = .unavailable
            #expect(try await client.hello(token: try await TestNode.token(first)).errorCode == "unavailable")
            node.fault.mode = .up
            #expect(try await client.hello(token: try await TestNode.token(second)).string("user") == second)
            try await node.notify(second)
            #expect(try await client.durable(1).count == 1)
        }
    }

    @Test("A token of the handshake stays the one that counts, also after a hello that failed")
    func handshakeCounts() async throws {
        try await TestNode.run { node in
            let user = someUser()
            let client = try await node.socket(headers: ["Authorization: Bearer \(try await TestNode.token(user))"])
            defer { client.drop() }
            node.fault.mode = .unavailable
            #expect(try await client.ask("hello", id: 1).errorCode == "unavailable")
            node.fault.mode = .up
            let other = try await TestNode.token(someUser("other"))
            #expect(try await client.hello(token: other).string("user") == user)
        }
    }
}
