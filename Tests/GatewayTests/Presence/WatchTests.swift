import ApusTesting
import Core
import Foundation
import Testing
import Wire

@testable import Gateway

@Suite("Watching who is online")
struct WatchTests {
    @Test("The reply tells the states; then comes online at once, and offline after the grace, with when it was")
    func watch() async throws {
        let node = try await TestNode.shared
        let (ann, ben, cleo) = (someUser("ann"), someUser("ben"), someUser("cleo"))
        let (watcher, _) = try await node.session(ann)
        let (there, _) = try await node.session(ben)
        defer { [watcher, there].forEach { $0.drop() } }
        let states = try await watcher.watch(ben, cleo)
        #expect(states.at(ben).string("state") == "online" && (states.at(ben).number("since") ?? 0) > 0)
        #expect(states.at(ben)["sessions"] == nil, "how many sessions there are is their own business")
        #expect(states.at(cleo).string("state") == "offline" && states.at(cleo)["last_seen"] == nil)
        let (comes, _) = try await node.session(cleo)
        #expect(try await watcher.presence(cleo, "online").number("since") != nil)
        let before = SystemTime().wallMilliseconds()
        let clock = ContinuousClock.now
        comes.drop()
        let gone = try await watcher.presence(cleo, "offline", within: 10)
        let took = ContinuousClock.now - clock
        #expect(took > .seconds(4.5), "the grace")
        #expect(took < .seconds(9), "G8: 7 s, and some for a busy machine")
        let lastSeen = try #require(gone.number("last_seen"))
        #expect(abs(lastSeen - before) < 3000)
        let seen = try await watcher.watch(cleo).at(cleo)
        #expect(seen.string("state") == "offline" && seen.number("last_seen") == lastSeen)
    }

    @Test("A reconnect within the grace is not told, and a user is online as long as any device is")
    func devices() async throws {
        let node = try await TestNode.shared
        let (ann, ben) = (someUser("ann"), someUser("ben"))
        let (watcher, _) = try await node.session(ann)
        let (first, _) = try await node.session(ben)
        defer { watcher.drop() }
        #expect(try await watcher.watch(ben).at(ben).string("state") == "online")
        first.drop()
        try await eventually("the directory is told") { try await node.presence(ben).string("state") == "offline" }
        let (again, _) = try await node.session(ben)
        let (another, _) = try await node.session(ben)
        again.drop()
        #expect(try await watcher.hearsNothing(forMilliseconds: 7000))
        another.drop()
        try await watcher.presence(ben, "offline", within: 10)
    }

    @Test("unwatch ends it, for this session alone")
    func unwatch() async throws {
        let node = try await TestNode.shared
        let (ann, ben) = (someUser("ann"), someUser("ben"))
        let (watcher, _) = try await node.session(ann)
        let (other, _) = try await node.session(ann)
        defer { [watcher, other].forEach { $0.drop() } }
        for client in [watcher, other] { _ = try await client.watch(ben) }
        let reply = try await watcher.ask("presence.unwatch", "\"users\":[\"\(ben)\",\"\(ann)\"]")
        #expect(reply.ok["states"]?.object?.members.isEmpty == true)
        let (there, _) = try await node.session(ben)
        defer { there.drop() }
        try await other.presence(ben, "online")
        #expect(try await watcher.hearsNothing(forMilliseconds: 300))
    }

    @Test("200 users in one request, 1,000 in one session; more is an error, and nothing of it is watched")
    func limits() async throws {
        let node = try await TestNode.shared
        let (watcher, _) = try await node.session(someUser())
        defer { watcher.drop() }
        func users(_ range: Range<Int>) -> String {
            "\"users\":[\(range.map { "\"many-\($0)\"" }.joined(separator: ","))]"
        }
        #expect(try await watcher.ask("presence.watch", users(0..<201)).errorCode == "bad_request")
        for page in 0..<5 {
            let reply = try await watcher.ask("presence.watch", users(page * 200..<(page + 1) * 200))
            #expect(reply.ok.at("states").members.count == 200)
        }
        #expect(try await watcher.ask("presence.watch", users(1000..<1001)).errorCode == "too_large")
        #expect(try await watcher.ask("presence.watch", users(0..<200)).ok["states"] != nil, "watched already")
        _ = try await watcher.ask("presence.unwatch", users(0..<1))
        #expect(try await watcher.ask("presence.watch", users(1000..<1001)).ok["states"] != nil)
        let (there, _) = try await node.session("many-0")
        defer { there.drop() }
        #expect(try await watcher.hearsNothing(forMilliseconds: 300))
        for bad in ["", "\"users\":7", "\"users\":[1]", "\"users\":[\"a b\"]"] {
            #expect(try await watcher.ask("presence.watch", bad).errorCode == "bad_request")
        }
        #expect(try await watcher.ask("presence.watch", "\"users\":[]").ok.at("states").members.isEmpty)
    }

    @Test("What is watched ends with the session, and nothing of it is kept")
    func sessionEnds() async throws {
        try await TestNode.run { node in
            let (ann, ben) = (someUser("ann"), someUser("ben"))
            let (watcher, _) = try await node.session(ann)
            _ = try await watcher.watch(ben)
            watcher.drop()
            try await eventually("the session is gone") { try await node.presence(ann).string("state") == "offline" }
            let calls = node.fault.calls(.lookup)
            let (there, _) = try await node.session(ben)
            there.drop()
            // Long enough for the grace and the question behind it, which must not be asked.
            try await Task.sleep(for: .seconds(6))
            #expect(node.fault.calls(.lookup) == calls)
        }
    }

    @Test("While the store is away a watch is refused and nothing is said; when it is back, what happened is told")
    func storeAway() async throws {
        try await TestNode.run { node in
            let (ann, ben, cleo) = (someUser("ann"), someUser("ben"), someUser("cleo"))
            let (watcher, _) = try await node.session(ann)
            let (there, _) = try await node.session(ben)
            defer { watcher.drop() }
            _ = try await watcher.watch(ben)
            node.fault.mode = .unavailable
            #expect(try await watcher.ask("presence.watch", "\"users\":[\"\(cleo)\"]").errorCode == "unavailable")
            there.drop()
            #expect(try await watcher.hearsNothing(forMilliseconds: 6000))
            node.fault.mode = .up
            try await watcher.presence(ben, "offline", within: 15)
            let (comes, _) = try await node.session(cleo)
            defer { comes.drop() }
            #expect(try await watcher.hearsNothing(forMilliseconds: 300), "an error means that nobody is watched")
        }
    }
}
