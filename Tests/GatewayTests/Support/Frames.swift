import ApusTesting
import Wire

/// Short ways to look into frames.
extension JSONObject {
    static let empty: JSONObject = {
        guard let empty = try? JSONObject(Array("{}".utf8)) else { preconditionFailure("{} is an object") }
        return empty
    }()

    func string(_ key: String) -> String? { self[key]?.string }
    func number(_ key: String) -> Int64? { self[key]?.integer }
    func bool(_ key: String) -> Bool? { self[key]?.bool }
    /// The object at a member, or an empty one.
    func at(_ key: String) -> JSONObject { self[key]?.object ?? .empty }
    /// The objects of an array.
    func list(_ key: String) -> [JSONObject] { self[key]?.array?.compactMap(\.object) ?? [] }

    var ok: JSONObject { at("ok") }
    var errorCode: String? { at("error").string("code") }
    var retryMilliseconds: Int64? { at("error").number("retry_ms") }
    var unreadNotifications: Int64? { at("unread").number("notifications") }
    /// The whole, for messages of failed tests.
    var rendered: String {
        members.map { "\($0.key): \(String(decoding: $0.value.bytes, as: UTF8.self))" }.joined(separator: ", ")
    }

    /// The position that this `welcome` gave, as `resume` wants it.
    var position: String {
        let last = string("last").map { ",\"last\":\"\($0)\"" } ?? ""
        return "{\"epoch\":\"\(string("epoch") ?? "")\",\"seq\":\(number("seq") ?? -1)\(last)}"
    }
}

extension ScriptedClient {
    /// The next `count` durable events; replies and live events between them are passed over.
    func durable(_ count: Int, within seconds: Double = 15) async throws -> [JSONObject] {
        var events: [JSONObject] = []
        while events.count < count {
            let frame = try await frame(within: seconds)
            if frame["seq"] != nil, frame["ev"]?.string != "welcome", frame["ev"]?.string != "behind" {
                events.append(frame)
            }
        }
        return events
    }

    /// Sends an operation and gives its reply. `members` are those after `op`.
    func ask(_ op: String, _ members: String = "", id: Int = 7) async throws -> JSONObject {
        try await request("{\"id\":\(id),\"op\":\"\(op)\"\(members.isEmpty ? "" : "," + members)}", id: id)
    }

    /// The next thing that is no ping: the server may ping at any time.
    func nextButPing(within seconds: Double = 10) async throws -> Incoming {
        while true {
            let incoming = try await next(within: seconds)
            if case .ping = incoming { continue }
            return incoming
        }
    }

    /// Whether no text frame comes for this time. One that comes is taken.
    func isSilent(forMilliseconds milliseconds: Int) async throws -> Bool {
        do {
            _ = try await text(within: Double(milliseconds) / 1000)
            return false
        } catch let failure as TestFailure where failure.description.hasPrefix("nothing came") { return true }
    }
}
