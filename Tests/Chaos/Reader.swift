import ApusTesting
import Core
import Foundation
import Wire

/// Reads at the end of a run what every user has, over the protocol: timelines by `sync`, conversations by `history`, the
/// inbox.
struct Reader {
    let site: Site

    /// Adds it to `history`. - Parameter conversations: With a member who may read each.
    func read(_ users: [String], _ conversations: [(id: String, reader: String)], into history: inout History)
        async throws
    {
        let byReader = Dictionary(grouping: conversations, by: \.reader).mapValues { $0.map(\.id) }
        try await withThrowingTaskGroup(of: Part.self) { group in
            var waiting = users[...]
            for _ in 0..<8 {
                if let user = waiting.popFirst() { group.addTask { try await part(user, byReader[user] ?? []) } }
            }
            while let part = try await group.next() {
                history.timelines[part.user] = part.timeline
                history.inboxes[part.user] = part.inbox
                history.logs.merge(part.logs) { $1 }
                if let user = waiting.popFirst() { group.addTask { try await self.part(user, byReader[user] ?? []) } }
            }
        }
    }

    private struct Part: Sendable {
        var user: String
        var timeline: FinalTimeline
        var inbox: [String] = []
        var logs: [String: [LoggedMessage]] = [:]
    }

    private func part(_ user: String, _ conversations: [String]) async throws -> Part {
        guard let port = site.ports.first else { throw TestFailure("no node is up") }
        let client = try await ScriptedClient.connect(port: port)
        defer { client.drop() }
        let welcome = try await client.hello(token: try site.token(user), device: "reader")
        guard let epoch = welcome["epoch"]?.string else { throw TestFailure("no welcome for \(user)") }
        var part = Part(user: user, timeline: FinalTimeline(epoch: epoch))
        try await readTimeline(client, &part)
        try await readInbox(client, &part)
        for conversation in conversations { part.logs[conversation] = try await log(client, conversation) }
        return part
    }

    private func ok(_ client: ScriptedClient, _ body: String) async throws -> JSONObject {
        let reply = try await client.request(#"{"id":7,\#(body)}"#, id: 7)
        guard let ok = reply["ok"]?.object else {
            throw TestFailure("\(body): \(reply["error"]?.object?["message"]?.string ?? "no ok")")
        }
        return ok
    }

    private func readTimeline(_ client: ScriptedClient, _ part: inout Part) async throws {
        while true {
            let after = part.timeline.events.last?.seq ?? 0
            let page = try await ok(client, #""op":"sync","after":\#(after),"limit":500"#)
            if let resync = page["resync"]?.string { throw TestFailure("the timeline of \(part.user): \(resync)") }
            let events = page["events"]?.array?.compactMap(\.object) ?? []
            part.timeline.events += events.map(Self.event)
            if page["more"]?.bool != true || events.isEmpty { return }
        }
    }

    private static func event(_ frame: JSONObject) -> FinalTimeline.Event {
        let conversation = frame["conv"]?.string ?? ""
        let content: FinalTimeline.Content =
            switch frame["ev"]?.string {
            case "message":
                .message(
                    conversation: conversation, n: frame["n"]?.integer ?? -1, from: frame["from"]?.string ?? "",
                    text: frame["body"]?.object?["text"]?.string ?? "")
            case "notification": .notification
            case "conversation.reset": .reset(conversation: conversation)
            case let other: .other(other ?? "")
            }
        return .init(seq: frame["seq"]?.integer ?? -1, id: frame["id"]?.string ?? "", content: content)
    }

    private func readInbox(_ client: ScriptedClient, _ part: inout Part) async throws {
        var cursor: String?
        repeat {
            let page = try await ok(
                client, #""op":"inbox","limit":200\#(cursor.map { #","before":"\#($0)""# } ?? "")"#)
            part.inbox += (page["items"]?.array ?? []).compactMap { $0.object?["id"]?.string }
            cursor = page["cursor"]?.string
        } while cursor != nil
    }

    private func log(_ client: ScriptedClient, _ conversation: String) async throws -> [LoggedMessage] {
        var log: [LoggedMessage] = []
        while true {
            let reply = try await client.request(
                #"{"id":8,"op":"history","conv":"\#(conversation)","after":\#(log.last?.n ?? 0),"limit":200}"#, id: 8)
            // Nothing was ever said in it.
            if reply["error"]?.object?["code"]?.string == "not_found" { return log }
            guard let page = reply["ok"]?.object else {
                throw TestFailure("the history of \(conversation) is not to be had")
            }
            let messages = page["messages"]?.array?.compactMap(\.object) ?? []
            log += messages.map {
                LoggedMessage(
                    n: $0["n"]?.integer ?? -1, id: $0["id"]?.string ?? "", from: $0["from"]?.string ?? "",
                    text: $0["body"]?.object?["text"]?.string ?? "")
            }
            if page["more"]?.bool != true || messages.isEmpty { return log }
        }
    }
}
