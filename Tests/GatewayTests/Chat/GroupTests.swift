import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("Groups")
struct GroupTests {
    /// Members of a group with a device each, the owner first.
    private struct Circle {
        var conversation: String
        var ids: [String]
        var clients: [ScriptedClient]
        func drop() { for client in clients { client.drop() } }
    }

    private func circle(_ count: Int, on given: TestNode? = nil) async throws -> Circle {
        let node = if let given { given } else { try await TestNode.shared }
        var (ids, clients): ([String], [ScriptedClient]) = ([], [])
        for _ in 0..<count {
            ids.append(someUser("member"))
            clients.append(try await node.session(ids[ids.count - 1]).client)
        }
        let members = ids.dropFirst().map { "\"\($0)\"" }.joined(separator: ",")
        let made = try await clients[0].ask("group.create", "\"title\":\"Lunch\",\"members\":[\(members)]")
        let conversation = try #require(made.ok.string("conv"), "\(made.rendered)")
        return Circle(conversation: conversation, ids: ids, clients: clients)
    }

    private func say(_ client: ScriptedClient, _ text: String, in conversation: String) async throws -> JSONObject {
        let cid = RandomToken.make(length: 12)
        return try await client.ask(
            "send", "\"conv\":\"\(conversation)\",\"cid\":\"\(cid)\",\"body\":{\"text\":\"\(text)\"}")
    }

