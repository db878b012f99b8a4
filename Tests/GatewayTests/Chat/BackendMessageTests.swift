import ApusTesting
import Bus
import Core
import Testing
import Wire

@testable import Gateway

@Suite("Messages that backends send in a user's name")
struct BackendMessageTests {
    @Test("POST /v1/messages stores, tells the outcome, and does the same again only once")
    func overHTTP() async throws {
        let pair = try await Talk.start()
        defer { pair.drop() }
        let body =
            "{\"from\":\"\(pair.aliceID)\",\"to\":\"\(pair.bobID)\",\"cid\":\"backend-1\",\"body\":{\"text\":\"hi\"}}"
        let first = try await pair.node.backend("POST", "/v1/messages", body)
        #expect(first.status == 200 && first.results.first?.bool("stored") == true)
        #expect(first.results.first?.bool("duplicate") == false && first.results.first?.number("n") == 1)
        let again = try await pair.node.backend("POST", "/v1/messages", body)
        #expect(again.results.first?.bool("duplicate") == true && again.results.first?.number("n") == 1)
        #expect(try await pair.bob[0].event("message").at("body").string("text") == "hi")
        #expect(try await pair.alice[0].event("message").string("cid") == "backend-1")
    }

    @Test("A batch keeps its order, and bad items have errors of their own")
    func batch() async throws {
        let pair = try await Talk.start()
        defer { pair.drop() }
        let item = { (i: Int) in
            "{\"from\":\"\(pair.aliceID)\",\"to\":\"\(pair.bobID)\",\"cid\":\"b-\(i)\",\"body\":{\"text\":\"\(i)\"}}"
        }
        let bad = "{\"from\":\"\(pair.aliceID)\",\"to\":\"\(pair.aliceID)\",\"body\":{}}"
        let answer = try await pair.node.backend("POST", "/v1/messages", "[\(item(0)),\(bad),\(item(1)),\(item(2))]")
        #expect(answer.status == 200)
        #expect(answer.results.map { $0.number("n") } == [1, nil, 2, 3])
        #expect(answer.results[1].errorCode == "bad_request" && answer.results[1].number("index") == 1)
        #expect(try await pair.bob[0].durable(3).map { $0.at("body").string("text") } == ["0", "1", "2"])
        let nothingGood = try await pair.node.backend("POST", "/v1/messages", "[\(bad)]")
        #expect(nothingGood.status == 400)
    }

    @Test("An Idempotency-Key names a message that has no cid")
    func idempotency() async throws {
        let pair = try await Talk.start()
        defer { pair.drop() }
        let body = "{\"from\":\"\(pair.aliceID)\",\"to\":\"\(pair.bobID)\",\"body\":{\"text\":\"once\"}}"
        for duplicate in [false, true] {
            let answer = try await pair.node.backend(
                "POST", "/v1/messages", body, headers: ["Idempotency-Key: key 1/2:3"])
            #expect(answer.results.first?.bool("duplicate") == duplicate)
        }
        #expect(try await pair.bob[0].history(pair.conversation).count == 1)
    }

    @Test("apus.in.message stores once however often it comes; what is refused goes to the dead letters")
    func durable() async throws {
        let pair = try await Talk.start()
        defer { pair.drop() }
        let dead = Locked<[BusMessage]>([])
        try await pair.node.bus.subscribe("apus.dead", queue: nil) { letter in dead.change { $0.append(letter) } }
        let body = "{\"from\":\"\(pair.aliceID)\",\"to\":\"\(pair.bobID)\",\"cid\":\"n-1\",\"body\":{\"text\":\"hi\"}}"
        for id in ["x1-\(pair.aliceID)", "x2-\(pair.aliceID)"] {
            try await answer { (done: @escaping Completion<Void>) in
                pair.node.bus.publishDurable(
                    BusMessage(subject: "apus.in.message", payload: Array(body.utf8)), dedupID: id, done)
            }
        }
        #expect(try await pair.bob[0].event("message").number("n") == 1)
        _ = try await pair.bob[0].ask("block", "\"user\":\"\(pair.aliceID)\"")
        let refused = body.replacing("n-1", with: "n-2")
        try await answer { (done: @escaping Completion<Void>) in
            pair.node.bus.publishDurable(
                BusMessage(subject: "apus.in.message", payload: Array(refused.utf8)), dedupID: "x3-\(pair.aliceID)",
                done)
        }
        try await eventually("the refused message is a dead letter") {
            dead.value.contains {
                $0.payload == Array(refused.utf8) && $0.header("Apus-Reason")?.contains("forbidden") == true
            }
        }
        #expect(try await pair.bob[0].history(pair.conversation).count == 1)
    }

    @Test("apus.rpc.message answers with the outcome or the error")
    func remoteCall() async throws {
        let pair = try await Talk.start()
        defer { pair.drop() }
        let ask = { (body: String) in
            let reply = try await answer { (done: @escaping Completion<BusMessage>) in
                pair.node.bus.request(
                    BusMessage(subject: "apus.rpc.message", payload: Array(body.utf8)), timeoutMilliseconds: 5000, done)
            }
            return try JSONObject(reply.payload)
        }
        let good = try await ask(
            "{\"from\":\"\(pair.aliceID)\",\"to\":\"\(pair.bobID)\",\"cid\":\"r-1\",\"body\":{}}")
        #expect(good.list("results").first?.bool("stored") == true)
        #expect(good.list("results").first?.string("conv") == pair.conversation)
        #expect(try await ask("{\"from\":\"\(pair.aliceID)\",\"body\":{}}").errorCode == "bad_request")
    }
}
