import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("POST /v1/notifications (PROTOCOL §4)")
struct NotificationAPITests {
    private static let path = "/v1/notifications"

    @Test("One notification for one user, several users, and the sessions that were reached")
    func single() async throws {
        let node = try await TestNode.shared
        let (alice, bob) = (someUser(), someUser())
        let sessions = [try await node.session(alice).client, try await node.session(alice).client]
        defer { sessions.forEach { $0.drop() } }
        let body = "{\"to\":[\"\(alice)\",\"\(bob)\",\"\(alice)\"],\"id\":\"x1\",\"type\":\"post.liked\"}"
        let answer = try await node.backend("POST", Self.path, body)
        #expect(answer.status == 200)
        #expect(answer.results.map { $0.string("user") } == [alice, bob])
        #expect(answer.results.map { $0.number("sessions") } == [2, 0])
        for result in answer.results {
            #expect(result.number("seq") == 1)
            #expect(result.string("id") == "x1")
            #expect(result.bool("stored") == true)
            #expect(result.bool("duplicate") == false)
            #expect(result["index"] == nil)
        }
        let again = try await node.backend("POST", Self.path, body)
        #expect(
            again.results.allSatisfy {
                $0.bool("duplicate") == true && $0.bool("stored") == true && $0.number("seq") == 1
            })
        #expect(try await node.backend("GET", "/v1/users/\(alice)/unread").json.unreadNotifications == 1)
    }

    @Test("An array is a batch: every result has its index, and one user's events keep the order of the array")
    func array() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let items = (0..<50).map { "{\"to\":\"\(user)\",\"id\":\"b\($0)\",\"type\":\"a.b\"}" }.joined(separator: ",")
        let answer = try await node.backend("POST", Self.path, "[\(items)]")
        #expect(answer.status == 200)
        #expect(answer.results.map { $0.number("index") } == (0..<50).map { $0 })
        #expect(answer.results.map { $0.number("seq") } == (1...50).map { $0 })
    }

    @Test("NDJSON is a batch of lines; empty lines do not count")
    func lines() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let body = "{\"to\":\"\(user)\",\"type\":\"a.b\"}\n\n{\"to\":\"\(user)\",\"type\":\"a.c\"}\r\n"
        let answer = try await node.backend("POST", Self.path, body, headers: ["Content-Type: application/x-ndjson"])
        #expect(answer.status == 200)
        #expect(answer.results.map { $0.number("seq") } == [1, 2])
        let empty = try await node.backend("POST", Self.path, "\n \n", headers: ["Content-Type: application/x-ndjson"])
        #expect(empty.status == 400)
    }

    @Test("The good items of a batch are stored and each bad one has its own error; 200 as long as one is good")
    func mixed() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let good = "{\"to\":\"\(user)\",\"type\":\"a.b\"}"
        let body = "[\(good),{\"type\":\"a.b\"},7,{\"to\":\"a b\",\"type\":\"x\"},{\"to\":\"\(user)\"},\(good)]"
        let answer = try await node.backend("POST", Self.path, body)
        #expect(answer.status == 200)
        #expect(answer.results.map { $0.bool("stored") } == [true, false, false, false, false, true])
        #expect(answer.results.map { $0.number("index") } == [0, 1, 2, 3, 4, 5])
        for bad in answer.results[1...4] {
            #expect(bad.errorCode == "bad_request")
            #expect(bad.at("error").string("message")?.isEmpty == false)
        }
        #expect(answer.json["error"] == nil)
    }

    @Test(
        "A request in which nothing is good is 400 and names the field or item",
        arguments: [
            ("", "body"), ("nonsense", "body"), ("[]", "array"), ("{}", "to"), ("[{}]", "item 0"),
            ("{\"to\":\"u\"}", "type"),
            ("{\"to\":\"\",\"type\":\"a\"}", "to"), ("{\"to\":[\"u\",\"*\"],\"type\":\"a\"}", "to[1]"),
            ("{\"to\":\"u\",\"type\":\"\"}", "type"), ("{\"to\":\"u\",\"type\":\"a\",\"ttl_s\":0}", "ttl_s"),
            ("{\"to\":\"u\",\"type\":\"a\",\"id\":\"\\u0001\"}", "id"),
            ("{\"to\":\"u\",\"type\":\"a\",\"actor\":7}", "actor"),
            ("{\"to\":\"u\",\"type\":\"a\",\"category\":7}", "category"), ("[7,{\"to\":\"u\"}]", "item 0"),
        ])
    func nothingGood(_ body: String, _ field: String) async throws {
        let answer = try await TestNode.shared.backend("POST", Self.path, body)
        #expect(answer.status == 400)
        #expect(answer.errorCode == "bad_request")
        let message = try #require(answer.json.at("error").string("message"))
        #expect(message.contains(field), "\(message)")
    }

    @Test("Idempotency-Key is the id of what has none, also of each item in a batch")
    func idempotencyKey() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let body = "{\"to\":\"\(user)\",\"type\":\"a.b\"}"
        for duplicate in [false, true] {
            let answer = try await node.backend("POST", Self.path, body, headers: ["Idempotency-Key: k-1"])
            #expect(answer.results.first?.string("id") == "k-1")
            #expect(answer.results.first?.bool("duplicate") == duplicate)
        }
        for duplicate in [false, true] {
            let answer = try await node.backend(
                "POST", Self.path, "[\(body),\(body)]", headers: ["Idempotency-Key: k-2"])
            #expect(answer.results.map { $0.bool("duplicate") } == [duplicate, duplicate])
            #expect(Set(answer.results.compactMap { $0.string("id") }).count == 2)
        }
        let own = try await node.backend(
            "POST", Self.path, "{\"to\":\"\(user)\",\"type\":\"a.b\",\"id\":\"own\"}", headers: ["Idempotency-Key: k-3"]
        )
        #expect(own.results.first?.string("id") == "own")
    }

    @Test("A CloudEvent is taken in structured and in binary mode")
    func cloudEvents() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        let structured =
            "{\"specversion\":\"1.0\",\"id\":\"ce1\",\"source\":\"/posts\",\"type\":\"post.liked\","
            + "\"subject\":\"user/\(user)\",\"time\":\"2025-01-02T03:04:05Z\",\"data\":{\"n\":1}}"
        #expect(
            try await node.backend(
                "POST", Self.path, structured, headers: ["Content-Type: application/cloudevents+json"]
            ).status == 200)
        let binary = [
            "ce-specversion: 1.0", "ce-id: ce2", "ce-source: /posts", "ce-type: post.liked", "ce-subject: \(user)",
            "Content-Type: application/json",
        ]
        #expect(try await node.backend("POST", Self.path, "{\"n\":2}", headers: binary).status == 200)
        let events = try await client.durable(2)
        #expect(events.map { $0.string("id") } == ["ce1", "ce2"])
        #expect(events[0].number("ts") == 1_735_787_045_000)
        #expect(events.map { $0.at("notification").at("data").number("n") } == [1, 2])
        let without = try await node.backend("POST", Self.path, "{}", headers: Array(binary.dropFirst(1)))
        #expect(without.status == 400)
        #expect(try await node.backend("POST", Self.path, "nonsense", headers: binary).status == 400)
    }

    @Test("A batch of CloudEvents is taken as an array")
    func cloudEventsBatch() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let event = { (id: String) in
            "{\"specversion\":\"1.0\",\"id\":\"\(id)\",\"source\":\"s\",\"type\":\"t\",\"subject\":\"\(user)\"}"
        }
        let answer = try await node.backend(
            "POST", Self.path, "[\(event("1")),\(event("2"))]",
            headers: ["Content-Type: application/cloudevents-batch+json"])
        #expect(answer.results.map { $0.string("id") } == ["1", "2"])
    }

    @Test("A body over 1 MiB is 413, and so is a notification over 64 KiB; in a batch only that item is refused")
    func tooLarge() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let big = { "{\"to\":\"\(user)\",\"type\":\"a.b\",\"data\":\"\(String(repeating: "x", count: $0))\"}" }
        #expect(try await node.backend("POST", Self.path, big(1_048_576)).status == 413)
        let single = try await node.backend("POST", Self.path, big(65_536))
        #expect(single.status == 413)
        #expect(single.errorCode == "too_large")
        let batch = try await node.backend("POST", Self.path, "[\(big(65_536)),\(big(60_000))]")
        #expect(batch.status == 200)
        #expect(batch.results.map { $0.bool("stored") } == [false, true])
        #expect(batch.results[0].errorCode == "too_large")
    }

    @Test("A chunked body is taken, and refused with 413 when it grows over 1 MiB")
    func chunked() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let post = { (chunks: [String]) in
            let client = try await ScriptedClient.raw(port: node.backendPort)
            defer { client.drop() }
            var request = "POST \(Self.path) HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \(TestNode.apiKey)\r\n"
            request += "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            for chunk in chunks { request += String(chunk.utf8.count, radix: 16) + "\r\n" + chunk + "\r\n" }
            try? await client.send(raw: Array((request + "0\r\n\r\n").utf8))
            return try await client.httpAnswer().status
        }
        #expect(try await post(["{\"to\":\"\(user)\",", "\"type\":\"a.b\"}"]) == 200)
        #expect(try await post(Array(repeating: String(repeating: " ", count: 200_000), count: 6)) == 413)
    }

    @Test("More than 1,000 recipients of one notification are refused")
    func recipients() async throws {
        let node = try await TestNode.shared
        let to = { (count: Int) in (0..<count).map { "\"many-\($0)\"" }.joined(separator: ",") }
        let most = try await node.backend("POST", Self.path, "{\"to\":[\(to(1000))],\"type\":\"a.b\"}")
        #expect(most.status == 200)
        #expect(most.results.count == 1000)
        let over = try await node.backend("POST", Self.path, "{\"to\":[\(to(1001))],\"type\":\"a.b\"}")
        #expect([400, 413].contains(over.status))
    }
}
