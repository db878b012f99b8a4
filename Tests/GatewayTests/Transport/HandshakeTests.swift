import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("The handshake: every row of GUARANTEES' limits, from raw sockets")
struct HandshakeTests {
    private static let good = [
        "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]

    /// The whole answer to a request of these lines.
    private func answer(
        _ lines: [String], _ requestLine: String = "GET /ws HTTP/1.1", on node: TestNode? = nil
    ) async throws -> (status: Int, head: String, body: String) {
        let shared = try await TestNode.shared
        let client = try await ScriptedClient.raw(port: (node ?? shared).port)
        defer { client.drop() }
        try? await client.send(raw: Array(([requestLine] + lines + ["", ""]).joined(separator: "\r\n").utf8))
        let head = try await client.head()
        guard !head.hasPrefix("HTTP/1.1 101") else { return (101, head, "") }
        let whole = try await client.httpAnswer()
        return (whole.status, try await client.head(), whole.body)
    }

    private func without(_ name: String, plus lines: String...) -> [String] {
        Self.good.filter { !$0.hasPrefix(name + ":") } + lines
    }

    @Test("A good upgrade is answered 101 with the key's answer; names and tokens without regard to case")
    func good() async throws {
        let plain = try await answer(Self.good)
        #expect(plain.status == 101)
        #expect(plain.head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
        #expect(!plain.head.lowercased().contains("sec-websocket-protocol"))
        let other = [
            "HOST:localhost", "uPGRADE:  h2c, WebSocket", "connection: keep-alive, UPGRADE", "sec-websocket-version:13",
            "sec-websocket-key:\tdGhlIHNhbXBsZSBub25jZQ==  ",
        ]
        #expect(try await answer(other).status == 101)
    }

    @Test("Each thing that is missing or wrong in the upgrade has its status, and never 101")
    func wrongUpgrade() async throws {
        let cases: [([String], Int)] = [
            (without("Upgrade"), 426), (without("Upgrade", plus: "Upgrade: h2c"), 426),
            (without("Connection"), 400), (without("Connection", plus: "Connection: keep-alive"), 400),
            (without("Sec-WebSocket-Version"), 426),
            (without("Sec-WebSocket-Version", plus: "Sec-WebSocket-Version: 8"), 426),
            (Self.good + ["Sec-WebSocket-Version: 13"], 426), (without("Sec-WebSocket-Key"), 400),
            (without("Sec-WebSocket-Key", plus: "Sec-WebSocket-Key: "), 400),
            (without("Sec-WebSocket-Key", plus: "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"), 400),
            (without("Sec-WebSocket-Key", plus: "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTE2MTc="), 400),
            (without("Sec-WebSocket-Key", plus: "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="), 400),
            (Self.good + ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], 400), (without("Host"), 400),
            (Self.good + ["Host: other"], 400), (Self.good + ["Content-Length: 5"], 400),
            (Self.good + ["Transfer-Encoding: chunked"], 400),
        ]
        for (lines, status) in cases {
            let got = try await answer(lines)
            #expect(got.status == status, "\(lines)")
            #expect(got.body.hasPrefix("{\"error\":{\"code\":"), "\(lines): \(got.body)")
            if status == 426 { #expect(got.head.contains("\r\nSec-WebSocket-Version: 13\r\n")) }
        }
    }

    @Test("Only GET with HTTP/1.1 becomes a socket: 405, 400 and 505 for the rest")
    func methodAndVersion() async throws {
        for (line, status) in [
            ("POST /ws HTTP/1.1", 405), ("PUT /ws HTTP/1.1", 405), ("GET /ws HTTP/1.0", 400), ("GET /ws HTTP/2.0", 505),
            ("GET /ws", 400), ("GET  /ws HTTP/1.1", 400), ("GET ws HTTP/1.1", 400), ("G\u{e9}T /ws HTTP/1.1", 400),
            ("", 400),
        ] {
            #expect(try await answer(Self.good, line).status == status, "\(line)")
        }
        #expect(try await answer(Self.good, "HEAD /ws HTTP/1.1").status == 405)
    }

    @Test("A header line over 8 KiB, lines over 16 KiB together, and more than 64 of them are 431")
    func headerSizes() async throws {
        let line = { (bytes: Int) in "X-Fill: " + String(repeating: "x", count: bytes - 8) }
        #expect(try await answer(Self.good + [line(8192)]).status == 101)
        #expect(try await answer(Self.good + [line(8193)]).status == 431)
        #expect(try await answer(Self.good + [line(8000), line(8000), line(500)]).status == 431)
        #expect(try await answer(Self.good + (0..<59).map { "X-\($0): y" }).status == 101)
        #expect(try await answer(Self.good + (0..<60).map { "X-\($0): y" }).status == 431)
    }

    @Test("A head that never ends is refused when it reaches 16 KiB, before more memory is spent")
    func endless() async throws {
        let client = try await ScriptedClient.raw(port: try await TestNode.shared.port)
        defer { client.drop() }
        let fill = String(repeating: "x", count: 4000)
        try await client.send(raw: Array("GET /ws HTTP/1.1\r\nHost: h\r\n".utf8))
        for i in 0..<5 { try? await client.send(raw: Array("X-\(i): \(fill)\r\n".utf8)) }
        #expect(try await client.httpAnswer().status == 431)
    }

    @Test("Lines that are no header fields are 400")
    func badLines() async throws {
        for line in ["no colon", ": empty", "A b: c", "X: \u{1}", " folded: x", "X : y"] {
            #expect(try await answer(Self.good + [line]).status == 400, "\(line)")
        }
        let client = try await ScriptedClient.raw(port: try await TestNode.shared.port)
        defer { client.drop() }
        try await client.send(raw: Array("GET /ws HTTP/1.1\r\nHost: h\nX: y\r\n\r\n".utf8))
        #expect(try await client.httpAnswer().status == 400)
    }

    @Test(
        "A head that has not arrived whole after 10 s is answered 408, however it trickles, and closed",
        arguments: [true, false])
    func slow(_ trickles: Bool) async throws {
        let client = try await ScriptedClient.raw(port: try await TestNode.shared.port)
        defer { client.drop() }
        let began = ContinuousClock.now
        if trickles { try await client.send(raw: Array("GET /ws HTTP/1.1\r\nHo".utf8)) }
        async let answer = client.httpAnswer(within: 25)
        if trickles {
            for byte in "st: localhost\r\n".utf8.prefix(8) {
                try await Task.sleep(for: .seconds(1))
                try? await client.send(raw: [byte])
            }
        }
        #expect(try await answer.status == 408)
        #expect(ContinuousClock.now - began > .seconds(9))
    }

    @Test("With an allow-list only its origins connect, compared exactly; without the header anyone does")
    func origins() async throws {
        try await TestNode.run(configure: { $0.origins = ["https://example.org", "http://localhost:3000"] }) {
            node async throws in
            for (origin, status) in [
                ("https://example.org", 101), ("http://localhost:3000", 101), ("https://example.org:443", 403),
                ("http://example.org", 403), ("https://example.org.evil.com", 403), ("https://EXAMPLE.org", 403),
                ("null", 403), ("", 403),
            ] {
                #expect(try await answer(Self.good + ["Origin: \(origin)"], on: node).status == status, "\(origin)")
            }
            #expect(try await answer(Self.good, on: node).status == 101)
            let two = ["Origin: https://example.org", "Origin: https://evil.com"]
            #expect(try await answer(Self.good + two, on: node).status == 403)
        }
        #expect(try await answer(Self.good + ["Origin: https://anywhere.example"]).status == 101)
    }
}

@Suite("Where the token stands in the handshake (PROTOCOL §2)")
struct TokenPlaceTests {
    @Test("Each of the places is enough, and hello then needs no token")
    func places() async throws {
        try await TestNode.run(configure: { $0.auth.queryToken = true }) { node in
            let user = someUser()
            let token = try await TestNode.token(user)
            for (headers, path) in [
                (["Authorization: Bearer \(token)"], "/ws"), (["authorization: bearer \(token)"], "/ws"),
                (["Sec-WebSocket-Protocol: apus.v1, bearer.\(token)"], "/ws"),
                (["Sec-WebSocket-Protocol: bearer.\(token)"], "/ws"), ([], "/ws?token=\(token)"),
                ([], "/ws?x=y&token=\(token)"),
            ] {
                let client = try await node.socket(headers: headers, path: path)
                defer { client.drop() }
                let welcome = try await client.ask("hello", id: 1)
                #expect(welcome.string("user") == user, "\(headers) \(path)")
            }
        }
    }

