import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("Operations and their replies (PROTOCOL §2.2, §2.3)")
struct OperationTests {
    @Test("ping tells the head, and a lost last event is noticed by it and delivered")
    func ping() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        #expect(try await client.ask("ping").ok.number("seq") == 0)
        try await node.appendSilently(user, count: 3)
        #expect(try await client.ask("ping").ok.number("seq") == 3)
        #expect(try await client.durable(3).map { $0.number("seq") } == [1, 2, 3])
    }

    @Test("auth takes a new token of the same user and tells when it expires")
    func auth() async throws {
        let user = someUser()
        let (client, _) = try await TestNode.shared.session(user, ttlSeconds: 60)
        defer { client.drop() }
        let reply = try await client.ask("auth", "\"token\":\"\(try await TestNode.token(user, ttlSeconds: 7200))\"")
        let expires = try #require(reply.ok.number("expires"))
        let now = SystemTime().wallMilliseconds() / 1000
        #expect((now + 7190...now + 7200).contains(expires))
    }

    @Test("auth with another user's token is forbidden, with a bad one unauthenticated; the session stays as it was")
    func badAuth() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        let other = try await TestNode.token(someUser())
        #expect(try await client.ask("auth", "\"token\":\"\(other)\"").errorCode == "forbidden")
        let expired = try await TestNode.token(user, ttlSeconds: -5)
        #expect(try await client.ask("auth", "\"token\":\"\(expired)\"").errorCode == "unauthenticated")
        #expect(try await client.ask("auth", "\"token\":\"nonsense\"").errorCode == "unauthenticated")
        #expect(try await client.ask("auth").errorCode == "bad_request")
        try await node.notify(user)
        #expect(try await client.durable(1).count == 1)
    }

    @Test("sync pages through the timeline: what is delivered and what is pulled is the same")
    func sync() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        try await node.appendSilently(user, count: 7)
        let (client, welcome) = try await node.session(user)
        defer { client.drop() }
        var (after, seqs, more) = (Int64(0), [Int64](), true)
        while more {
            let page = try await client.ask("sync", "\"after\":\(after),\"limit\":3").ok
            #expect(page.string("epoch") == welcome.string("epoch"))
            #expect(page.number("head") == 7)
            let events = page.list("events")
            #expect(events.allSatisfy { $0.string("ev") == "notification" })
            seqs += events.compactMap { $0.number("seq") }
            after = seqs.last ?? 0
            more = try #require(page.bool("more") as Bool?)
            #expect(more == (after < 7))
        }
        #expect(seqs == [1, 2, 3, 4, 5, 6, 7])
    }

    @Test("sync refuses what is out of range, and says resync for what cannot be continued")
    func syncRanges() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        try await node.appendSilently(user, count: 2)
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        for members in ["", "\"after\":-1", "\"after\":0,\"limit\":0", "\"after\":0,\"limit\":501", "\"after\":\"1\""] {
            #expect(try await client.ask("sync", members).errorCode == "bad_request", "\(members)")
        }
        #expect(try await client.ask("sync", "\"after\":0,\"limit\":500").ok.list("events").count == 2)
        #expect(try await client.ask("sync", "\"after\":9").ok.string("resync") == "ahead")
        #expect(try await client.ask("sync", "\"after\":1,\"last\":\"x\"").ok.string("resync") == "id_mismatch")
        #expect(try await client.ask("sync", "\"after\":1,\"epoch\":\"x\"").ok.string("resync") == "epoch_changed")
    }

    @Test("A page of sync is no larger than what may wait for one session")
    func syncBytes() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        try await node.appendSilently(user, count: 20, bytes: 60_000)
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        let page = try await client.ask("sync", "\"after\":0").ok
        #expect(page.bool("more") == true)
        #expect((2...5).contains(page.list("events").count))
    }

    @Test("inbox pages newest first, with totals and totals by category")
    func inbox() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        for i in 0..<5 { try await node.notify(user, "\"id\":\"n\(i)\",\"type\":\"post.liked\"") }
        try await node.notify(user, "\"id\":\"c0\",\"type\":\"x\",\"category\":\"like\"")
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        let first = try await client.ask("inbox", "\"limit\":4").ok
        #expect(first.list("items").map { $0.string("id") } == ["c0", "n4", "n3", "n2"])
        #expect(first.unreadNotifications == 6)
        #expect(first.at("by_category").number("post") == 5)
        #expect(first.at("by_category").number("like") == 1)
        let cursor = try #require(first.string("cursor"))
        let second = try await client.ask("inbox", "\"limit\":4,\"before\":\"\(cursor)\"").ok
        #expect(second.list("items").map { $0.string("id") } == ["n1", "n0"])
        #expect(second["cursor"]?.isNull == true)
        #expect(try await client.ask("inbox", "\"category\":\"like\"").ok.list("items").count == 1)
        #expect(try await client.ask("inbox", "\"limit\":201").errorCode == "bad_request")
    }

    @Test("An answer of inbox has no more than fits: the cursor leads on from its last item, and nothing is left out")
    func inboxBytes() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        try await node.appendSilently(user, count: 7, bytes: 60_000)
        try await node.appendSilently(user, count: 10, bytes: 10)
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        var (ids, sizes, before) = ([String](), [Int](), "")
        repeat {
            let page = try await client.ask("inbox", "\"limit\":200\(before)").ok
            #expect(page.unreadNotifications == 17)
            let items = page["items"]?.array ?? []
            #expect(items.reduce(0) { $0 + $1.bytes.count } <= Limits.answerBytesMax)
            sizes.append(items.count)
            ids += items.compactMap { $0.object?.string("id") }
            before = page.string("cursor").map { ",\"before\":\"\($0)\"" } ?? ""
        } while !before.isEmpty && sizes.count < 20
        // Ten small ones and two large ones, then two at a time.
        #expect(sizes == [12, 2, 2, 1])
        #expect(ids.count == 17 && Set(ids).count == 17)
    }

    @Test("inbox.read marks by ids, up to one, by category and all; unread shows what is left")
    func inboxRead() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        for i in 0..<6 { try await node.notify(user, "\"id\":\"n\(i)\",\"type\":\"\(i < 4 ? "post.a" : "like.a")\"") }
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        #expect(try await client.ask("inbox.read", "\"ids\":[\"n1\"]").ok.unreadNotifications == 5)
        #expect(try await client.ask("inbox.read", "\"up_to\":\"n2\"").ok.unreadNotifications == 3)
        #expect(
            try await client.ask("inbox", "\"unread\":true").ok.list("items").map { $0.string("id") } == [
                "n5", "n4", "n3",
            ])
        let byCategory = try await client.ask("inbox.read", "\"all\":true,\"category\":\"like\"").ok
        #expect(byCategory.unreadNotifications == 1)
        #expect(byCategory.at("by_category").number("post") == 1)
        #expect(try await client.ask("inbox.read", "\"all\":true").ok.unreadNotifications == 0)
        #expect(try await client.ask("inbox").ok.list("items").allSatisfy { $0.bool("read") == true })
        for members in ["", "\"all\":false", "\"ids\":[1]", "\"ids\":[\"n1\"],\"all\":true", "\"ids\":[\"\"]"] {
            #expect(try await client.ask("inbox.read", members).errorCode == "bad_request", "\(members)")
        }
    }

    @Test("What one device reads, all devices hear: the reader's own session too, after its reply")
    func readEverywhere() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        try await node.notify(user, "\"id\":\"n0\",\"type\":\"a.b\"")
        let (reader, _) = try await node.session(user)
        let (other, _) = try await node.session(user)
        defer {
            reader.drop()
            other.drop()
        }
        try await reader.send("{\"id\":5,\"op\":\"inbox.read\",\"ids\":[\"n0\"]}")
        #expect(try await reader.frame().ok.unreadNotifications == 0)
        for client in [reader, other] {
            let event = try await client.frame()
            #expect(event.string("ev") == "inbox.read")
            #expect(event.number("seq") == 2)
            #expect(event.unreadNotifications == 0)
            #expect(event["ids"]?.array?.first?.string == "n0")
        }
        // Nothing was unread: no event.
        #expect(try await reader.ask("inbox.read", "\"all\":true").ok.unreadNotifications == 0)
        #expect(try await other.ask("ping").ok.number("seq") == 2)
    }

    @Test("subscribe brings a topic's events and unsubscribe ends them; both may be repeated")
    func topics() async throws {
        let (node, topic) = (try await TestNode.shared, someUser("topic"))
        let (client, _) = try await node.session(someUser())
        let (other, _) = try await node.session(someUser())
        defer {
            client.drop()
            other.drop()
        }
        for _ in 0..<2 {
            #expect(try await client.ask("subscribe", "\"topic\":\"\(topic)\"").ok.string("topic") == topic)
        }
        try await node.backend("POST", "/v1/topics/\(topic)", "{\"data\":{\"n\":1}}")
        let event = try await client.frame()
        #expect(event.string("ev") == "topic")
        #expect(event.string("topic") == topic)
        #expect(event.at("data").number("n") == 1)
        for _ in 0..<2 {
            #expect(try await client.ask("unsubscribe", "\"topic\":\"\(topic)\"").ok.string("topic") == topic)
        }
        try await node.backend("POST", "/v1/topics/\(topic)", "{\"data\":{\"n\":2}}")
        #expect(try await client.isSilent(forMilliseconds: 300))
        #expect(try await other.isSilent(forMilliseconds: 1))
        for members in ["", "\"topic\":\"a b\"", "\"topic\":\"\"", "\"topic\":7", "\"topic\":\"a*\""] {
            #expect(try await client.ask("subscribe", members).errorCode == "bad_request")
        }
    }

    @Test("A session has at most 100 topics")
    func topicLimit() async throws {
        let (client, _) = try await TestNode.shared.session(someUser())
        defer { client.drop() }
        for i in 0..<100 { #expect(try await client.ask("subscribe", "\"topic\":\"t\(i)\"")["ok"] != nil) }
        #expect(try await client.ask("subscribe", "\"topic\":\"t100\"").errorCode == "too_large")
        #expect(try await client.ask("subscribe", "\"topic\":\"t5\"")["ok"] != nil)
    }

    @Test("An unknown op is answered unknown_op and costs nothing")
    func unknownOp() async throws {
        let (client, _) = try await TestNode.shared.session(someUser())
        defer { client.drop() }
        for id in 10..<30 { #expect(try await client.ask("fly", id: id).errorCode == "unknown_op") }
        #expect(try await client.ask("ping")["ok"] != nil)
    }

    @Test("The reply echoes the id as it was written; without an id a success is silent and an error has re null")
    func ids() async throws {
        let (client, _) = try await TestNode.shared.session(someUser())
        defer { client.drop() }
        for id in ["7", "-3", "\"a\"", "\"\"", "\"\\u00e4 \\\"\"", "\"\(String(repeating: "x", count: 64))\""] {
            try await client.send("{\"id\":\(id),\"op\":\"ping\"}")
            let reply = try await client.text()
            #expect(reply.hasPrefix("{\"re\":\(id),\"ok\":"), "\(reply)")
        }
        for id in ["1.5", "true", "{}", "\"\(String(repeating: "x", count: 65))\""] {
            try await client.send("{\"id\":\(id),\"op\":\"ping\"}")
            let reply = try await client.frame()
            #expect(reply["re"]?.isNull == true)
            #expect(reply.errorCode == "bad_request")
        }
        try await client.send("{\"op\":\"ping\"}")
        try await client.send("{\"op\":\"nonsense\"}")
        let reply = try await client.frame()
        #expect(reply["re"]?.isNull == true)
        #expect(reply.errorCode == "unknown_op")
    }

    @Test("Every request with an id gets exactly one reply, however many are sent at once")
    func oneReplyEach() async throws {
        let (node, user) = (try await TestNode.shared, someUser())
        try await node.appendSilently(user, count: 3)
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        let ops = ["\"ping\"", "\"sync\",\"after\":0", "\"inbox\"", "\"inbox.read\",\"all\":true", "\"x\"", "\"sync\""]
        for id in 0..<190 { try await client.send("{\"id\":\(id),\"op\":\(ops[id % ops.count])}") }
        var replies: [Int64: Int] = [:]
        while replies.count < 190 { if let id = try await client.frame().number("re") { replies[id, default: 0] += 1 } }
        try await client.send("{\"id\":500,\"op\":\"ping\"}")
        while true {
            guard let id = try await client.frame().number("re") else { continue }
            if id == 500 { break }
            replies[id, default: 0] += 1
        }
        #expect(replies.values.allSatisfy { $0 == 1 })
    }
}
