import ApusTesting
import Bus
import Core
import Testing
import Wire

@testable import Gateway

@Suite("Delivery: every session of a user gets every event once and in order (G5)")
struct DeliveryTests {
    @Test("Sessions on several loops get everything that many backends publish at once, each once and in one order")
    func concurrentPublishing() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        var clients: [ScriptedClient] = []
        for _ in 0..<5 { clients.append(try await node.session(user).client) }
        defer { clients.forEach { $0.drop() } }
        try await withThrowingTaskGroup { group in
            for _ in 0..<4 { group.addTask { for _ in 0..<25 { try await node.notify(user) } } }
            try await group.waitForAll()
        }
        var ids: [[String?]] = []
        for client in clients {
            let events = try await client.durable(100)
            #expect(events.map { $0.number("seq") } == (1...100).map { $0 })
            #expect(events.map(\.unreadNotifications) == (1...100).map { $0 })
            ids.append(events.map { $0.string("id") })
        }
        #expect(Set(ids).count == 1)
        for client in clients { #expect(try await client.isSilent(forMilliseconds: 1)) }
    }

    @Test("A notification arrives as it was published: opaque parts byte for byte, with seq, id, ts and unread")
    func content() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        let opaque =
            "\"actor\":{\"id\":\"100058\",\"name\":\"al\\u00efce\"},\"object\":{\"n\":1.50},\"data\":[1e3, {\"a\" : null}]"
        try await node.notify(user, "\"id\":\"e-1\",\"type\":\"post.liked\",\(opaque)")
        let text = try await client.text()
        #expect(text.contains(opaque), "\(text)")
        let event = try JSONObject(Array(text.utf8))
        #expect(event.string("ev") == "notification")
        #expect(event.number("seq") == 1)
        #expect(event.string("id") == "e-1")
        #expect(abs((event.number("ts") ?? 0) - SystemTime().wallMilliseconds()) < 60_000)
        #expect(event.unreadNotifications == 1)
        let item = event.at("notification")
        #expect(item.string("id") == "e-1")
        #expect(item.string("type") == "post.liked")
        #expect(item.string("category") == "post")
        #expect(item.bool("read") == false)
    }

    @Test("A collapse key replaces the unread item in place: notification.updated, the count stays")
    func collapse() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        try await node.notify(user, "\"id\":\"a\",\"type\":\"p.l\",\"collapse\":\"post-9\",\"data\":1")
        try await node.notify(user, "\"id\":\"b\",\"type\":\"p.l\",\"collapse\":\"post-9\",\"data\":2")
        let events = try await client.durable(2)
        #expect(events.map { $0.string("ev") } == ["notification", "notification.updated"])
        #expect(events[1].at("notification").string("id") == "a")
        #expect(events[1].at("notification").number("data") == 2)
        #expect(events.map(\.unreadNotifications) == [1, 1])
        #expect(try await client.ask("inbox").ok.list("items").count == 1)
    }

    @Test("A notification whose time is over is retracted, and the unread total is right")
    func expiry() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        try await node.notify(user, "\"id\":\"stays\",\"type\":\"a.b\"")
        try await node.notify(user, "\"id\":\"goes\",\"type\":\"a.b\",\"ttl_s\":1")
        let events = try await client.durable(3)
        #expect(events.map(\.unreadNotifications) == [1, 2, 1])
        #expect(events[2].string("ev") == "notification.retracted")
        #expect(events[2].string("reason") == "expired")
        #expect(events[2].at("notification").string("id") == "goes")
        #expect(try await client.ask("inbox").ok.list("items").map { $0.string("id") } == ["stays"])
    }

    /// More than 256 KiB is written within one turn of the loop; only a flush shows whether the reader keeps up.
    @Test("A burst does not make a reader slow: it gets all of a large batch without being told behind")
    func burst() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        let item = "{\"to\":\"\(user)\",\"type\":\"a.b\",\"data\":\"\(String(repeating: "x", count: 8000))\"}"
        let batch = "[" + Array(repeating: item, count: 100).joined(separator: ",") + "]"
        #expect(try await node.backend("POST", "/v1/notifications", batch).status == 200)
        for seq in 1...100 {
            let event = try await client.frame()
            #expect(event.string("ev") == "notification")
            #expect(event.number("seq") == Int64(seq))
        }
    }

    /// Only durable events were flushed before a reader was called slow: the sixth of these was dropped.
    @Test("A burst of a topic's events does not make a reader slow either: all of it arrives")
    func topicBurst() async throws {
        try await TestNode.run { node in
            let topic = try #require(Topic("burst"))
            let (client, _) = try await node.session(someUser())
            defer { client.drop() }
            _ = try await client.ask("subscribe", "\"topic\":\"\(topic.text)\"")
            let filler = String(repeating: "x", count: 60_000)
            // In one turn of the loop; together less than the kernel takes at once.
            node.node.hub.deliver(
                (0..<20).map { n in
                    let data = Array("{\"n\":\(n),\"x\":\"\(filler)\"}".utf8)
                    return Delivery.liveTopic(topic, frame: ServerFrames.topic(topic, data: data[...]))
                })
            for n in 0..<20 { #expect(try await client.event("topic").at("data").number("n") == Int64(n)) }
        }
    }

    @Test("Live events reach whom they name: one user, a topic's subscribers, everybody; nothing is stored")
    func live() async throws {
        try await TestNode.run { node in
            let (alice, bob) = (someUser(), someUser())
            let (client, _) = try await node.session(alice)
            let (second, _) = try await node.session(alice)
            let (other, _) = try await node.session(bob)
            defer { [client, second, other].forEach { $0.drop() } }
            #expect(
                try await node.backend("POST", "/v1/live", "{\"to\":\"\(alice)\",\"type\":\"t1\",\"data\":[1]}").status
                    == 200)
            for session in [client, second] {
                let event = try await session.frame()
                #expect(event.string("ev") == "live")
                #expect(event.string("type") == "t1")
                #expect(event["seq"] == nil)
            }
            #expect(try await node.backend("POST", "/v1/live", "{\"all\":true,\"type\":\"t2\"}").status == 200)
            for session in [client, second, other] { #expect(try await session.frame().string("type") == "t2") }
            #expect(try await client.ask("ping").ok.number("seq") == 0)
        }
    }

    @Test("Live events and durable ones are taken from the bus as from HTTP, and poison goes to the dead letters once")
    func fromTheBus() async throws {
        let world = try TestWorld()
        try await TestNode.run(in: world) { node in
            let user = someUser()
            let (client, _) = try await node.session(user)
            defer { client.drop() }
            _ = try await client.ask("subscribe", "\"topic\":\"news\"")
            let publish = { (subject: String, body: String) in
                node.bus.publish(BusMessage(subject: subject, payload: Array(body.utf8)))
            }
            publish("apus.live.user.\(user)", "{\"type\":\"a\",\"data\":1}")
            #expect(try await client.frame().string("type") == "a")
            publish("apus.live.topic.news", "{\"type\":\"b\",\"data\":2}")
            #expect(try await client.frame().number("data") == 2)
            publish("apus.live.all", "{\"type\":\"c\",\"data\":3}")
            #expect(try await client.frame().string("type") == "c")
            let dead = Letters()
            try await node.bus.subscribe("apus.dead", queue: nil) { dead.add($0) }
            for (subject, body) in [
                ("apus.in.notify.\(user)", "{\"id\":\"1\",\"type\":\"x.y\"}"), ("apus.in.notify", "not json"),
                ("apus.in.notify.\(user)", "{\"id\":\"2\"}"), ("apus.in.notify.a.b", "{\"type\":\"x.y\"}"),
                ("apus.in.notify", "{\"id\":\"3\",\"to\":[\"\(user)\"],\"type\":\"x.y\"}"),
            ] {
                try await answer {
                    node.bus.publishDurable(
                        BusMessage(subject: subject, payload: Array(body.utf8)), dedupID: RandomToken.make(length: 9),
                        $0)
                }
            }
            #expect(try await client.durable(2).map { $0.string("id") } == ["1", "3"])
            try await eventually("three dead letters") { dead.all.count == 3 }
            #expect(
                dead.all.allSatisfy { $0.header("Apus-Reason")?.isEmpty == false && $0.header("Apus-Subject") != nil })
        }
    }

    @Test("apus.rpc.* answers as HTTP does")
    func remoteCalls() async throws {
        let node = try await TestNode.shared
        let user = someUser()
        let call = { (name: String, body: String) in
            let answer = try await answer {
                node.bus.request(
                    BusMessage(subject: "apus.rpc.\(name)", payload: Array(body.utf8)), timeoutMilliseconds: 5000, $0)
            }
            return try JSONObject(answer.payload)
        }
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        let stored = try #require(
            try await call("notify", "{\"to\":\"\(user)\",\"id\":\"r1\",\"type\":\"a.b\"}").list("results").first)
        #expect(stored.bool("stored") == true)
        #expect(stored.number("sessions") == 1)
        #expect(try await call("unread", "{\"user\":\"\(user)\"}").unreadNotifications == 1)
        #expect(
            try await call("presence", "{\"users\":[\"\(user)\"]}").at("states").at(user).string("state") == "online")
        #expect(try await call("nodes", "{}").list("nodes").contains { $0.string("node") == "gw-everyday" })
        #expect(try await call("notify", "nonsense").errorCode == "bad_request")
        #expect(
            try await call("disconnect", "{\"user\":\"\(user)\",\"code\":4403,\"reason\":\"banned\"}").number(
                "sessions") == 1)
        #expect(try await client.closeCode() == 4403)
    }
}

/// What arrived on a subject.
final class Letters: Sendable {
    private let letters = Locked<[BusMessage]>([])
    var all: [BusMessage] { letters.value }
    func add(_ letter: BusMessage) { letters.change { $0.append(letter) } }
}
