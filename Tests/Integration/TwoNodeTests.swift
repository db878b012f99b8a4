import ApusTesting
import Bus
import Core
import Foundation
import Synchronization
import Testing
import Wire

@Suite("Two nodes on real Redis and NATS", .serialized)
struct TwoNodeTests {
    @Test("a JetStream message reaches every device of its user on both nodes, each event once and in order")
    func acrossNodes() async throws {
        try await Fleet.with { fleet in
            let here = try await fleet.device("ann", on: fleet.nodes[0])
            let there = try await fleet.device("ann", on: fleet.nodes[1])
            let stranger = try await fleet.device("eve", on: fleet.nodes[1])
            for index in 1...200 { try await fleet.publish("ann", id: "e\(index)") }
            try await here.wait(for: 200)
            try await there.wait(for: 200)
            #expect(here.seqs == Array(1...200))
            #expect(there.seqs == Array(1...200))
            // Two notifiers share the stream, so the order is the timeline's, the same everywhere; not the publisher's.
            #expect(here.ids == there.ids)
            #expect(Set(here.ids) == Set((1...200).map { "e\($0)" }))
            #expect(stranger.events.isEmpty)
        }
    }

    @Test(
        "all three body forms and several recipients are taken; poison goes to the dead letters once and holds nobody up"
    )
    func formsAndPoison() async throws {
        try await Fleet.with { fleet in
            let ann = try await fleet.device("ann", on: fleet.nodes[0])
            let ben = try await fleet.device("b.e.n", on: fleet.nodes[1])
            let structured =
                #"{"specversion":"1.0","id":"s1","source":"//x","type":"com.x.made","subject":"user/ann","data":{"n":1.50}}"#
            try await fleet.publish("apus.in.notify", Array(structured.utf8), id: "s1")
            let binary: [(name: String, value: String)] = [
                ("ce-specversion", "1.0"), ("ce-id", "b1"), ("ce-source", "//x"), ("ce-type", "com.x.made"),
            ]
            try await fleet.publish("apus.in.notify.ann", Array(#"{"n":2}"#.utf8), headers: binary, id: "b1")
            for (index, poison) in ["not json", #"{"type":"x"}"#, #"{"to":"a b","type":"x"}"#].enumerated() {
                try await fleet.publish("apus.in.notify", Array(poison.utf8), id: "poison\(index)")
            }
            try await fleet.publish("apus.in.elsewhere", Array("{}".utf8), id: "poison3")
            let both = #"{"id":"p1","to":["ann","b.e.n"],"type":"plain"}"#
            try await fleet.publish("apus.in.notify", Array(both.utf8), id: "p1")
            try await ann.wait(for: 3)
            try await ben.wait(for: 1)
            #expect(Set(ann.ids) == ["s1", "b1", "p1"])
            #expect(ben.ids == ["p1"])
            let data = ann.events.first { $0["id"]?.string == "s1" }?["notification"]?.object?["data"]
            #expect(data.map { String(decoding: $0.bytes, as: UTF8.self) } == #"{"n":1.50}"#)
            try await eventually("four dead letters") {
                let info = try await fleet.request(raw: "$JS.API.STREAM.INFO.APUS_DEAD")
                return info["state"]?.object?["messages"]?.integer == 4
            }
        }
    }

    @Test("remote calls answer with the outcome: stored, duplicate, presence, unread, nodes, errors")
    func remoteCalls() async throws {
        try await Fleet.with { fleet in
            let ann = try await fleet.device("ann", on: fleet.nodes[0])
            for duplicate in [false, true] {
                let reply = try await fleet.request("notify", #"{"to":"ann","id":"n1","type":"post.liked"}"#)
                let result = try #require(reply["results"]?.array?.first?.object)
                #expect(result["seq"]?.integer == 1)
                #expect(result["duplicate"]?.bool == duplicate)
                #expect(result["sessions"]?.integer == 1)
            }
            try await ann.wait(for: 1)
            let presence = try await fleet.request("presence", #"{"users":["ann","ben"]}"#)
            #expect(presence["states"]?.object?["ann"]?.object?["state"]?.string == "online")
            #expect(presence["states"]?.object?["ben"]?.object?["state"]?.string == "offline")
            let unread = try await fleet.request("unread", #"{"user":"ann"}"#)
            #expect(unread["unread"]?.object?["notifications"]?.integer == 1)
            try await eventually("both nodes are known") {
                try await fleet.request("nodes", "{}")["nodes"]?.array?.count == 2
            }
            let bad = try await fleet.request("notify", #"{"type":"post.liked"}"#)
            #expect(bad["error"]?.object?["code"]?.string == "bad_request")
            let gone = try await fleet.request("disconnect", #"{"user":"ann","code":4403,"reason":"banned"}"#)
            #expect(gone["sessions"]?.integer == 1)
            try await eventually("the session is closed", within: 5) { ann.closeCode == 4403 }
        }
    }

    @Test("live events reach who is connected, on whichever node")
    func live() async throws {
        try await Fleet.with { fleet in
            let here = try await fleet.device("ann", on: fleet.nodes[0])
            let there = try await fleet.device("ann", on: fleet.nodes[1])
            let reply = try await there.request(#""op":"subscribe","topic":"room.1""#)
            #expect(reply["ok"]?.object?["topic"]?.string == "room.1")
            for (subject, body) in [
                ("apus.live.user.ann", #"{"type":"one","data":1}"#), ("apus.live.topic.room.1", #"{"data":[2]}"#),
                ("apus.live.all", #"{"type":"all","data":{"x":3}}"#),
            ] { fleet.backend.publish(BusMessage(subject: subject, payload: Array(body.utf8))) }
            try await eventually("three there, two here") { there.events.count == 3 && here.events.count == 2 }
            #expect(Set(here.events.compactMap { $0["type"]?.string }) == ["one", "all"])
            #expect(there.events.contains { $0["ev"]?.string == "topic" && $0["topic"]?.string == "room.1" })
            let (status, _) = try await fleet.nodes[0].backend("POST", "/v1/topics/room.1", body: #"{"data":4}"#)
            #expect(status == 200)
            try await eventually("the topic over HTTP, on the other node") { there.events.count == 4 }
            // With the frame once for each of them it had more than NATS takes: sent, and dropped.
            let names = (["ann", "ann"] + (0..<998).map { "user-\($0)" }).map { "\"\($0)\"" }.joined(separator: ",")
            for (to, type) in [("[\(names)]", "many"), ("\"ann\"", "last")] {
                let body = #"{"to":\#(to),"type":"\#(type)","data":"\#(String(repeating: "x", count: 1200))"}"#
                let (status, _) = try await fleet.nodes[0].backend("POST", "/v1/live", body: body)
                #expect(status == 200)
            }
            for device in [here, there] {
                try await eventually("the last one") { device.events.last?["type"]?.string == "last" }
                #expect(device.events.suffix(2).map { $0["type"]?.string } == ["many", "last"], "many came once")
            }
        }
    }

    /// JetStream refused these letters each time, and the events went round for as long as the stream had them.
    @Test("poison with orders to JetStream, or as large as a message may be, becomes a dead letter once all the same")
    func stubbornPoison() async throws {
        try await Fleet.with { fleet in
            let ann = try await fleet.device("ann", on: fleet.nodes[0])
            // Whoever listens hears the refused ones too: the stream says which were stored.
            let letters = Mutex<[BusMessage]>([])
            try await fleet.backend.subscribe("apus.dead", queue: nil) { letter in
                letters.withLock { $0.append(letter) }
            }
            try await fleet.publish(
                "apus.in.notify", Array("not json".utf8),
                headers: [("Nats-Expected-Stream", "APUS_IN"), ("x-trace", "7")], id: "orders")
            // 1 MiB is what NATS takes, headers included: the reason had no room any more.
            try await fleet.publish("apus.in.notify", [UInt8](repeating: 0x20, count: 1_048_576 - 100), id: "large")
            try await fleet.eventuallyBuried(2)
            // A stream that somebody has made smaller.
            let smaller =
                #"{"name":"APUS_DEAD","subjects":["apus.dead"],"retention":"limits","storage":"file","discard":"old","#
                + #""max_age":604800000000000,"duplicate_window":120000000000,"num_replicas":1,"max_msg_size":2048}"#
            let updated = try await fleet.request(raw: "$JS.API.STREAM.UPDATE.APUS_DEAD", smaller)
            #expect(updated["error"] == nil)
            try await fleet.publish("apus.in.notify", [UInt8](repeating: 0x20, count: 5000), id: "over")
            try await fleet.eventuallyBuried(3)
            try await fleet.publish("ann", id: "good")
            try await ann.wait(for: 1)
            try await eventually("the bare letter is heard") {
                letters.withLock { $0.last?.header("Apus-Truncated") == "5000" }
            }
            let heard = letters.withLock { $0 }
            let orders = try #require(heard.first { $0.header("x-trace") == "7" })
            #expect(orders.header("Nats-Expected-Stream") == nil && orders.payload == Array("not json".utf8))
            #expect(orders.header("Apus-Subject") == "apus.in.notify" && orders.header("Apus-Truncated") == nil)
            let large = try #require(heard.first { $0.header("Apus-Truncated") == "1048476" })
            #expect(large.payload.count > 900_000)
            #expect(heard.last?.payload.isEmpty == true)
        }
    }

    /// Their number in the stream named them, and began again with it: an equal body was taken for the one before and
    /// was gone, another one was a conflict and went to the dead letters.
    @Test("messages without a name of their own arrive although the stream was deleted between them, and made anew")
    func unnamedMessages() async throws {
        try await Fleet.with { fleet in
            let ben = try await fleet.device("ben", on: fleet.nodes[1])
            for (index, text) in ["same", "one"].enumerated() {
                try await fleet.storeUnnamed(text)
                try await ben.wait(for: index + 1)
            }
            _ = try await fleet.request(raw: "$JS.API.STREAM.DELETE.APUS_IN")
            try await eventually("the stream is there again") {
                (try? await fleet.request(raw: "$JS.API.STREAM.INFO.APUS_IN"))?["config"] != nil
            }
            for (index, text) in ["same", "other"].enumerated() {
                try await fleet.storeUnnamed(text)
                try await ben.wait(for: index + 3)
            }
            let texts = ben.events.compactMap { $0["body"]?.object?["text"]?.string }
            #expect(texts == ["same", "one", "same", "other"])
        }
    }

    @Test("kill -9 of a node: the client resumes on the other one and misses nothing")
    func killNode() async throws {
        try await Fleet.with { fleet in
            let ann = try await fleet.device("ann", on: fleet.nodes[0])
            for index in 1...20 { try await fleet.publish("ann", id: "a\(index)") }
            try await ann.wait(for: 20)
            let position = ann.position
            fleet.nodes[0].server.killNow()
            for index in 1...30 { try await fleet.publish("ann", id: "b\(index)") }
            let again = try await fleet.device("ann", on: fleet.nodes[1], resume: position)
            #expect(again.welcome["resumed"]?.bool == true)
            try await again.wait(for: 30)
            #expect(again.seqs == Array(21...50))
            #expect(Set(again.ids) == Set((1...30).map { "b\($0)" }))
        }
    }

    @Test("SIGTERM: sessions are told when to reconnect and closed with 4512, presence is left, the exit status is 0")
    func drain() async throws {
        try await Fleet.with { fleet in
            let ann = try await fleet.device("ann", on: fleet.nodes[0])
            fleet.nodes[0].server.signal(SIGTERM)
            try await eventually("draining is told") { ann.events.contains { $0["ev"]?.string == "draining" } }
            #expect(await fleet.nodes[0].server.waitForExit() == 0)
            #expect(ann.closeCode == 4512)
            let state = try await fleet.nodes[1].backend("GET", "/v1/users/ann/presence")
            #expect(state.body.contains("offline"))
        }
    }
}

extension Fleet {
    func request(raw subject: String, _ body: String = "") async throws -> JSONObject {
        let reply = try await answer { (done: @escaping Completion<BusMessage>) in
            backend.request(
                BusMessage(subject: subject, payload: Array(body.utf8)), timeoutMilliseconds: 5000, done)
        }
        return try JSONObject(reply.payload)
    }

    /// A message from ann to ben with neither `cid` nor `Nats-Msg-Id`.
    func storeUnnamed(_ text: String) async throws {
        let stored = try await request(raw: "apus.in.message", #"{"from":"ann","to":"ben","body":{"text":"\#(text)"}}"#)
        guard stored["seq"]?.integer != nil else { throw TestFailure("\(text) was not stored") }
    }

    /// Waits until so many dead letters are stored, and no event is on its way any more.
    func eventuallyBuried(_ count: Int64) async throws {
        try await eventually("\(count) dead letters") {
            let dead = try await request(raw: "$JS.API.STREAM.INFO.APUS_DEAD")["state"]?.object?["messages"]?.integer
            let consumer = try await request(raw: "$JS.API.CONSUMER.INFO.APUS_IN.notifier")
            return dead == count && consumer["num_ack_pending"]?.integer == 0 && consumer["num_pending"]?.integer == 0
        }
    }
}
