import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("Direct messages")
struct DirectMessageTests {
    @Test("A message is answered, and is on every device of both users, with the totals that it changed")
    func delivery() async throws {
        let pair = try await Talk.start(devices: 2)
        defer { pair.drop() }
        let reply = try await pair.alice[0].say("hello", to: pair.bobID, cid: "c-1")
        #expect(reply.ok.string("conv") == pair.conversation && reply.ok.number("n") == 1)
        for (index, device) in pair.alice.enumerated() {
            let event = try await device.event("message")
            #expect(event.number("n") == 1 && event.string("from") == pair.aliceID && event.string("cid") == "c-1")
            #expect(event.string("id") == reply.ok.string("id") && event.number("ts") == reply.ok.number("ts"))
            #expect(event["unread"] == nil, "device \(index): one's own message changes no total")
        }
        for device in pair.bob {
            let event = try await device.event("message")
            #expect(event.string("conv") == pair.conversation && event.at("body").string("text") == "hello")
            #expect(event["cid"] == nil, "the sender's cid is the sender's business")
            #expect(event.at("unread").number("messages") == 1)
        }
    }

    @Test("The same cid again is answered with the first result and stored once; with another body it is a conflict")
    func deduplication() async throws {
        let pair = try await Talk.start()
        defer { pair.drop() }
        let first = try await pair.alice[0].say("one", to: pair.bobID, cid: "same")
        let again = try await pair.alice[0].say("one", to: pair.bobID, cid: "same")
        #expect(again.ok.number("n") == first.ok.number("n") && again.ok.bool("dup") == true)
        #expect(again.ok.string("id") == first.ok.string("id"))
        let other = try await pair.alice[0].say("another", to: pair.bobID, cid: "same")
        #expect(other.errorCode == "conflict")
        _ = try await pair.alice[0].say("two", to: pair.bobID)
        #expect(try await pair.bob[0].durable(2).map { $0.at("body").string("text") } == ["one", "two"])
    }

    @Test("Pipelined sends keep their order, and two senders at once get one order")
    func order() async throws {
        let pair = try await Talk.start(devices: 2)
        defer { pair.drop() }
        async let fromAlice: Void = { for i in 0..<50 { try await pair.alice[0].post("a\(i)", to: pair.bobID) } }()
        async let fromBob: Void = { for i in 0..<50 { try await pair.bob[0].post("b\(i)", to: pair.aliceID) } }()
        _ = try await (fromAlice, fromBob)
        var orders: [[String]] = []
        for device in pair.alice + pair.bob {
            let events = try await device.durable(100).filter { $0.string("ev") == "message" }
            #expect(events.map { $0.number("n") } == (1...100).map { $0 })
            orders.append(events.compactMap { $0.at("body").string("text") })
        }
        #expect(Set(orders).count == 1, "every device has the same order")
        #expect(orders[0].filter { $0.hasPrefix("a") } == (0..<50).map { "a\($0)" })
        #expect(orders[0].filter { $0.hasPrefix("b") } == (0..<50).map { "b\($0)" })
        let history = try await pair.bob[0].ask("history", "\"conv\":\"\(pair.conversation)\",\"limit\":200")
        #expect(history.ok.list("messages").compactMap { $0.at("body").string("text") } == orders[0])
    }

    @Test("Who was away gets everything on resume, in order, and the right totals")
    func resume() async throws {
        let pair = try await Talk.start()
        defer { pair.drop() }
        let welcome = pair.bobWelcome
        pair.bob[0].drop()
        for i in 0..<5 { _ = try await pair.alice[0].say("m\(i)", to: pair.bobID) }
        let (back, again) = try await pair.node.session(pair.bobID, resume: welcome.position)
        defer { back.drop() }
        #expect(again.bool("resumed") == true && again.at("unread").number("messages") == 5)
        #expect(try await back.durable(5).map { $0.at("body").string("text") } == (0..<5).map { "m\($0)" })
    }

