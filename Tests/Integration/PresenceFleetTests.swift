import ApusTesting
import Foundation
import Testing
import Wire

@Suite("Presence over nodes, Redis and NATS", .serialized)
struct PresenceFleetTests {
    @Test("a user of the other node is seen to come and to go; a hidden one and whom he blocks see and show nothing")
    func comesAndGoes() async throws {
        try await Fleet.with { fleet in
            let ann = try await fleet.device("ann", on: fleet.nodes[0])
            #expect(try await ann.watch("ben", "cleo")["ben"] == "offline")
            let ben = try await fleet.device("ben", on: fleet.nodes[1])
            try await eventually("ben is online") { ann.presence("ben") == ["online"] }
            _ = try await ben.request(#""op":"block","user":"ann""#)
            try await eventually("ben hides from ann") { ann.presence("ben") == ["online", "offline"] }
            _ = try await ben.request(#""op":"unblock","user":"ann""#)
            try await eventually("and shows himself again", within: 15) { ann.presence("ben").last == "online" }
            ben.client.drop()
            try await eventually("ben is offline", within: 10) { ann.presence("ben").count == 4 }
            #expect(ann.presence("ben").last == "offline")
            let hidden = try await ScriptedClient.connect(port: fleet.nodes[1].port)
            defer { hidden.drop() }
            let hello = #"{"id":1,"op":"hello","token":"\#(try fleet.token("cleo"))","invisible":true}"#
            #expect(try await hidden.request(hello, id: 1)["ev"]?.string == "welcome")
            let answer = try await fleet.request("presence", #"{"users":["ben","cleo"]}"#)
            for user in ["ben", "cleo"] { #expect(answer.state(user) == "offline") }
            let dan = try await fleet.device("dan", on: fleet.nodes[0])
            #expect(try await dan.watch("cleo")["cleo"] == "offline")
            #expect(ann.presence("cleo").isEmpty)
        }
    }

    @Test("kill -9 of a node: who was there is offline within 15 s, and who has moved is not for a moment (G8)")
    func killed() async throws {
        try await Fleet.with { fleet in
            let ann = try await fleet.device("ann", on: fleet.nodes[0])
            let ben = try await fleet.device("ben", on: fleet.nodes[1])
            let cleo = try await fleet.device("cleo", on: fleet.nodes[1])
            let before = try await ann.watch("ben", "cleo")
            #expect(before == ["ben": "online", "cleo": "online"])
            let killedAt = Date()
            fleet.nodes[1].server.killNow()
            try await eventually("the sockets are gone") { ben.isClosed && cleo.isClosed }
            let moved = try await fleet.device("cleo", on: fleet.nodes[0])
            try await eventually("ben is offline", within: 15 - Date().timeIntervalSince(killedAt)) {
                ann.presence("ben") == ["offline"]
            }
            // Not the time of the finding: somebody who looks later is told the same.
            let event = ann.events.last { $0["user"]?.string == "ben" }
            let lastSeen = try #require(event?["last_seen"]?.integer)
            #expect(abs(Double(lastSeen) / 1000 - killedAt.timeIntervalSince1970) < 5)
            try await Task.sleep(for: .seconds(6))
            #expect(ann.presence("cleo").isEmpty, "a false offline")
            let answer = try await fleet.request("presence", #"{"users":["ben","cleo"]}"#)
            #expect(answer.state("ben") == "offline" && answer.state("cleo") == "online")
            #expect(answer["states"]?.object?["ben"]?.object?["last_seen"]?.integer == lastSeen)
            moved.client.drop()
            try await eventually("cleo is offline", within: 10) { ann.presence("cleo") == ["offline"] }
        }
    }

    @Test("a frozen node: offline within 15 s; when it goes on, its sessions are online again (G8)")
    func frozen() async throws {
        try await Fleet.with { fleet in
            let ann = try await fleet.device("ann", on: fleet.nodes[0])
            let ben = try await fleet.device("ben", on: fleet.nodes[1])
            let cleo = try await fleet.device("cleo", on: fleet.nodes[1])
            _ = try await ann.watch("ben", "cleo")
            fleet.nodes[1].server.signal(SIGSTOP)
            let stoppedAt = Date()
            cleo.client.drop()
            let moved = try await fleet.device("cleo", on: fleet.nodes[0])
            try await eventually("ben is offline", within: 15 - Date().timeIntervalSince(stoppedAt)) {
                ann.presence("ben") == ["offline"]
            }
            fleet.nodes[1].server.signal(SIGCONT)
            try await eventually("ben is online again", within: 15) { ann.presence("ben") == ["offline", "online"] }
            #expect(!ben.isClosed, "his socket has never been closed")
            try await Task.sleep(for: .seconds(7))
            #expect(ann.presence("cleo").isEmpty, "a false offline")
            #expect(ann.presence("ben") == ["offline", "online"])
            // What the frozen node held of cleo is gone, and not registered anew for ever.
            moved.client.drop()
            try await eventually("cleo is offline", within: 10) { ann.presence("cleo") == ["offline"] }
        }
    }

    @Test("idle sessions cost the store nothing: the same commands per second without any and with 300")
    func cost() async throws {
        try await Fleet.with { fleet in
            func commands() async throws -> Int {
                let info = try await fleet.redis.command("INFO", "stats")
                let line = info.split(whereSeparator: \.isNewline).first { $0.hasPrefix("total_commands_processed:") }
                return try #require(line?.split(separator: ":").last.flatMap { Int($0.filter(\.isNumber)) })
            }
            func perSecond() async throws -> Double {
                let (before, at) = (try await commands(), Date())
                try await Task.sleep(for: .seconds(9))
                return Double(try await commands() - before) / Date().timeIntervalSince(at)
            }
            let without = try await perSecond()
            var sessions: [ScriptedClient] = []
            defer { sessions.forEach { $0.drop() } }
            for index in 0..<300 {
                let client = try await ScriptedClient.connect(port: fleet.nodes[index % 2].port)
                _ = try await client.hello(token: try fleet.token("idle-\(index)"))
                sessions.append(client)
            }
            let with = try await perSecond()
            // One command per session and lease would be 30 more.
            #expect(with < without + 15, "\(without) commands per second before, \(with) with 300 sessions")
        }
    }
}

extension Device {
    /// Watches users and gives their states.
    fileprivate func watch(_ users: String...) async throws -> [String: String] {
        let reply = try await request(
            #""op":"presence.watch","users":[\#(users.map { "\"\($0)\"" }.joined(separator: ","))]"#)
        let states = try #require(reply["ok"]?.object?["states"]?.object, "\(reply)")
        return Dictionary(
            uniqueKeysWithValues: states.members.map { ($0.key, $0.value.object?["state"]?.string ?? "") })
    }

    /// What this device was told of a user, in its order.
    fileprivate func presence(_ user: String) -> [String] {
        events.filter { $0["ev"]?.string == "presence" && $0["user"]?.string == user }
            .compactMap { $0["state"]?.string }
    }
}

extension JSONObject {
    fileprivate func state(_ user: String) -> String? {
        self["states"]?.object?[user]?.object?["state"]?.string
    }
}
