import ApusTesting
import Core
import Testing
import Wire

@Suite("A request for a socket")
struct HandshakeTests {
    private static let good = [
        "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]

    /// What comes of a request; 101 when it is a good one.
    private static func judge(
        _ bytes: [UInt8], origins: Set<String> = [], queryToken: Bool = false
    ) -> (status: Int, fields: [String], request: UpgradeRequest?) {
        do {
            let request = try UpgradeRequest(try RequestHead(bytes), origins: origins, queryToken: queryToken)
            return (101, [], request)
        } catch let refusal as UpgradeRequest.Refusal {
            return (refusal.status, refusal.fields, nil)
        } catch let refusal as RequestHead.Refusal {
            return (refusal.status, [], nil)
        } catch { return (0, [], nil) }
    }

    /// The good request with some lines more, and without those that begin like `without`.
    private func request(_ more: [String] = [], without: String? = nil, _ line: String = "GET /ws HTTP/1.1") -> [UInt8]
    {
        let kept = Self.good.filter { line in without.map { !line.hasPrefix($0) } ?? true }
        return Array((([line] + kept + more).joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    private static let vectors = Result { try Vectors.load("handshakes", as: HandshakeVector.self) }

    @Test("is judged as the vectors say", arguments: try vectors.get().filter { !$0.socketOnly })
    func holds(_ vector: HandshakeVector) {
        let (status, fields, request) = Self.judge(
            vector.bytes, origins: vector.settings?.origins ?? [], queryToken: vector.settings?.query_token ?? false)
        #expect(status == vector.status)
        for (name, value) in vector.headers ?? [:] { #expect(fields.contains("\(name): \(value)")) }
        #expect(request?.token == vector.token)
        #expect((request?.offersApus ?? false) == (vector.subprotocol != nil))
    }

    @Test("finds its token in four places, of which the first wins")
    func tokenPlaces() {
        let header = "Authorization: Bearer in.the.header"
        let subprotocol = "Sec-WebSocket-Protocol: apus.v1, bearer.in.the.protocol"
        let query = "GET /ws?a=b&token=in.the%2Equery HTTP/1.1"
        func token(_ more: [String], _ line: String = "GET /ws HTTP/1.1", query: Bool = true) -> String? {
            Self.judge(request(more, line), queryToken: query).request?.token
        }
        #expect(token([subprotocol, header], query) == "in.the.header")
        #expect(token([subprotocol], query) == "in.the.protocol")
        #expect(token([], query) == "in.the.query")
        // The fourth is `hello`: nothing is found here.
        #expect(token([], query, query: false) == nil)
        #expect(token([]) == nil)
        // What carries no bearer token does not end the search.
        #expect(token(["Authorization: Basic YTpi", subprotocol]) == "in.the.protocol")
        #expect(token(["Authorization: bearer lower.case.scheme"]) == "lower.case.scheme")
        #expect(token(["Authorization: Bearer"], query) == "in.the.query")
        #expect(token([], "GET /ws?token=%zz HTTP/1.1") == nil)
        #expect(token([], "GET /ws?token=%ff HTTP/1.1") == nil, "no UTF-8")
    }

    @Test("may name its fields in any case, in lists and over several lines")
    func caseAndLists() {
        let lines = [
            "HOST: x", "uPGRADE: h2c, WebSocket", "CONNECTION: keep-alive", "connection: , close ,\tuPgRaDe",
            "sec-websocket-VERSION:13",
            "SEC-WEBSOCKET-KEY:\t dGhlIHNhbXBsZSBub25jZQ== \t", "Sec-WebSocket-Protocol: chat",
            "Sec-WebSocket-Protocol: apus.v1",
        ]
        let bytes = Array(("GET / HTTP/1.1\r\n" + lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        #expect(Self.judge(bytes).request?.key == "dGhlIHNhbXBsZSBub25jZQ==")
        #expect(Self.judge(bytes).request?.offersApus == true)
    }

    @Test(
        "with a word that only contains the right one is none",
        arguments: [
            ("Upgrade:", "Upgrade: websockets", 426), ("Upgrade:", "Upgrade: web socket", 426),
            ("Connection:", "Connection: no-upgrade", 400),
            ("Connection:", "Connection: Upgrade2", 400), ("Sec-WebSocket-Version:", "Sec-WebSocket-Version: 130", 426),
            ("Sec-WebSocket-Version:", "Sec-WebSocket-Version: 13, 8", 426),
            ("Sec-WebSocket-Version:", "Sec-WebSocket-Version: 013", 426),
            ("Sec-WebSocket-Key:", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=", 400),
            ("Sec-WebSocket-Key:", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA=", 400),
            ("Sec-WebSocket-Key:", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-_==", 400),
            ("Sec-WebSocket-Key:", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ== x", 400),
        ])
    func almost(field: String, line: String, status: Int) {
        #expect(Self.judge(request([line], without: field)).status == status)
    }

    @Test(
        "must not have a body, whatever says so",
        arguments: ["Content-Length: 1", "Content-Length: x", "Transfer-Encoding: identity"])
    func body(line: String) { #expect(Self.judge(request([line])).status == 400) }

    @Test("that says its body is empty has none")
    func emptyBody() { #expect(Self.judge(request(["Content-Length: 0"])).status == 101) }

    @Test("of a browser counts when its Origin is on the list, to the letter")
    func origins() {
        let list: Set = ["https://a.example", "https://b.example:8443"]
        func status(_ origin: String) -> Int { Self.judge(request(["Origin: \(origin)"]), origins: list).status }
        #expect(status("https://a.example") == 101)
        #expect(status("https://b.example:8443") == 101)
        for other in [
            "https://b.example", "https://a.example/", "https://a.example.evil", "http://a.example", "null", "",
        ] {
            #expect(status(other) == 403, "\(other)")
        }
        #expect(Self.judge(request(["Origin: https://anything"])).status == 101, "no list")
    }
}

@Suite("The head of a request")
struct RequestHeadTests {
    private func status(_ text: String) -> Int { status(Array(text.utf8)) }

    private func status(_ bytes: [UInt8]) -> Int {
        do {
            _ = try RequestHead(bytes)
            return 200
        } catch { return error.status }
    }

    private func lines(_ lines: [String], _ requestLine: String = "GET / HTTP/1.1") -> String {
        ([requestLine, "Host: x"] + lines).joined(separator: "\r\n") + "\r\n\r\n"
    }

    @Test("gives what stands in it")
    func reading() throws {
        let head = try RequestHead(
            Array(lines(["A: 1", "a:2 ", "B:\t x, y ,,z", "Empty:"], "POST /p/q?x=1&y=%C3%A9&z HTTP/1.1").utf8))
        #expect(
            head.method == "POST" && head.path == "/p/q" && head.query == "x=1&y=%C3%A9&z" && head.minorVersion == 1)
        #expect(head.values("a") == ["1", "2"] && head.values("empty") == [""] && head.values("c").isEmpty)
        #expect(head.list("b") == ["x", "y", "z"] && head.has("b", token: "y") && !head.has("b", token: "xy"))
        #expect(
            head.queryValue("x") == "1" && head.queryValue("y") == "é" && head.queryValue("z") == ""
                && head.queryValue("q") == nil)
    }

    @Test(
        "is refused when its first line is no request of HTTP/1.1",
        arguments: [
            ("GET  / HTTP/1.1", 400), ("GET /", 400), (" GET / HTTP/1.1", 400), ("GET / HTTP/1.1 ", 400),
            ("G T / HTTP/1.1", 400),
            ("GET x HTTP/1.1", 400), ("GET * HTTP/1.1", 400), ("GET /a\tb HTTP/1.1", 400),
            ("GET /\u{E9} HTTP/1.1", 400),
            ("GET /\u{7F} HTTP/1.1", 400), ("GET / http/1.1", 400), ("GET / HTTP/1.10", 400), ("GET / HTTP/11", 400),
            ("GET / HTTP/0.9", 505), ("GET / HTTP/1.2", 505), ("GET / HTTP/2.0", 505), ("", 400),
            ("(GET) / HTTP/1.1", 400),
            (String(repeating: "M", count: 33) + " / HTTP/1.1", 400), ("PRI * HTTP/2.0", 505),
        ])
    func firstLine(line: String, expected: Int) { #expect(status(lines([], line)) == expected) }

    @Test(
        "is refused for a line that is no field",
        arguments: [
            "Name", ": value", "Na me: 1", "Name : 1", "\tName: 1", " folded: 1", "Näme: 1", "Name: a\u{0}b",
            "Name: a\rb", "Name: a\u{7F}b", "Name: \u{1B}[m",
        ])
    func fields(line: String) { #expect(status(lines([line])) == 400) }

    @Test("may have any byte over 0x7F in a value")
    func obsoleteText() throws {
        let bytes = Array("GET / HTTP/1.1\r\nHost: x\r\nName: ".utf8) + [0xE9, 0xFF] + Array("\r\n\r\n".utf8)
        #expect(try RequestHead(bytes).values("name") == ["\u{FFFD}\u{FFFD}"])
    }

    @Test("needs exactly one Host in HTTP/1.1, none in HTTP/1.0")
    func host() {
        #expect(status("GET / HTTP/1.1\r\n\r\n") == 400)
        #expect(status("GET / HTTP/1.0\r\n\r\n") == 200)
        #expect(status(lines(["host: y"])) == 400)
    }

    @Test("needs CRLF at every line")
    func lineEnds() {
        #expect(status("GET / HTTP/1.1\nHost: x\r\n\r\n") == 400)
        #expect(status("GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n") == 400)
        #expect(status("GET / HTTP/1.1\r\r\nHost: x\r\n\r\n") == 400)
    }

    @Test("has 64 fields and lines of 8 KiB at most")
    func limits() {
        func fields(_ count: Int) -> String { lines(Array(repeating: "A: b", count: count - 1)) }
        #expect(status(fields(Limits.headerFieldsMax)) == 200)
        #expect(status(fields(Limits.headerFieldsMax + 1)) == 431)
        func line(_ count: Int) -> String { lines(["A: " + String(repeating: "b", count: count - 3)]) }
        #expect(status(line(Limits.headerBytesMax)) == 200)
        #expect(status(line(Limits.headerBytesMax + 1)) == 431)
        #expect(status(lines([], "GET /" + String(repeating: "b", count: Limits.headerBytesMax) + " HTTP/1.1")) == 431)
    }

    @Test("tells the length of the body, or why there is none")
    func bodyLength() {
        func length(_ fields: String...) -> Int {
            do { return try RequestHead(Array(lines(fields).utf8)).bodyLength(max: 10) } catch { return -error.status }
        }
        #expect(length() == 0 && length("Content-Length: 10") == 10 && length("Content-Length: 0") == 0)
        #expect(length("Content-Length: 11") == -413)
        #expect(length("Content-Length: 5", "Content-Length: 5") == 5)
        #expect(length("Content-Length: 5", "Content-Length: 6") == -400)
        for nonsense in ["", "-1", "+5", "-0", "5x", "0x5", "5.0", "5, 5", "99999999999999999999"] {
            #expect(length("Content-Length: \(nonsense)") == -400, "\(nonsense)")
        }
        #expect(length("Transfer-Encoding: chunked") == -411)
        #expect(length("Transfer-Encoding: chunked", "Content-Length: 5") == -411)
    }

    @Test("survives random damage: it is refused or read, and what is read has no line end")
    func fuzz() {
        let seed = SeededGenerator.seed()
        var random = SeededGenerator(seed: seed)
        let start = Array(
            lines(
                ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Protocol: apus.v1, bearer.a.b.c"],
                "GET /ws?token=a%20b HTTP/1.1"
            ).utf8)
        let hard: [UInt8] = [0, 9, 10, 13, 32, 37, 58, 127, 128, 255]
        var read = 0
        for round in 0..<4000 {
            var bytes = start
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = hard.randomElement(using: &random)!
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(.random(in: 0...255, using: &random), at: at)
                default: bytes.removeSubrange(at...)
                }
                if bytes.isEmpty { bytes = [0] }
            }
            guard let head = try? RequestHead(bytes) else { continue }
            read += 1
            let texts = [head.method, head.path, head.query ?? ""] + head.fields.flatMap { [$0.name, $0.value] }
            #expect(
                !texts.contains { $0.utf8.contains(10) || $0.utf8.contains(13) || $0.utf8.contains(0) },
                "seed \(seed), round \(round)")
            _ = head.queryValue("token")
            _ = try? UpgradeRequest(head, origins: ["x"], queryToken: true)
        }
        #expect(read > 100, "some heads survive")
    }
}
