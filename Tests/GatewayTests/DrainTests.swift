import ApusTesting
import Core
import Embedded
import Presence
import Testing
import Wire

@testable import Gateway

@Suite("Drain: a node leaves without loss (G10)")
struct DrainTests {
    @Test(
        "readyz is 503 at once; sessions hear draining with a time and are closed with 4512; no socket is taken any more"
    )
    func drain() async throws {
        let node = try await TestNode.start()
        let user = someUser()
        let (client, _) = try await node.session(user)
        let greeting = try await node.socket()
        defer { [client, greeting].forEach { $0.drop() } }
        let (port, backendPort) = (node.port, node.backendPort)
        async let stopped: Void = node.stop()
        try await eventually("readyz is 503", within: 0.7) {
            let probe = try await ScriptedClient.raw(port: backendPort)
            defer { probe.drop() }
            try await probe.send(raw: Array("GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".utf8))
            return try await probe.httpAnswer().status == 503
        }
        let began = ContinuousClock.now
        let event = try await client.frame()
        #expect(event.string("ev") == "draining")
        #expect((0...15_000).contains(event.number("reconnect_ms") ?? -1))
        #expect(try await client.closeCode() == 4512)
        #expect(try await greeting.closeCode() == 4512)
        try await eventually("nobody listens", within: 3) { (try? await ScriptedClient.raw(port: port)) == nil }
        await stopped
        // Seven seconds on an idle machine; G10 allows thirty.
        #expect(ContinuousClock.now - began < .seconds(20))
    }

    @Test("What was asked before the end is answered before it, and what was published is stored")
    func inFlight() async throws {
        let world = try TestWorld()
        let user = someUser()
        let node = try await TestNode.start(in: world)
        let (client, welcome) = try await node.session(user)
        defer { client.drop() }
        let published = Locked(0)
        let publishing = Task { [node] in
            // Fewer than a timeline keeps: the resume below must find them all.
            while published.value < 900, (try? await node.notify(user)) != nil { published.change { $0 += 1 } }
        }
        async let stopped: Void = node.stop()
        var (asked, answered, closed) = (0, 0, false)
        // Asks until it is closed; the answers to all but the very last frames must come.
        while !closed {
            if asked < 150 {
                try? await client.send("{\"id\":\(asked),\"op\":\"ping\"}")
                asked += 1
            }
            switch try await client.next() {
            case .text(let text): if text.hasPrefix("{\"re\"") { answered += 1 }
            case .close(let code, _):
                #expect(code == 4512)
                closed = true
            case .end: closed = true
            default: break
            }
        }
        await stopped
        await publishing.value
        #expect(answered > 0)
        try await TestNode.run("gw-next", in: world) { next in
            let (again, resumed) = try await next.session(user, resume: welcome.position)
            defer { again.drop() }
            #expect(resumed.bool("resumed") == true)
            #expect((resumed.number("seq") ?? 0) >= Int64(published.value))
        }
    }

    @Test("A session that waits for an answer when its time to go has come is closed after the answer, not before it")
    func waitsForAnswers() async throws {
        // A node waits for 2 s at most, and a machine that is busy with other tests may take them.
        var tries = 1
        while try await !isAnsweredFirst() {
            try #require(tries < 3, "it was closed before the answer, three times")
            tries += 1
        }
    }

    /// Whether a session hears the answer that is held while its time comes, before it is closed.
    private func isAnsweredFirst() async throws -> Bool {
        let node = try await TestNode.start()
        let (client, _) = try await node.session(someUser())
        defer { client.drop() }
        node.fault.mode = .readsHeld
        try await client.send("{\"id\":5,\"op\":\"sync\",\"after\":0}")
        try await eventually("the store is asked") { node.fault.calls(.read) == 1 }
        let stopping = Task { await node.stop() }
        let delay = try #require(try await client.event("draining").number("reconnect_ms"))
        // It goes 300 ms after the time it was told, if it may.
        let isSilent = try? await client.isSilent(forMilliseconds: Int(delay) + 800)
        node.fault.mode = .up
        guard isSilent == true else {
            await stopping.value
            return false
        }
        let first = try await client.nextButPing()
        if case .text(let text) = first {
            #expect(text.hasPrefix("{\"re\":5"))
            #expect(try await client.closeCode() == 4512)
        }
        await stopping.value
        if case .close = first { return false }
        return true
    }

