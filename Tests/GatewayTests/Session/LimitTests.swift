import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("Limits of a session: each with one fixed outcome (G14)")
struct LimitTests {
    @Test("Ten frames in a row that are no request are each answered, then 4400")
    func tenBadRequests() async throws {
        let (client, _) = try await TestNode.shared.session(someUser())
        defer { client.drop() }
        let bad = ["", "x", "[]", "7", "{", "{\"op\":7}", "{}", "{\"op\":\"ping\"} x", "{\"op\":\"sync\"}", "\u{7}"]
        for frame in bad { try await client.send(frame) }
        for _ in bad { #expect(try await client.frame().errorCode == "bad_request") }
        #expect(try await client.closeCode() == 4400)
    }

    @Test("Nine bad requests and a good one begin the count anew")
    func nineBadRequests() async throws {
        let (client, _) = try await TestNode.shared.session(someUser())
        defer { client.drop() }
        for _ in 0..<3 {
            for _ in 0..<9 { try await client.send("nonsense") }
            for _ in 0..<9 { #expect(try await client.frame().errorCode == "bad_request") }
            #expect(try await client.ask("ping")["ok"] != nil)
        }
    }

    @Test("JSON nested deeper than 32 is a bad request")
    func depth() async throws {
        let (client, _) = try await TestNode.shared.session(someUser())
        defer { client.drop() }
        let nested = { String(repeating: "[", count: $0) + String(repeating: "]", count: $0) }
        #expect(try await client.ask("ping", "\"x\":\(nested(31))")["ok"] != nil)
        try await client.send("{\"id\":8,\"op\":\"ping\",\"x\":\(nested(32))}")
        #expect(try await client.frame().errorCode == "bad_request")
    }

    @Test("Past a burst of 200 each further operation is rate_limited with retry_ms, and works again after it")
    func rateLimit() async throws {
        let (client, _) = try await TestNode.shared.session(someUser())
        defer { client.drop() }
        var frames: [UInt8] = []
        for id in 0..<300 {
            let frame = "{\"id\":\(id),\"op\":\"subscribe\",\"topic\":\"t\"}"
            frames += Array(FrameEncoder.client(.text, Array(frame.utf8)).readableBytesView)
        }
        try await client.send(raw: frames)
        var (passed, refused, retry) = (0, 0, Int64(0))
        for _ in 0..<300 {
            let reply = try await client.frame()
            if reply["ok"] != nil {
                passed += 1
            } else {
                #expect(reply.errorCode == "rate_limited")
                refused += 1
                retry = try #require(reply.retryMilliseconds)
                #expect((1...1000).contains(retry))
            }
        }
        // 199 are left of the burst after hello; 50 more for each second that this took.
        #expect(passed >= 199)
        #expect(refused > 0)
        try await Task.sleep(for: .milliseconds(retry + 50))
        #expect(try await client.ask("ping")["ok"] != nil)
    }

    @Test("A flood of operations is closed with 4429")
    func flood() async throws {
        let (client, _) = try await TestNode.shared.session(someUser())
        defer { client.drop() }
        var frames: [UInt8] = []
        for _ in 0..<5000 {
            frames += Array(FrameEncoder.client(.text, Array("{\"op\":\"ping\"}".utf8)).readableBytesView)
        }
        try? await client.send(raw: frames)
        #expect(try await client.closeCode(within: 20) == 4429)
    }

    @Test("More than ten pings in a second are closed with 4429; ten are answered")
    func pings() async throws {
        let (client, _) = try await TestNode.shared.session(someUser())
        defer { client.drop() }
        for i in 0..<10 { try await client.send(.ping, [UInt8(i)]) }
        for i in 0..<10 {
            guard case .pong(let payload) = try await client.nextButPing() else { throw TestFailure("no pong") }
            #expect(payload == [UInt8(i)])
        }
        // In one piece: a busy machine could spread single writes over seconds.
        try? await client.send(
            raw: (0..<30).flatMap { _ in Array(FrameEncoder.client(.ping, [UInt8]()).readableBytesView) })
        #expect(try await client.closeCode() == 4429)
    }

    @Test("A message over 64 KiB is closed with 1009 before its payload is there; one of 64 KiB is taken")
    func tooBig() async throws {
        let (client, _) = try await TestNode.shared.session(someUser())
        defer { client.drop() }
        let frame = "{\"id\":7,\"op\":\"ping\",\"x\":\""
        let fill = String(repeating: "x", count: 65_536 - frame.utf8.count - 2)
        try await client.send(frame + fill + "\"}")
        #expect(try await client.frame().number("re") == 7)
        // Only the header of a frame of 65,537 bytes.
        try await client.send(raw: [0x81, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1])
        #expect(try await client.closeCode() == 1009)
    }

    @Test("A message in more than 64 fragments is closed with 1009")
    func fragments() async throws {
        let (client, _) = try await TestNode.shared.session(someUser())
        defer { client.drop() }
        var bytes: [UInt8] = [0x01, 0x81, 0, 0, 0, 0, 0x20]
        for _ in 0..<64 { bytes += [0x00, 0x81, 0, 0, 0, 0, 0x20] }
        try await client.send(raw: bytes)
        #expect(try await client.closeCode() == 1009)
    }

    @Test(
        "Frames against RFC 6455 are closed with their code",
        arguments: [
            ([0x82, 0x80, 0, 0, 0, 0], 1003), ([0x81, 0x01, 0x20], 1002), ([0xC1, 0x80, 0, 0, 0, 0], 1002),
            ([0x83, 0x80, 0, 0, 0, 0], 1002), ([0x81, 0xFE, 0, 1, 0, 0, 0, 0, 0x20], 1002),
            ([0x89, 0xFE, 0, 126, 0, 0, 0, 0], 1002), ([0x09, 0x80, 0, 0, 0, 0], 1002),
            ([0x81, 0x81, 0, 0, 0, 0, 0xFF], 1007), ([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xED], 1002),
        ] as [([UInt8], UInt16)])
    func badFrames(_ bytes: [UInt8], _ code: UInt16) async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        try await client.send(raw: bytes)
        #expect(try await client.closeCode() == code)
        // The session ended with that frame, although this client has not closed its socket.
        try await eventually("the session is gone") {
            try await node.backend("GET", "/v1/users/\(user)/presence").json.string("state") == "offline"
        }
    }

    @Test("A session that broke the protocol ends at once, although its client neither reads nor closes")
    func zombie() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        try await client.setReading(false)
        try await client.send(raw: [0x82, 0x80, 0, 0, 0, 0])
        try await eventually("the session is gone", within: 4) {
            try await node.backend("GET", "/v1/users/\(user)/presence").json.string("state") == "offline"
        }
    }