    @Test("The first place wins: Authorization, then the subprotocol, then the query, then hello")
    func order() async throws {
        try await TestNode.run(configure: { $0.auth.queryToken = true }) { node in
            let users = (0..<4).map { someUser("u\($0)") }
            var tokens: [String] = []
            for user in users { tokens.append(try await TestNode.token(user)) }
            for first in 0..<4 {
                var headers: [String] = []
                if first <= 0 { headers.append("Authorization: Bearer \(tokens[0])") }
                if first <= 1 { headers.append("Sec-WebSocket-Protocol: bearer.\(tokens[1])") }
                let client = try await node.socket(
                    headers: headers, path: first <= 2 ? "/ws?token=\(tokens[2])" : "/ws")
                defer { client.drop() }
                #expect(try await client.hello(token: tokens[3]).string("user") == users[first])
            }
        }
    }

    @Test("A bad token in the handshake is 401 before the upgrade, even when a good one stands in a later place")
    func refused() async throws {
        let node = try await TestNode.shared
        let (good, expired) = (try await TestNode.token("u"), try await TestNode.token("u", ttlSeconds: -10))
        for bad in ["x", expired, "a.b.c", String(repeating: "x", count: 5000)] {
            for headers in [
                ["Authorization: Bearer \(bad)", "Sec-WebSocket-Protocol: bearer.\(good)"],
                ["Sec-WebSocket-Protocol: apus.v1, bearer.\(bad)"],
            ] {
                let client = try await ScriptedClient.raw(port: node.port)
                defer { client.drop() }
                let head = try await client.upgrade(headers: headers)
                #expect(head.hasPrefix("HTTP/1.1 401 "))
                #expect(head.contains("\r\nWWW-Authenticate: Bearer\r\n"))
                let answer = try await client.httpAnswer()
                #expect(answer.body.contains("\"code\":\"unauthenticated\""))
                #expect(bad.count < 10 || !answer.body.contains(bad))
            }
        }
    }