    /// A balancer asks a node every now and then; what it sends in between must not begin here and be sent away again.
    @Test("From the first moment an upgrade is answered 503 with Retry-After, and a hello with 4512")
    func newcomers() async throws {
        let node = try await TestNode.start()
        let greeting = try await node.socket()
        defer { greeting.drop() }
        let port = node.port
        async let stopped: Void = node.stop()
        try await eventually("readyz is 503", within: 5) {
            let probe = try await ScriptedClient.raw(port: port)
            defer { probe.drop() }
            try await probe.send(raw: Array("GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
            return try await probe.head().hasPrefix("HTTP/1.1 503 ")
        }
        let late = try await ScriptedClient.raw(port: port)
        defer { late.drop() }
        let head = try await late.upgrade()
        #expect(head.hasPrefix("HTTP/1.1 503 ") && head.contains("Retry-After: 1\r\n"), "\(head)")
        try await greeting.send("{\"id\":1,\"op\":\"hello\",\"token\":\"\(try await TestNode.token(someUser()))\"}")
        guard case .close(let code, _) = try await greeting.next() else { throw TestFailure("no close frame") }
        #expect(code == 4512)
        await stopped
    }

    @Test("A session that waits for its welcome when the drain begins gets it, is told when to go, and goes")
    func opening() async throws {
        let node = try await TestNode.start()
        let (witness, _) = try await node.session(someUser())
        let client = try await node.socket()
        defer { [witness, client].forEach { $0.drop() } }
        node.fault.mode = .readsHeld
        let asked = node.fault.calls(.open)
        try await client.send("{\"id\":1,\"op\":\"hello\",\"token\":\"\(try await TestNode.token(someUser()))\"}")
        try await eventually("the store is asked") { node.fault.calls(.open) == asked + 1 }
        let stopping = Task { await node.stop() }
        _ = try await witness.event("draining")
        node.fault.mode = .up
        #expect(try await client.frame().string("ev") == "welcome")
        #expect(try await client.frame().string("ev") == "draining")
        #expect(try await client.closeCode() == 4512)
        await stopping.value
    }

    @Test("A drain ends although the store hangs")
    func storeAway() async throws {
        let node = try await TestNode.start()
        let (client, _) = try await node.session(someUser())
        defer { client.drop() }
        node.fault.mode = .hanging
        let began = ContinuousClock.now
        await node.stop()
        // 30 s (G10), and some for a machine that is busy with other tests.
        #expect(ContinuousClock.now - began < .seconds(45))
    }

    /// A request to the backend listener that is under way: so much has come of a body of `length` bytes.
    private func unfinished(_ begin: String, of length: Int, at node: TestNode) async throws -> ScriptedClient {
        let client = try await ScriptedClient.raw(port: node.backendPort)
        // Both leave in one packet: when the first is answered, the second has begun.
        var request = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
        request += "POST /v1/notifications HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \(TestNode.apiKey)\r\n"
        request += "Content-Length: \(length)\r\n\r\n\(begin)"
        try await client.send(raw: Array(request.utf8))
        #expect(try await client.head().hasPrefix("HTTP/1.1 200 "))
        return client
    }

    /// The wait for it had no end: the process stayed until it was killed, on the bus and with its lease.
    @Test("A request that a backend does not finish ends with the drain's time, and what comes after it is done")
    func stalledRequest() async throws {
        let world = try TestWorld()
        let node = try await TestNode.start("gw-stalled", in: world) { $0.drainSeconds = 5 }
        let backend = try await unfinished("{\"to\":", of: 100, at: node)
        defer { backend.drop() }
        let isOver = Locked(false)
        Task {
            await node.stop()
            isOver.change { $0 = true }
        }
        try await eventually("the node ends", within: 25) { isOver.value }
        #expect(!node.bus.isConnected)
        let other = NodeRecord(
            incarnation: try #require(Incarnation(newOf: "gw-other")), sinceMilliseconds: 0, sessions: 0,
            draining: false, version: "", roles: [])
        let alive = try await answer { world.store.renewLease(other, seconds: 10, $0) }.alive
        #expect(alive.map(\.incarnation.node) == ["gw-other"])
    }

    @Test("A request that comes slowly is taken to its end during the drain, and answered")
    func slowRequest() async throws {
        let node = try await TestNode.start()
        let body = "[{\"to\":\"\(someUser())\",\"type\":\"a.b\"}]"
        let backend = try await unfinished(String(body.prefix(10)), of: body.utf8.count, at: node)
        defer { backend.drop() }
        let port = node.backendPort
        async let stopped: Void = node.stop()
        // From then on only what has begun is served.
        try await eventually("nobody listens for backends") {
            guard let probe = try? await ScriptedClient.raw(port: port) else { return true }
            probe.drop()
            return false
        }
        try await backend.send(raw: Array(body.dropFirst(10).utf8))
        let text = try await backend.httpAnswer().body
        #expect(text.contains("\"stored\":true"), "\(text)")
        await stopped
    }

    @Test("Sessions go at the chosen rate, and all within the time that the drain has")
    func rate() {
        var configuration = NodeConfiguration(auth: AuthConfiguration(hs256Secret: TestNode.secret))
        configuration.drainPerSecond = 2000
        configuration.drainSeconds = 25
        #expect(Node.drainSpreadMilliseconds(of: 20_000, configuration) == 10_000)
        #expect(
            Node.drainSpreadMilliseconds(of: 10, configuration) == 500, "a few go at once, but not at the same moment")
        #expect(Node.drainSpreadMilliseconds(of: 1_000_000, configuration) == 15_000, "more than fit go faster")
        configuration.drainSeconds = 600
        #expect(Node.drainSpreadMilliseconds(of: 500_000, configuration) == 250_000)
    }
}
