import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("The backend listener: questions and orders (PROTOCOL §4)")
struct BackendAPITests {
    @Test("Without a key, or with a wrong one, everything under /v1 is 401; each configured key is taken")
    func keys() async throws {
        let node = try await TestNode.shared
        for key in [nil, "wrong", "", TestNode.apiKey + "x"] {
            let answer = try await node.backend("GET", "/v1/nodes", key: key)
            #expect(answer.status == 401)
            #expect(answer.errorCode == "unauthenticated")
            #expect(try await node.backend("POST", "/v1/notifications", "{}", key: key).status == 401)
        }
        for key in [TestNode.apiKey, "another-key"] {
            #expect(try await node.backend("GET", "/v1/nodes", key: key).status == 200)
        }
    }

    @Test("Without any configured key nobody gets in")
    func noKeys() async throws {
        try await TestNode.run(configure: { $0.apiKeys = [] }) { node async throws in
            #expect(try await node.backend("GET", "/v1/nodes", key: "").status == 401)
            #expect(try await node.backend("GET", "/healthz", key: nil).status == 200)
        }
    }

    @Test("An unknown path is 404 and another method of a known one is 405, both as JSON")
    func unknown() async throws {
        let node = try await TestNode.shared
        for path in ["/", "/v1", "/v1/nonsense", "/v1/users", "/v1/users/a/b"] {
            let answer = try await node.backend("GET", path)
            #expect(answer.status == 404, "\(path)")
            #expect(answer.errorCode == "not_found")
        }
        for (method, path) in [
            ("GET", "/v1/notifications"), ("DELETE", "/v1/nodes"), ("POST", "/v1/users/a/unread"),
            ("PUT", "/v1/topics/t"),
            ("POST", "/metrics"), ("POST", "/healthz"),
        ] {
            let answer = try await node.backend(method, path)
            #expect(answer.status == 405, "\(method) \(path)")
            #expect(answer.errorCode == "bad_request")
        }
    }