    @Test("Reading moves the cursor forward only; the own devices get the counts, the other one a receipt without them")
    func reading() async throws {
        let pair = try await Talk.start(devices: 2)
        defer { pair.drop() }
        for i in 0..<4 { _ = try await pair.alice[0].say("m\(i)", to: pair.bobID) }
        _ = try await pair.bob[1].durable(4)
        let reply = try await pair.bob[0].ask("read", "\"conv\":\"\(pair.conversation)\",\"n\":3")
        #expect(reply.ok.number("n") == 3 && reply.ok.number("conv_unread") == 1)
        #expect(reply.ok.at("unread").number("messages") == 1)
        let own = try await pair.bob[1].event("read")
        #expect(own.number("conv_unread") == 1 && own.at("unread").number("messages") == 1)
        let receipt = try await pair.alice[1].event("read")
        #expect(receipt.string("user") == pair.bobID && receipt.number("n") == 3)
        #expect(receipt["conv_unread"] == nil && receipt["unread"] == nil)

        let back = try await pair.bob[0].ask("read", "\"conv\":\"\(pair.conversation)\",\"n\":1")
        #expect(back.ok.number("n") == 3 && back.ok.number("conv_unread") == 1, "forward only")
        let forced = try await pair.bob[0].ask("read", "\"conv\":\"\(pair.conversation)\",\"n\":1,\"force\":true")
        #expect(forced.ok.number("n") == 1 && forced.ok.number("conv_unread") == 3)
        #expect(try await pair.bob[1].event("read").number("conv_unread") == 3)
        let beyond = try await pair.bob[0].ask("read", "\"conv\":\"\(pair.conversation)\",\"n\":99")
        #expect(beyond.ok.number("n") == 4 && beyond.ok.number("conv_unread") == 0, "it counts as the newest")
    }

    @Test("One's own messages never count as unread, wherever the cursor stands")
    func ownMessages() async throws {
        let pair = try await Talk.start()
        defer { pair.drop() }
        _ = try await pair.alice[0].say("1", to: pair.bobID)
        _ = try await pair.bob[0].say("2", to: pair.aliceID)
        _ = try await pair.alice[0].say("3", to: pair.bobID)
        _ = try await pair.bob[0].say("4", to: pair.aliceID)
        let forced = try await pair.bob[0].ask("read", "\"conv\":\"\(pair.conversation)\",\"n\":0,\"force\":true")
        #expect(forced.ok.number("conv_unread") == 2)
        let half = try await pair.bob[0].ask("read", "\"conv\":\"\(pair.conversation)\",\"n\":2")
        #expect(half.ok.number("conv_unread") == 1)
        let list = try await pair.bob[0].ask("conversations")
        #expect(list.ok.list("conversations").first?.number("unread") == 1)
        #expect(list.ok.list("conversations").first?.number("read_n") == 2)
    }

    @Test("An edit changes the message everywhere; others may not")
    func editing() async throws {
        let pair = try await Talk.start()
        defer { pair.drop() }
        _ = try await pair.alice[0].say("frist", to: pair.bobID)
        let edit = "\"conv\":\"\(pair.conversation)\",\"n\":1,\"body\":{\"text\":\"first\"}"
        #expect(try await pair.bob[0].ask("edit", edit).errorCode == "forbidden")
        #expect(try await pair.alice[0].ask("edit", edit)["ok"] != nil)
        let event = try await pair.bob[0].event("message.edited")
        #expect(event.number("n") == 1 && event.at("body").string("text") == "first")
        let message = try #require(try await pair.bob[0].history(pair.conversation).first)
        #expect(message.at("body").string("text") == "first" && message.number("edited") != nil)
    }