    @Test("?token= does not count unless it is switched on")
    func queryOff() async throws {
        let client = try await TestNode.shared.socket(path: "/ws?token=\(try await TestNode.token("u"))")
        defer { client.drop() }
        #expect(try await client.ask("hello").errorCode == "unauthenticated")
    }

    @Test("apus.v1 is echoed when it was offered, and the entry with the token never")
    func echo() async throws {
        let (node, token) = (try await TestNode.shared, try await TestNode.token("u"))
        for (offer, echo) in [
            ("apus.v1", true), ("apus.v1, bearer.\(token)", true), ("bearer.\(token), apus.v1", true),
            ("bearer.\(token)", false), ("chat, apus.v2", false),
        ] {
            let client = try await node.socket(headers: ["Sec-WebSocket-Protocol: \(offer)"])
            defer { client.drop() }
            #expect(client.answer.contains("\r\nSec-WebSocket-Protocol: apus.v1\r\n") == echo, "\(offer)")
            #expect(!client.answer.contains("bearer"))
        }
    }
}

@Suite("What the public listener answers beside /ws")
struct PublicListenerTests {
    private func get(_ path: String, method: String = "GET", on node: TestNode? = nil) async throws -> (
        status: Int, body: String
    ) {
        let shared = try await TestNode.shared
        let client = try await ScriptedClient.raw(port: (node ?? shared).port)
        defer { client.drop() }
        try await client.send(raw: Array("\(method) \(path) HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
        return try await client.httpAnswer()
    }

    @Test("healthz and readyz answer here too; HEAD has no body")
    func health() async throws {
        #expect(try await get("/healthz").status == 200)
        #expect(try await get("/healthz").body == "{\"status\":\"ok\"}")
        #expect(try await get("/readyz").status == 200)
        let head = try await get("/healthz", method: "HEAD")
        #expect(head.status == 200)
        #expect(head.body == "")
    }

    @Test("readyz is 503 while the store is away")
    func notReady() async throws {
        try await TestNode.run { node async throws in
            node.fault.mode = .unavailable
            #expect(try await get("/readyz", on: node).status == 503)
            #expect(try await get("/healthz", on: node).status == 200)
            node.fault.mode = .up
            #expect(try await get("/readyz", on: node).status == 200)
        }
    }

    @Test("Everything else is 404 as JSON, other methods 405, and nothing of the backend API or --dev is here")
    func nothingElse() async throws {
        for path in [
            "/", "/index.html", "/v1/nodes", "/metrics", "/dev/session", "/dev/notify", "/wsx", "/ws/", "/%00",
        ] {
            let answer = try await get(path)
            #expect(answer.status == 404, "\(path)")
            #expect(answer.body.hasPrefix("{\"error\":{\"code\":\"not_found\""))
        }
        #expect(try await get("/healthz", method: "POST").status == 405)
        #expect(try await get("/healthz", method: "DELETE").status == 405)
    }

    @Test("A request with a body is 413, with a senseless length 400, chunked 411")
    func bodies() async throws {
        for (line, status) in [
            ("Content-Length: 5", 413), ("Content-Length: -1", 400), ("Content-Length: x", 400),
            ("Content-Length: 1\r\nContent-Length: 2", 400), ("Transfer-Encoding: chunked", 411),
        ] {
            let client = try await ScriptedClient.raw(port: try await TestNode.shared.port)
            defer { client.drop() }
            try await client.send(raw: Array("GET /healthz HTTP/1.1\r\nHost: h\r\n\(line)\r\n\r\n".utf8))
            #expect(try await client.httpAnswer().status == status, "\(line)")
        }
    }
}