    @Test("Everybody hears of the new group and of what is said in it, with counts and receipts")
    func everyday() async throws {
        let circle = try await circle(3)
        defer { circle.drop() }
        for client in circle.clients.dropFirst() {
            let event = try await client.event("group")
            #expect(event.string("change") == "created" && event.string("title") == "Lunch")
            #expect(event.string("by") == circle.ids[0] && event.string("conv") == circle.conversation)
        }
        #expect(try await say(circle.clients[0], "noon?", in: circle.conversation).ok.number("n") == 1)
        for client in circle.clients.dropFirst() {
            let event = try await client.event("message")
            #expect(event.at("body").string("text") == "noon?" && event.at("unread").number("messages") == 1)
        }
        _ = try await circle.clients[1].ask("read", "\"conv\":\"\(circle.conversation)\",\"n\":1")
        #expect(try await circle.clients[2].event("read").string("user") == circle.ids[1])
        let listed = try #require(
            try await circle.clients[2].ask("conversations").ok.list("conversations").first)
        #expect(listed.string("kind") == "group" && listed.string("title") == "Lunch")
        #expect(listed["members"]?.array?.compactMap(\.string) == circle.ids)
        #expect(listed.string("owner") == circle.ids[0] && listed.number("unread") == 1)
        #expect(listed.at("last").at("body").string("text") == "noon?")
    }

    @Test("The same cid makes the same group")
    func repeated() async throws {
        let node = try await TestNode.shared
        let (client, _) = try await node.session(someUser())
        defer { client.drop() }
        let request = "\"title\":\"once\",\"members\":[\"\(someUser())\"],\"cid\":\"make-1\""
        let first = try await client.ask("group.create", request)
        let again = try await client.ask("group.create", request)
        #expect(first.ok.string("conv") != nil && again.ok.string("conv") == first.ok.string("conv"))
        #expect(try await client.ask("conversations").ok.list("conversations").count == 1)
    }

    @Test("Who is added sees what is said from then on; who is removed or left gets nothing any more")
    func membership() async throws {
        let node = try await TestNode.shared
        let circle = try await circle(2)
        let newcomerID = someUser("newcomer")
        let (newcomer, _) = try await node.session(newcomerID)
        defer {
            circle.drop()
            newcomer.drop()
        }
        _ = try await say(circle.clients[0], "old-secret", in: circle.conversation)
        #expect(try await say(newcomer, "let me in", in: circle.conversation).errorCode == "not_found")
        let added = try await circle.clients[1].ask(
            "group.add", "\"conv\":\"\(circle.conversation)\",\"members\":[\"\(newcomerID)\"]")
        #expect(added.ok["members"]?.array?.compactMap(\.string) == circle.ids + [newcomerID])
        #expect(try await newcomer.event("group").string("change") == "added")
        _ = try await say(circle.clients[0], "welcome", in: circle.conversation)
        #expect(try await newcomer.event("message").at("body").string("text") == "welcome")
        #expect(
            try await newcomer.history(circle.conversation).compactMap { $0.at("body").string("text") } == ["welcome"])

        let members = "\"conv\":\"\(circle.conversation)\",\"members\":[\"\(newcomerID)\"]"
        #expect(try await circle.clients[1].ask("group.remove", members).errorCode == "forbidden")
        #expect(try await circle.clients[0].ask("group.remove", members)["ok"] != nil)
        let gone = try await newcomer.event("group")
        #expect(gone.string("change") == "removed" && gone["users"]?.array?.compactMap(\.string) == [newcomerID])
        _ = try await say(circle.clients[0], "behind your back", in: circle.conversation)
        _ = try await circle.clients[1].event("message")
        #expect(try await newcomer.ask("history", "\"conv\":\"\(circle.conversation)\"").errorCode == "not_found")
        #expect(try await newcomer.ask("conversations").ok.list("conversations").isEmpty)
        #expect(try await newcomer.ask("sync", "\"after\":0").rendered.contains("behind") == false)
    }

    @Test("When the owner leaves, the longest-standing member owns the group")
    func succession() async throws {
        let circle = try await circle(3)
        defer { circle.drop() }
        #expect(try await circle.clients[0].ask("group.leave", "\"conv\":\"\(circle.conversation)\"")["ok"] != nil)
        #expect(try await circle.clients[1].event("group").string("change") == "created")
        let left = try await circle.clients[1].event("group")
        #expect(left.string("change") == "left" && left.string("by") == circle.ids[0])
        let title = try await circle.clients[1].ask(
            "group.update", "\"conv\":\"\(circle.conversation)\",\"title\":\"Ours\"")
        #expect(title.ok.string("title") == "Ours" && title.ok.string("owner") == circle.ids[1])
        #expect(try await say(circle.clients[0], "hm", in: circle.conversation).errorCode == "not_found")
    }

    @Test("In a group without receipts a read is the reader's alone, forward and, forced, back")
    func manyMembers() async throws {
        let node = try await TestNode.shared
        let userID = someUser("reader")
        let (reader, _) = try await node.session(userID)
        let (owner, _) = try await node.session(someUser("owner"))
        defer { [reader, owner].forEach { $0.drop() } }
        let others = (0..<Limits.receiptMembersMax).map { _ in "\"\(someUser())\"" }.joined(separator: ",")
        let made = try await owner.ask("group.create", "\"members\":[\"\(userID)\",\(others)]")
        let conversation = try #require(made.ok.string("conv"))
        for text in ["1", "2", "3"] { _ = try await say(owner, text, in: conversation) }
        for _ in 0..<3 { _ = try await reader.event("message") }
        let read = try await reader.ask("read", "\"conv\":\"\(conversation)\",\"n\":3")
        #expect(read.ok.number("conv_unread") == 0)
        let back = try await reader.ask("read", "\"conv\":\"\(conversation)\",\"n\":1")
        #expect(back.ok.number("n") == 3, "forward only")
        let forced = try await reader.ask("read", "\"conv\":\"\(conversation)\",\"n\":1,\"force\":true")
        #expect(forced.ok.number("n") == 1 && forced.ok.number("conv_unread") == 2)
        let listed = try await reader.ask("conversations").ok.list("conversations").first
        #expect(listed?.number("unread") == 2 && listed?.number("read_n") == 1)
    }

    /// Each frame of one client made the store look up every member, whether anybody of that name was there or not.
    @Test("In a group of many, typing and delivered reach the members without a look-up for each of them")
    func manyAreTold() async throws {
        try await TestNode.run { node in
            let userID = someUser("member")
            let (member, _) = try await node.session(userID)
            let (owner, _) = try await node.session(someUser("owner"))
            defer { [member, owner].forEach { $0.drop() } }
            let others = (0..<Limits.receiptMembersMax).map { _ in "\"\(someUser())\"" }.joined(separator: ",")
            let made = try await owner.ask("group.create", "\"members\":[\"\(userID)\",\(others)]")
            let conversation = try #require(made.ok.string("conv"))
            _ = try await say(member, "hi", in: conversation)
            _ = try await owner.event("message")
            let lookups = node.fault.calls(.lookup)
            #expect(try await owner.ask("typing", "\"conv\":\"\(conversation)\"")["ok"] != nil)
            #expect(try await member.event("typing").bool("on") == true)
            #expect(try await owner.ask("delivered", "\"conv\":\"\(conversation)\",\"n\":1")["ok"] != nil)
            #expect(try await member.event("delivered").number("n") == 1)
            #expect(node.fault.calls(.lookup) == lookups)
        }
    }

    @Test("In a group above the limit messages come live and stand in the log, not in timelines")
    func large() async throws {
        var limits = StoreLimits.standard
        limits.groupFanOut = 3
        let world = try TestWorld(limits: limits)
        try await TestNode.run("gw-large", in: world) { node in
            let circle = try await circle(4, on: node)
            defer { circle.drop() }
            for client in circle.clients.dropFirst() { _ = try await client.event("group") }
            let seq = try await circle.clients[3].ask("ping").ok.number("seq")
            #expect(try await say(circle.clients[0], "hear, hear", in: circle.conversation).ok.number("n") == 1)
            for client in circle.clients.dropFirst() {
                let event = try await client.event("message")
                #expect(event["seq"] == nil && event.at("body").string("text") == "hear, hear")
            }
            #expect(try await circle.clients[3].ask("ping").ok.number("seq") == seq)
            #expect(try await circle.clients[3].history(circle.conversation).count == 1)
            let listed = try await circle.clients[3].ask("conversations").ok.list("conversations").first
            #expect(listed?.number("unread") == 1)
            let read = try await circle.clients[3].ask("read", "\"conv\":\"\(circle.conversation)\",\"n\":1")
            #expect(read.ok.number("conv_unread") == 0)
            let after = try await circle.clients[3].ask("conversations").ok.list("conversations").first
            #expect(after?.number("unread") == 0)
        }
    }
}