    @Test("A recall takes the body out of history, preview and what a resume replays")
    func recalling() async throws {
        let pair = try await Talk.start()
        defer { pair.drop() }
        _ = try await pair.alice[0].say("secret-word", to: pair.bobID)
        let edit = "\"conv\":\"\(pair.conversation)\",\"n\":1,\"body\":{\"text\":\"secret-word again\"}"
        _ = try await pair.alice[0].ask("edit", edit)
        #expect(
            try await pair.bob[0].ask("recall", "\"conv\":\"\(pair.conversation)\",\"n\":1").errorCode == "forbidden")
        #expect(try await pair.alice[0].ask("recall", "\"conv\":\"\(pair.conversation)\",\"n\":1")["ok"] != nil)
        #expect(try await pair.bob[0].event("message.recalled").number("n") == 1)
        for client in [pair.alice[0], pair.bob[0]] {
            let texts = [
                try await client.ask("history", "\"conv\":\"\(pair.conversation)\""),
                try await client.ask("conversations"), try await client.ask("sync", "\"after\":0"),
            ].map(\.rendered)
            for text in texts { #expect(!text.contains("secret-word"), "\(text)") }
        }
        let (fresh, _) = try await pair.node.session(pair.bobID, resume: pair.bobWelcome.position)
        defer { fresh.drop() }
        for event in try await fresh.durable(3) { #expect(!event.rendered.contains("secret-word")) }
        #expect(try await pair.alice[0].ask("edit", edit).errorCode == "not_found")
    }

    @Test("Reactions come and go, and history shows who reacted with what")
    func reactions() async throws {
        let pair = try await Talk.start()
        defer { pair.drop() }
        _ = try await pair.alice[0].say("nice", to: pair.bobID)
        let react = { (on: Bool) in "\"conv\":\"\(pair.conversation)\",\"n\":1,\"key\":\"👍\",\"on\":\(on)" }
        #expect(try await pair.bob[0].ask("react", react(true))["ok"] != nil)
        let event = try await pair.alice[0].event("reaction")
        #expect(event.string("key") == "👍" && event.bool("on") == true && event.string("user") == pair.bobID)
        let shown = try #require(try await pair.alice[0].history(pair.conversation).first)
        #expect(shown.at("reactions")["👍"]?.array?.compactMap(\.string) == [pair.bobID])
        #expect(try await pair.bob[0].ask("react", react(false))["ok"] != nil)
        #expect(try await pair.alice[0].event("reaction").bool("on") == false)
        #expect(try await pair.alice[0].history(pair.conversation).first?["reactions"] == nil)
    }

    @Test("Typing and delivered reach the other one's devices now, and are not kept")
    func live() async throws {
        let pair = try await Talk.start(devices: 2)
        defer { pair.drop() }
        _ = try await pair.alice[0].say("hi", to: pair.bobID)
        #expect(try await pair.bob[0].ask("typing", "\"conv\":\"\(pair.conversation)\",\"on\":true")["ok"] != nil)
        let typing = try await pair.alice[1].event("typing")
        #expect(typing.string("user") == pair.bobID && typing.bool("on") == true && typing["seq"] == nil)
        #expect(try await pair.bob[0].ask("delivered", "\"conv\":\"\(pair.conversation)\",\"n\":9")["ok"] != nil)
        #expect(try await pair.alice[1].event("delivered").number("n") == 1, "none is beyond the newest")
        let other = try await pair.alice[0].ask("conversations").ok.list("conversations").first?.list("others").first
        #expect(other?.number("delivered_n") == 1 && other?.number("read_n") == 0)
    }

    @Test("A blocked user's message is refused and leaves no trace; after unblock it passes")
    func blocking() async throws {
        let pair = try await Talk.start()
        defer { pair.drop() }
        _ = try await pair.alice[0].say("before", to: pair.bobID)
        #expect(try await pair.bob[0].ask("block", "\"user\":\"\(pair.aliceID)\"")["ok"] != nil)
        #expect(
            try await pair.bob[0].ask("blocks").ok["users"]?.array?.compactMap(\.string) == [pair.aliceID])
        #expect(try await pair.alice[0].say("blocked", to: pair.bobID).errorCode == "forbidden")
        #expect(try await pair.alice[0].history(pair.conversation).count == 1)
        #expect(try await pair.bob[0].ask("conversations").rendered.contains("blocked\"}") == false)
        #expect(try await pair.alice[0].ask("typing", "\"conv\":\"\(pair.conversation)\"")["ok"] != nil)
        #expect(try await pair.bob[0].ask("unblock", "\"user\":\"\(pair.aliceID)\"")["ok"] != nil)
        #expect(try await pair.alice[0].say("after", to: pair.bobID).ok.number("n") == 2)
        var seen: [String] = []
        while seen.last != "message:2" {
            let frame = try await pair.bob[0].frame()
            #expect(frame.string("ev") != "typing")
            seen.append("\(frame.string("ev") ?? ""):\(frame.number("n") ?? 0)")
        }
    }

    @Test("A muted conversation does not count in the totals; its own count goes on")
    func muting() async throws {
        let pair = try await Talk.start(devices: 2)
        defer { pair.drop() }
        _ = try await pair.alice[0].say("1", to: pair.bobID)
        _ = try await pair.bob[0].event("message")
        #expect(try await pair.bob[0].ask("mute", "\"conv\":\"\(pair.conversation)\",\"on\":true")["ok"] != nil)
        #expect(try await pair.bob[1].event("mute").at("unread").number("messages") == 0)
        _ = try await pair.alice[0].say("2", to: pair.bobID)
        let list = try await pair.bob[0].ask("conversations").ok.list("conversations")
        #expect(list.first?.number("unread") == 2 && list.first?.bool("muted") == true)
        let (other, welcome) = try await pair.node.session(pair.bobID)
        defer { other.drop() }
        #expect(welcome.at("unread").number("messages") == 0)
        #expect(try await pair.bob[0].ask("mute", "\"conv\":\"\(pair.conversation)\",\"on\":false")["ok"] != nil)
        #expect(try await other.event("mute").at("unread").number("messages") == 2)
    }
}

