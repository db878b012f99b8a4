import ApusTesting
import Bus
import Core
import Foundation
import Testing
import Wire

@Suite("Messages while nodes die", .serialized)
struct ChatFaultTests {
    @Test("Three devices of two users on two nodes send 300 messages at once: one order, no holes, exact counts")
    func atOnce() async throws {
        try await Fleet.with { fleet in
            let devices = [
                try await fleet.device("ann", on: fleet.nodes[0]), try await fleet.device("ann", on: fleet.nodes[1]),
                try await fleet.device("ben", on: fleet.nodes[1]),
            ]
            let partners = ["ben", "ben", "ann"]
            try await withThrowingTaskGroup { group in
                for (index, device) in devices.enumerated() {
                    group.addTask {
                        for i in 0..<100 {
                            try await device.client.send(Self.send(to: partners[index], "d\(index)-\(i)"))
                        }
                    }
                }
                try await group.waitForAll()
            }
            for device in devices { try await device.wait(for: 300) }
            for device in devices {
                #expect(device.seqs == Array(1...300))
                #expect(device.events.compactMap { $0["n"]?.integer } == Array(1...300))
                #expect(device.ids == devices[0].ids)
            }
            let texts = devices[2].events.compactMap { $0["body"]?.object?["text"]?.string }
            for index in 0..<3 {
                let own = texts.filter { $0.hasPrefix("d\(index)-") }
                #expect(own == (0..<100).map { "d\(index)-\($0)" }, "each device's own order is kept")
            }
            let unread = devices[2].events.last { $0["unread"] != nil }?["unread"]?.object?["messages"]?.integer
            #expect(unread == 200)
            #expect(devices[0].events.last { $0["unread"] != nil }?["unread"]?.object?["messages"]?.integer == 100)
        }
    }

    private static func send(to user: String, _ text: String, id: Int? = nil) -> String {
        let head = id.map { "\"id\":\($0)," } ?? ""
        return "{\(head)\"op\":\"send\",\"to\":\"\(user)\",\"cid\":\"\(text)\",\"body\":{\"text\":\"\(text)\"}}"
    }

    /// At each point a node dies as if killed, in the middle of its work; the client says again what was not answered.
    @Test("A node that is killed at any instruction of a send loses and doubles nothing")
    func crashPoints() async throws {
        try await Fleet.with { fleet in
            let points = ["commit.before", "commit.after", "advance.before", "advance.after", "finish.before"]
            for point in points {
                for count in [1, 4] {
                    let victim = try await fleet.victim(at: "\(point):\(count)")
                    defer { victim.server.stop() }
                    try await sendThrough(victim, fleet, "\(point):\(count)")
                }
            }
        }
    }

    private func sendThrough(_ victim: ApusProcess, _ fleet: Fleet, _ point: String) async throws {
        let run = RandomToken.make(length: 6)
        let (ann, ben) = ("ann-\(run)", "ben-\(run)")
        let listeners = [
            try await fleet.device(ann, on: fleet.nodes[0]), try await fleet.device(ben, on: fleet.nodes[1]),
        ]
        let sender = try await fleet.device(ann, on: victim)
        let texts = (0..<20).map { "\(run)-\($0)" }
        for (index, text) in texts.enumerated() {
            try? await sender.client.send(Self.send(to: ben, text, id: index))
        }
        try await eventually("the node dies at \(point)") { !victim.server.isRunning }
        try await eventually("the socket ends") { sender.isClosed }
        let answered = (0..<20).filter { sender.reply(to: Int64($0))?["ok"] != nil }
        let again = try await fleet.device(ann, on: fleet.nodes[1])
        for (index, text) in texts.enumerated() where !answered.contains(index) {
            try await eventually("\(text) is taken (\(point))") {
                try await again.request(String(Self.send(to: ben, text).dropFirst().dropLast()))["ok"] != nil
            }
        }
        for listener in listeners {
            try await eventually("all 20 arrive (\(point)): \(listener.events.count)", within: 30) {
                listener.events.count { $0["ev"]?.string == "message" } >= 20
            }
            let messages = listener.events.filter { $0["ev"]?.string == "message" }
            #expect(messages.compactMap { $0["n"]?.integer } == Array(1...20), "\(point)")
            #expect(Set(messages.compactMap { $0["body"]?.object?["text"]?.string }) == Set(texts), "\(point)")
            #expect(listener.seqs == Array(1...Int64(listener.seqs.count)), "\(point)")
        }
        #expect(
            listeners[0].events.compactMap { $0["id"]?.string } == listeners[1].events.compactMap { $0["id"]?.string })
    }

    @Test("A notifier that is killed between taking an event in and acknowledging it loses and doubles nothing")
    func ingest() async throws {
        try await Fleet.with { fleet in
            for point in ["ingest.received:2", "append.after:1", "commit.after:1", "ingest.settle:2"] {
                let run = RandomToken.make(length: 6)
                let (ann, ben) = ("ann-\(run)", "ben-\(run)")
                let listener = try await fleet.device(ben, on: fleet.nodes[0])
                let victim = try await fleet.victim(at: point)
                defer { victim.server.stop() }
                var sent = 0
                try await eventually("the node dies at \(point)", within: 60) {
                    let id = "\(run)-\(sent)"
                    let message = #"{"from":"\#(ann)","to":"\#(ben)","cid":"\#(id)","body":{}}"#
                    try await fleet.publish("apus.in.message", Array(message.utf8), id: "m-\(id)")
                    try await fleet.publish(ben, id: "n-\(id)")
                    sent += 1
                    return !victim.server.isRunning
                }
                // What the dead one had is handed out again when the time for its acknowledgement is over (30 s).
                try await eventually("all \(sent) of both kinds arrive (\(point))", within: 90) {
                    listener.seqs.count >= 2 * sent
                }
                #expect(listener.seqs == Array(1...Int64(2 * sent)), "\(point)")
                #expect(listener.events.compactMap { $0["n"]?.integer } == Array(1...Int64(sent)), "\(point)")
                #expect(Set(listener.ids).count == 2 * sent, "\(point)")
            }
        }
    }

    @Test("A node that is killed while it registers, replays or drains leaves sessions that resume elsewhere")
    func sessions() async throws {
        try await Fleet.with { fleet in
            for point in ["hello.registered:1", "replay.page:1", "drain.close:1"] {
                let user = "u-\(RandomToken.make(length: 6))"
                let victim = try await fleet.victim(at: point)
                defer { victim.server.stop() }
                let before = try await fleet.device(user, on: fleet.nodes[0])
                let position = before.position
                for index in 0..<260 {
                    _ = try await fleet.request("notify", #"{"to":"\#(user)","id":"e\#(index)","type":"x.y"}"#)
                }
                before.client.drop()
                let through = Task { try? await fleet.device(user, on: victim, resume: position) }
                if point.hasPrefix("drain") {
                    _ = await through.value
                    victim.server.signal(SIGTERM)
                }
                try await eventually("the node dies at \(point)", within: 30) { !victim.server.isRunning }
                let after = try await fleet.device(user, on: fleet.nodes[1], resume: position)
                #expect(after.welcome["resumed"]?.bool == true, "\(point)")
                try await after.wait(for: 260)
                #expect(after.seqs == Array(1...260), "\(point)")
            }
        }
    }
}
