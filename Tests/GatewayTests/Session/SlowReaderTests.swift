import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("Slow readers: bounded memory, nothing lost, nobody else waits (G9)")
struct SlowReaderTests {
    /// A session that does not read, and a kernel that buffers little for it.
    private func stalled(_ node: TestNode, _ user: String) async throws -> ScriptedClient {
        let client = try await ScriptedClient.connect(port: node.port, receiveBufferBytes: 8192)
        _ = try await client.hello(token: try await TestNode.token(user))
        try await client.setReading(false)
        return client
    }

    /// Publishes more than the kernel and the gateway buffer for one session.
    private func flood(_ node: TestNode, _ user: String, count: Int) async throws {
        let data = String(repeating: "x", count: 60_000)
        let item = "{\"to\":\"\(user)\",\"type\":\"a.b\",\"data\":\"\(data)\"}"
        for _ in 0..<count / 10 {
            let batch = "[" + Array(repeating: item, count: 10).joined(separator: ",") + "]"
            let answer = try await node.backend("POST", "/v1/notifications", batch)
            guard answer.status == 200 else { throw TestFailure("not stored: \(answer.status)") }
        }
    }

    @Test(
        "A reader that stops is told behind, pulls what it missed with sync, and is live again; others get all at once")
    func behind() async throws {
        try await TestNode.run { node in
            let user = someUser()
            let slow = try await stalled(node, user)
            let (quick, _) = try await node.session(user)
            defer { [slow, quick].forEach { $0.drop() } }
            async let all = quick.durable(150, within: 30)
            try await flood(node, user, count: 150)
            #expect(try await all.map { $0.number("seq") } == (1...150).map { $0 })

            try await slow.setReading(true)
            var (last, behind) = (Int64(0), false)
            while !behind {
                let frame = try await slow.frame()
                let seq = try #require(frame.number("seq"))
                if frame.string("ev") == "behind" {
                    behind = true
                } else {
                    #expect(seq == last + 1)
                    last = seq
                }
            }
            #expect(last < 150)
            // Nothing durable comes by itself now.
            try await node.notify(user)
            #expect(try await quick.durable(1)[0].number("seq") == 151)
            while last < 151 {
                let page = try await slow.ask("sync", "\"after\":\(last)").ok
                for event in page.list("events") {
                    #expect(event.number("seq") == last + 1)
                    last += 1
                }
            }
            try await node.notify(user)
            #expect(try await slow.durable(1)[0].number("seq") == 152)
        }
    }

    @Test("What waited behind a slow reader's output may end the session the moment it reads again")
    func endsWhenWritable() async throws {
        try await TestNode.run { node in
            let user = someUser()
            let slow = try await stalled(node, user)
            defer { slow.drop() }
            try await flood(node, user, count: 150)
            // Not decoded while the output is over its mark. Too many pings close the session, and the close frame behind
            // them frees its slot within the same call: who touched the session after that would touch an empty slot.
            let ping = Array(FrameEncoder.client(.ping, [UInt8]()).readableBytesView)
            let close = Array(FrameEncoder.client(.close, [0x03, 0xE8]).readableBytesView)
            try await slow.send(raw: (0..<12).flatMap { _ in ping } + close)
            try await slow.setReading(true)
            try await eventually("the session is gone") {
                try await node.backend("GET", "/v1/users/\(user)/presence").json.string("state") == "offline"
            }
            let (client, _) = try await node.session(user)
            defer { client.drop() }
            #expect(try await client.ask("ping")["ok"] != nil)
        }
    }

    @Test("A reader that closes and takes nothing any more is offline at once, not when its socket is given up (G8)")
    func closesUnread() async throws {
        try await TestNode.run { node in
            // How many events the kernel takes off the node's hands, and the node holds for a slow reader.
            let first = someUser()
            let measure = try await stalled(node, first)
            defer { measure.drop() }
            try await flood(node, first, count: 150)
            try await measure.setReading(true)
            var held = 0
            while try await measure.frame().string("ev") == "notification" { held += 1 }
            // Three fewer: something waits in the node, and not so much that it stops reading.
            let user = someUser()
            let slow = try await stalled(node, user)
            defer { slow.drop() }
            let data = String(repeating: "x", count: 60_000)
            for _ in 0..<held - 3 { try await node.notify(user, "\"type\":\"a.b\",\"data\":\"\(data)\"") }
            try await slow.send(.close, [0x03, 0xE8])
            try await eventually("offline", within: 3) {
                try await node.backend("GET", "/v1/users/\(user)/presence").json.string("state") == "offline"
            }
        }
    }

    @Test("A reader that takes nothing for 20 s is closed with 4508, and resumes without a hole")
    func tooSlow() async throws {
        try await TestNode.run { node in
            let user = someUser()
            let slow = try await stalled(node, user)
            defer { slow.drop() }
            let began = ContinuousClock.now
            try await flood(node, user, count: 150)
            try await eventually("the slow session is closed", within: 30) {
                try await node.backend("GET", "/v1/users/\(user)/presence").json.string("state") == "offline"
            }
            #expect(ContinuousClock.now - began > .seconds(19))
            // What was on its way before still arrives if it reads now.
            try await slow.setReading(true)
            #expect(try await slow.closeCode() == 4508)
        }
    }
}