    @Test("unread tells totals and totals by category, and zero for a stranger")
    func unread() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        #expect(try await node.backend("GET", "/v1/users/\(user)/unread").json.unreadNotifications == 0)
        try await node.notify(user, "\"type\":\"post.liked\"")
        try await node.notify(user, "\"type\":\"x\",\"category\":\"c\"")
        let json = try await node.backend("GET", "/v1/users/\(user)/unread").json
        #expect(json.string("user") == user)
        #expect(json.unreadNotifications == 2)
        #expect(json.at("unread").number("messages") == 0)
        #expect(json.at("by_category").number("c") == 1)
        #expect(try await node.backend("GET", "/v1/users/a%20b/unread").status == 400)
    }

    @Test("presence tells who is online since when, and when who was last seen; singly and for many")
    func presence() async throws {
        let (node, user, stranger) = (try await TestNode.shared, someUser(), someUser())
        let before = SystemTime().wallMilliseconds()
        let (first, _) = try await node.session(user)
        let (second, _) = try await node.session(user)
        defer { second.drop() }
        let state = try await node.backend("GET", "/v1/users/\(user)/presence").json
        #expect(state.string("state") == "online")
        #expect(state.number("sessions") == 2)
        #expect((before...SystemTime().wallMilliseconds()).contains(state.number("since") ?? 0))
        let many = try await node.backend("POST", "/v1/presence", "{\"users\":[\"\(user)\",\"\(stranger)\"]}").json
        #expect(many.at("states").at(user).string("state") == "online")
        #expect(many.at("states").at(stranger).string("state") == "offline")
        #expect(many.at("states").at(stranger)["last_seen"] == nil)
        first.drop()
        try await second.send(.close, [0x03, 0xE8])
        try await eventually("offline within 2 s of the close", within: 2) {
            let state = try await node.backend("GET", "/v1/users/\(user)/presence").json
            return state.string("state") == "offline" && (state.number("last_seen") ?? 0) >= before
        }
        for body in ["{}", "{\"users\":\"u\"}", "{\"users\":[\"a b\"]}", "nonsense"] {
            #expect(try await node.backend("POST", "/v1/presence", body).status == 400)
        }
    }

    @Test("timeline answers as sync does")
    func timeline() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        try await node.appendSilently(user, count: 5)
        let page = try await node.backend("GET", "/v1/users/\(user)/timeline?after=1&limit=3").json
        #expect(page.list("events").map { $0.number("seq") } == [2, 3, 4])
        #expect(page.number("head") == 5)
        #expect(page.bool("more") == true)
        #expect(try await node.backend("GET", "/v1/users/\(user)/timeline").json.list("events").count == 5)
        for query in ["after=-1", "after=x", "limit=0", "limit=501"] {
            #expect(try await node.backend("GET", "/v1/users/\(user)/timeline?\(query)").status == 400)
        }
    }

    @Test("A page of timeline is no larger than one of sync, and the pages together are everything")
    func timelineBytes() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        try await node.appendSilently(user, count: 20, bytes: 60_000)
        var seqs: [Int64] = []
        var more = true
        while more {
            let answer = try await node.backend("GET", "/v1/users/\(user)/timeline?after=\(seqs.last ?? 0)")
            #expect(answer.body.utf8.count < Limits.outputBytesMax + 1024)
            let page = answer.json.list("events").compactMap { $0.number("seq") }
            try #require(!page.isEmpty)
            seqs += page
            more = answer.json.bool("more") == true
        }
        #expect(seqs == Array(1...20))
    }

    @Test("disconnect closes all sessions of the user, with the given code and reason or with 4404")
    func disconnect() async throws {
        let (node, user, other) = (try await TestNode.shared, someUser(), someUser())
        let (bystander, _) = try await node.session(other)
        defer { bystander.drop() }
        for (body, code, reason) in [
            ("{\"code\":4403,\"reason\":\"banned for spam\"}", 4403, "banned for spam"), ("", 4404, "session revoked"),
            ("{}", 4404, "session revoked"),
        ] as [(String, UInt16, String)] {
            let sessions = [try await node.session(user).client, try await node.session(user).client]
            defer { sessions.forEach { $0.drop() } }
            let answer = try await node.backend("POST", "/v1/users/\(user)/disconnect", body)
            #expect(answer.status == 200)
            #expect(answer.json.string("user") == user)
            for session in sessions {
                guard case .close(let got, let why) = try await session.nextButPing(within: 5) else {
                    throw TestFailure("no close")
                }
                #expect(got == code)
                #expect(why == reason)
            }
        }
        #expect(try await bystander.ask("ping")["ok"] != nil)
        for body in ["{\"code\":1000}", "{\"code\":4600}", "{\"code\":\"x\"}", "{\"reason\":7}", "[]"] {
            #expect(try await node.backend("POST", "/v1/users/\(user)/disconnect", body).status == 400, "\(body)")
        }
    }

    @Test("nodes lists this node with its incarnation, version, roles and sessions")
    func nodes() async throws {
        let node = try await TestNode.shared
        let list = try await node.backend("GET", "/v1/nodes").json.list("nodes")
        #expect(list.count == 1)
        #expect(list[0].string("node") == "gw-everyday")
        #expect(list[0].string("incarnation")?.hasPrefix("gw-everyday~") == true)
        #expect(list[0].string("version") == Version.text)
        #expect(list[0].bool("draining") == false)
        #expect(list[0]["roles"]?.array?.compactMap(\.string) == ["gateway", "notifier"])
        #expect(list[0]["sessions"] != nil)
    }

    @Test("live and topics refuse what they cannot use, tell good items from bad ones, and count what they sent")
    func live() async throws {
        let node = try await TestNode.shared
        let user = someUser()
        let answer = try await node.backend(
            "POST", "/v1/live", "[{\"to\":\"\(user)\",\"type\":\"a\"},{\"to\":\"\(user)\"},{\"type\":\"a\"}]")
        #expect(answer.status == 200)
        #expect(answer.results.map { $0.bool("sent") } == [true, nil, nil])
        for body in [
            "", "{}", "{\"type\":\"a\"}", "{\"to\":\"a b\",\"type\":\"a\"}", "{\"to\":\"u\",\"type\":\"\"}", "[]",
        ] {
            #expect(try await node.backend("POST", "/v1/live", body).status == 400, "\(body)")
        }
        let topic = try await node.backend("POST", "/v1/topics/t-1", "{\"data\":1}")
        #expect(topic.results.first?.string("topic") == "t-1")
        for path in ["a%20b", "a*", String(repeating: "x", count: 129)] {
            #expect(try await node.backend("POST", "/v1/topics/\(path)", "{\"data\":1}").status == 400, "\(path)")
        }
        #expect(try await node.backend("POST", "/v1/topics/t", "nonsense").status == 400)
    }

    @Test("Health needs no key: healthz is 200, readyz tells of store and bus")
    func health() async throws {
        try await TestNode.run { node in
            #expect(try await node.backend("GET", "/healthz", key: nil).status == 200)
            let ready = try await node.backend("GET", "/readyz", key: nil)
            #expect(ready.status == 200)
            #expect(ready.json.bool("store") == true)
            #expect(ready.json.bool("bus") == true)
            node.fault.mode = .unavailable
            let away = try await node.backend("GET", "/readyz", key: nil)
            #expect(away.status == 503)
            #expect(away.json.bool("store") == false)
            #expect(try await node.backend("GET", "/healthz", key: nil).status == 200)
            node.fault.mode = .up
        }
    }

    @Test("While the store is away every question and notification is 503 with Retry-After and retry_ms")
    func storeAway() async throws {
        try await TestNode.run { node in
            node.fault.mode = .unavailable
            for (method, path, body) in [
                ("GET", "/v1/users/u/unread", ""), ("GET", "/v1/users/u/presence", ""),
                ("GET", "/v1/users/u/timeline", ""),
                ("POST", "/v1/notifications", "{\"to\":\"u\",\"type\":\"a\"}"),
                ("POST", "/v1/notifications", "[{\"to\":\"u\",\"type\":\"a\"},{}]"),
            ] {
                let answer = try await node.backend(method, path, body)
                #expect(answer.status == 503, "\(path)")
                #expect(answer.errorCode == "unavailable")
                #expect(answer.json.retryMilliseconds == 1000)
            }
            // Orders and live events need no store.
            #expect(try await node.backend("POST", "/v1/users/u/disconnect").status == 200)
            #expect(try await node.backend("POST", "/v1/live", "{\"all\":true,\"type\":\"a\"}").status == 200)
            node.fault.mode = .up
            #expect(try await node.backend("GET", "/v1/users/u/unread").status == 200)
        }
    }
}
