import ApusTesting
import Bus
import Core
import Testing
import Wire

@testable import Gateway

@Suite("POST /v1/live: one event for many (PROTOCOL §4)")
struct LiveAPITests {
    /// The frame was copied for each user, so that 1,000 users made a message of more than NATS takes: it was answered
    /// `"sent":true` and reached no other node. Whoever was named twice got it twice.
    @Test("1,000 users on another node are told in one message that NATS takes, and each once")
    func many() async throws {
        let world = try TestWorld()
        try await TestNode.run("gw-a", in: world) { a in
            try await TestNode.run("gw-b", in: world) { b in
                let sizes = Locked<[Int]>([])
                try await b.bus.subscribe("apus.nodes", queue: nil) { message in
                    sizes.change { $0.append(message.payload.count) }
                }
                let users = (0..<999).map { _ in someUser() }
                let sessions = [try await a.session(users[0]).client, try await b.session(users[0]).client]
                defer { sessions.forEach { $0.drop() } }
                let names = (users + [users[0]]).map { "\"\($0)\"" }.joined(separator: ",")
                let data = String(repeating: "x", count: 1200)
                let answer = try await a.backend(
                    "POST", "/v1/live", "{\"to\":[\(names)],\"type\":\"many\",\"data\":\"\(data)\"}")
                #expect(answer.status == 200)
                #expect(answer.results.compactMap { $0.string("user") } == users)
                #expect(answer.results.allSatisfy { $0.bool("sent") == true })
                try await a.backend("POST", "/v1/live", "{\"to\":\"\(users[0])\",\"type\":\"last\"}")
                for session in sessions {
                    let first = try await session.frame()
                    #expect(first.string("type") == "many" && first.string("data") == data)
                    #expect(try await session.frame().string("type") == "last")
                }
                try await eventually("the message was seen") { sizes.value.contains { $0 > data.utf8.count } }
                #expect(sizes.value.allSatisfy { $0 < 1_000_000 })
            }
        }
    }
}