    @Test("However many large answers a session asks for, one is under way at a time, and all come in order")
    func largeAnswers() async throws {
        try await TestNode.run { node in
            let user = someUser()
            try await node.appendSilently(user, count: 5, bytes: 50_000)
            let (client, _) = try await node.session(user)
            defer { client.drop() }
            node.fault.mode = .readsHeld
            var frames: [UInt8] = []
            for id in 1...64 {
                let op = id == 64 ? "\"ping\"" : "\"sync\",\"after\":0"
                frames += Array(
                    FrameEncoder.client(.text, Array("{\"id\":\(id),\"op\":\(op)}".utf8)).readableBytesView)
            }
            try await client.send(raw: frames)
            try await eventually("the store is asked") { node.fault.calls(.read) > 0 }
            #expect(try await client.isSilent(forMilliseconds: 300))
            #expect(node.fault.calls(.read) == 1)
            node.fault.mode = .up
            for id in 1...64 { #expect(try await client.frame().number("re") == Int64(id)) }
        }
    }

    @Test("While a reader takes nothing, the store is not asked for the large answers that it wants")
    func largeAnswersNotTaken() async throws {
        try await TestNode.run { node in
            let user = someUser()
            try await node.appendSilently(user, count: 5, bytes: 50_000)
            let client = try await ScriptedClient.connect(port: node.port, receiveBufferBytes: 8192)
            defer { client.drop() }
            _ = try await client.hello(token: try await TestNode.token(user))
            try await client.setReading(false)
            // 48 MB of answers: many times what the kernel takes off the node's hands.
            // In one piece: whoever takes nothing for 10 s is closed, and other tests keep the machine busy.
            let requests = (1...190).flatMap { id in
                Array(
                    FrameEncoder.client(.text, Array("{\"id\":\(id),\"op\":\"sync\",\"after\":0}".utf8))
                        .readableBytesView)
            }
            try await client.send(raw: requests)
            try await eventually("no more is asked for", within: 20) {
                let before = node.fault.calls(.read)
                try await Task.sleep(for: .milliseconds(500))
                return before > 0 && node.fault.calls(.read) == before
            }
            #expect(node.fault.calls(.read) < 100)
            try await client.setReading(true)
            for id in 1...190 { #expect(try await client.frame(within: 20).number("re") == Int64(id)) }
        }
    }

    @Test("A session that answers no close frame is cut off after 5 s")
    func closeUnanswered() async throws {
        let (client, _) = try await TestNode.shared.session(someUser())
        defer { client.drop() }
        try await client.send(raw: [0x82, 0x80, 0, 0, 0, 0])
        guard case .close(1003, _) = try await client.nextButPing() else { throw TestFailure("no close frame") }
        guard case .end = try await client.nextButPing(within: 12) else { throw TestFailure("the socket stays open") }
    }
}
