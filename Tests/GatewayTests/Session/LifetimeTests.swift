import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("How long a session lives: tokens, pings, and how many there may be")
struct LifetimeTests {
    @Test("A session is closed with 4401 within 2 s of its token's exp; one that renewed stays (G12)")
    func expiry() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let expiresAt = SystemTime().wallMilliseconds() / 1000 + 10
        let (short, _) = try await node.session(user, ttlSeconds: 10)
        let (renewed, _) = try await node.session(user, ttlSeconds: 10)
        let handshake = try await node.socket(headers: [
            "Authorization: Bearer \(try await TestNode.token(user, ttlSeconds: 10))"
        ])
        _ = try await handshake.ask("hello", id: 1)
        defer { [short, renewed, handshake].forEach { $0.drop() } }
        #expect(try await renewed.ask("auth", "\"token\":\"\(try await TestNode.token(user))\"")["ok"] != nil)
        #expect(try await short.closeCode(within: 40) == 4401)
        let after = SystemTime().wallMilliseconds() - expiresAt * 1000
        // The promise is 2 s; the rest is for a machine that is busy with other tests.
        #expect((-100...6000).contains(after), "\(after) ms after exp")
        #expect(try await handshake.closeCode(within: 40) == 4401)
        try await node.notify(user)
        #expect(try await renewed.durable(1).count == 1)
    }

    @Test("The server pings; a session that answers lives on and one that gives no sign is closed with 1001")
    func pings() async throws {
        try await TestNode.run(configure: { $0.pingSeconds = 3 }) { node in
            let (silent, welcome) = try await node.session(someUser())
            let (alive, _) = try await node.session(someUser())
            defer { [silent, alive].forEach { $0.drop() } }
            #expect(welcome.number("ping_ms") == 3000)
            async let code = silent.closeCode(within: 30)
            // Four pings are more than a session may be silent for.
            for _ in 0..<4 {
                guard case .ping(let payload) = try await alive.next(within: 10) else { throw TestFailure("no ping") }
                try await alive.send(.pong, payload)
            }
            #expect(try await code == 1001)
            #expect(try await alive.ask("ping")["ok"] != nil)
        }
    }

    @Test("A client that has stopped reading and writing altogether is cut off")
    func deadClient() async throws {
        try await TestNode.run(configure: { $0.pingSeconds = 1 }) { node in
            let user = someUser()
            let (client, _) = try await node.session(user)
            defer { client.drop() }
            try await client.setReading(false)
            try await eventually("the session is gone") {
                try await node.backend("GET", "/v1/users/\(user)/presence").json.string("state") == "offline"
            }
        }
    }

    @Test("The session over the limit of a user is welcomed and the oldest is closed with 4409")
    func sessionsPerUser() async throws {
        try await TestNode.run(configure: { $0.sessionsPerUser = 3 }) { node in
            let user = someUser()
            var clients: [ScriptedClient] = []
            for _ in 0..<5 {
                clients.append(try await node.session(user).client)
                // The oldest is told by the millisecond in which it began.
                try await Task.sleep(for: .milliseconds(3))
            }
            defer { clients.forEach { $0.drop() } }
            for old in clients[..<2] { #expect(try await old.closeCode() == 4409) }
            try await node.notify(user)
            for client in clients[2...] { #expect(try await client.durable(1).count == 1) }
            #expect(try await node.backend("GET", "/v1/users/\(user)/presence").json.number("sessions") == 3)
        }
    }

    /// It is out of the directory by then, so nothing would reach it any more.
    @Test("A session pushed out by one that could not be opened is closed all the same")
    func pushedOutByAFailure() async throws {
        try await TestNode.run(configure: { $0.sessionsPerUser = 1 }) { node in
            let user = someUser()
            let (old, _) = try await node.session(user)
            defer { old.drop() }
            node.fault.mode = .readsFail
            let client = try await node.socket()
            defer { client.drop() }
            #expect(try await client.hello(token: try await TestNode.token(user)).errorCode == "unavailable")
            #expect(try await old.closeCode() == 4409)
            node.fault.mode = .up
        }
    }

    @Test("The 21st session of a user closes the oldest by default")
    func twentyOne() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let (oldest, _) = try await node.session(user)
        try await Task.sleep(for: .milliseconds(3))
        var others: [ScriptedClient] = []
        for _ in 0..<20 { others.append(try await node.session(user).client) }
        defer { (others + [oldest]).forEach { $0.drop() } }
        #expect(try await oldest.closeCode() == 4409)
        for other in others { #expect(try await other.ask("ping")["ok"] != nil) }
    }

    @Test("The session over the limit of an address is refused with 503 and Retry-After, until one has gone")
    func sessionsPerAddress() async throws {
        try await TestNode.run(configure: { $0.sessionsPerAddress = 2 }) { node in
            let (first, second) = (try await node.socket(), try await node.socket())
            defer { second.drop() }
            let third = try await ScriptedClient.raw(port: node.port)
            defer { third.drop() }
            let head = try await third.upgrade()
            #expect(head.hasPrefix("HTTP/1.1 503 "))
            #expect(head.contains("\r\nRetry-After: "))
            // Health needs no place.
            let health = try await ScriptedClient.raw(port: node.port)
            try await health.send(raw: Array("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
            #expect(try await health.httpAnswer().status == 200)
            // Nobody's header counts but a trusted proxy's.
            let liar = try await ScriptedClient.raw(port: node.port)
            defer { liar.drop() }
            #expect(try await liar.upgrade(headers: ["X-Forwarded-For: 192.0.2.1"]).hasPrefix("HTTP/1.1 503 "))
            first.drop()
            try await eventually("there is room again") {
                guard let client = try? await node.socket() else { return false }
                client.drop()
                return true
            }
        }
    }

    @Test("Behind a trusted proxy each client address has its own limit; forged entries in front do not count")
    func trustedProxy() async throws {
        let proxies = ["127.0.0.0/8", "10.0.0.0/8"].compactMap { AddressRange($0) }
        try await TestNode.run(configure: {
            $0.sessionsPerAddress = 1
            $0.trustedProxies = proxies
        }) { node in
            var clients: [ScriptedClient] = []
            defer { clients.forEach { $0.drop() } }
            for (forwarded, isTaken) in [
                ("192.0.2.1", true), ("192.0.2.1", false), ("192.0.2.2", true), ("192.0.2.9, 192.0.2.2", false),
                ("192.0.2.2, 10.1.1.1", false), ("192.0.2.3, 10.1.1.1", true), ("2001:db8::1", true),
                ("2001:db8::1", false),
            ] {
                let client = try await ScriptedClient.raw(port: node.port)
                clients.append(client)
                let head = try await client.upgrade(headers: ["X-Forwarded-For: \(forwarded)"])
                #expect(head.hasPrefix(isTaken ? "HTTP/1.1 101 " : "HTTP/1.1 503 "), "\(forwarded)")
            }
        }
    }
}