extension DirectMessageTests {
    @Test(
        "A stranger gets nothing from any operation",
        arguments: [
            "history|", "read|\"n\":1", "delivered|\"n\":1", "typing|\"on\":true", "edit|\"n\":1,\"body\":{}",
            "recall|\"n\":1", "react|\"n\":1,\"key\":\"x\",\"on\":true", "mute|\"on\":true",
            "send|\"cid\":\"c\",\"body\":{}",
        ])
    func strangers(_ operation: String) async throws {
        let pair = try await Talk.start()
        let (stranger, _) = try await pair.node.session(someUser("stranger"))
        defer {
            pair.drop()
            stranger.drop()
        }
        _ = try await pair.alice[0].say("private", to: pair.bobID)
        let parts = operation.split(separator: "|", omittingEmptySubsequences: false)
        let members = "\"conv\":\"\(pair.conversation)\"" + (parts[1].isEmpty ? "" : "," + parts[1])
        let reply = try await stranger.ask(String(parts[0]), members)
        #expect(reply.errorCode == "not_found")
        #expect(!reply.rendered.contains("private"))
        #expect(try await stranger.ask("conversations").ok.list("conversations").isEmpty)
    }

    @Test(
        "Bad requests are told what is wrong",
        arguments: [
            ("send", "\"to\":\"bob\",\"body\":{}", "bad_request", "cid"),
            ("send", "\"to\":\"bob\",\"cid\":\"a b\",\"body\":{}", "bad_request", "cid"),
            ("send", "\"to\":\"bob\",\"cid\":\"c\"", "bad_request", "body"),
            ("send", "\"to\":\"bob\",\"cid\":\"c\",\"body\":[]", "bad_request", "body"),
            ("send", "\"cid\":\"c\",\"body\":{}", "bad_request", "to"),
            ("send", "\"to\":\"b\",\"conv\":\"g:x\",\"cid\":\"c\",\"body\":{}", "bad_request", "to"),
            ("send", "\"to\":\"b b\",\"cid\":\"c\",\"body\":{}", "bad_request", "to"),
            ("history", "\"conv\":\"d:b:a\"", "bad_request", "conv"),
            ("history", "\"conv\":\"g:x\",\"limit\":201", "bad_request", "limit"),
            ("history", "\"conv\":\"g:x\",\"before\":1,\"after\":1", "bad_request", "before"),
            ("read", "\"conv\":\"g:x\",\"n\":-1", "bad_request", "n"),
            ("react", "\"conv\":\"g:x\",\"n\":1,\"key\":\"\",\"on\":true", "bad_request", "key"),
            ("block", "", "bad_request", "user"),
            ("group.add", "\"conv\":\"g:x\"", "bad_request", "members"),
            ("group.update", "\"conv\":\"d:a:b\",\"title\":\"t\"", "bad_request", "conv"),
        ])
    func badRequests(_ operation: String, _ members: String, _ code: String, _ field: String) async throws {
        let node = try await TestNode.shared
        let (client, _) = try await node.session(someUser())
        defer { client.drop() }
        let reply = try await client.ask(operation, members)
        #expect(reply.errorCode == code)
        #expect(reply.at("error").string("message")?.contains(field) == true, "\(reply.rendered)")
    }

    @Test("Nobody writes to oneself, and a body has its limit")
    func limits() async throws {
        let node = try await TestNode.shared
        let user = someUser()
        let (client, _) = try await node.session(user)
        defer { client.drop() }
        #expect(try await client.say("x", to: user).errorCode == "bad_request")
        let large = String(repeating: "x", count: Limits.bodyBytesMax)
        #expect(try await client.say(large, to: someUser()).errorCode == "too_large")
        let fits = String(repeating: "x", count: Limits.bodyBytesMax - 11)
        #expect(try await client.say(fits, to: someUser()).ok.number("n") == 1)
    }
}
