import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("Who is not to be seen")
struct HidingTests {
    @Test("An invisible user is offline for watchers and backends, and last seen stays what it was")
    func invisible() async throws {
        let node = try await TestNode.shared
        let (ann, ben) = (someUser("ann"), someUser("ben"))
        let (watcher, _) = try await node.session(ann)
        let (before, _) = try await node.session(ben)
        defer { watcher.drop() }
        _ = try await watcher.watch(ben)
        before.drop()
        let seen = try #require(try await watcher.presence(ben, "offline").number("last_seen"))
        let hidden = try await node.invisibleSession(ben)
        #expect(try await watcher.hearsNothing(forMilliseconds: 300))
        for state in [try await watcher.watch(ben).at(ben), try await node.presence(ben)] {
            #expect(state.string("state") == "offline" && state.number("last_seen") == seen)
        }
        // It gets everything all the same.
        try await node.notify(ben)
        #expect(try await hidden.durable(1).count == 1)
        hidden.drop()
        #expect(try await watcher.hearsNothing(forMilliseconds: 6000))
        #expect(try await node.presence(ben).number("last_seen") == seen)
    }

    @Test("A visible device beside an invisible one is seen, and its end is the end")
    func oneOfTwo() async throws {
        let node = try await TestNode.shared
        let (ann, ben) = (someUser("ann"), someUser("ben"))
        let (watcher, _) = try await node.session(ann)
        let hidden = try await node.invisibleSession(ben)
        defer { [watcher, hidden].forEach { $0.drop() } }
        #expect(try await watcher.watch(ben).at(ben).string("state") == "offline")
        let (seen, _) = try await node.session(ben)
        try await watcher.presence(ben, "online")
        seen.drop()
        #expect(try await watcher.presence(ben, "offline").number("last_seen") != nil)
    }

    @Test("`invisible` must be a boolean")
    func notABoolean() async throws {
        let client = try await (try await TestNode.shared).socket()
        defer { client.drop() }
        let token = try await TestNode.token(someUser())
        let reply = try await client.request(
            "{\"id\":1,\"op\":\"hello\",\"token\":\"\(token)\",\"invisible\":\"yes\"}", id: 1)
        #expect(reply.errorCode == "bad_request")
    }

    @Test("Whom the watched user blocks is told offline, without a time, and then nothing")
    func blocked() async throws {
        let node = try await TestNode.shared
        let (ann, ben) = (someUser("ann"), someUser("ben"))
        let (watcher, _) = try await node.session(ann)
        let (bystander, _) = try await node.session(someUser())
        let (there, _) = try await node.session(ben)
        defer { [watcher, bystander].forEach { $0.drop() } }
        _ = try await there.ask("block", "\"user\":\"\(ann)\"")
        _ = try await bystander.watch(ben)
        let state = try await watcher.watch(ben).at(ben)
        #expect(state.string("state") == "offline" && state["last_seen"] == nil)
        there.drop()
        try await bystander.presence(ben, "offline")
        let (again, _) = try await node.session(ben)
        defer { again.drop() }
        try await bystander.presence(ben, "online")
        #expect(try await watcher.hearsNothing(forMilliseconds: 300))
    }

    @Test("A block during the watch ends it for the blocked one, and taking it away begins it again")
    func blockedMeanwhile() async throws {
        let node = try await TestNode.shared
        let (ann, ben) = (someUser("ann"), someUser("ben"))
        let (watcher, _) = try await node.session(ann)
        let (there, _) = try await node.session(ben)
        defer { [watcher, there].forEach { $0.drop() } }
        #expect(try await watcher.watch(ben).at(ben).string("state") == "online")
        _ = try await there.ask("block", "\"user\":\"\(ann)\"")
        #expect(try await watcher.presence(ben, "offline")["last_seen"] == nil)
        _ = try await there.ask("unblock", "\"user\":\"\(ann)\"")
        #expect(try await watcher.presence(ben, "online").number("since") != nil)
    }

    @Test("Who blocks somebody may watch him all the same")
    func blocksHim() async throws {
        let node = try await TestNode.shared
        let (ann, ben) = (someUser("ann"), someUser("ben"))
        let (watcher, _) = try await node.session(ann)
        let (there, _) = try await node.session(ben)
        defer { [watcher, there].forEach { $0.drop() } }
        _ = try await watcher.ask("block", "\"user\":\"\(ben)\"")
        #expect(try await watcher.watch(ben).at(ben).string("state") == "online")
    }
}
