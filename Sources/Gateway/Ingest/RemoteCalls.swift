import Bus
import Chat
import Core
import Notifications
import Wire

/// `apus.rpc.*`: the backend's questions and orders over NATS, with an answer (PROTOCOL §3).
///
/// Nodes share the work by a queue group. An error is `{"error":{"code","message"}}`.
struct RemoteCalls: Sendable {
    let node: NodeContext
    let backend: Backend

    init(node: NodeContext) {
        self.node = node
        backend = Backend(node: node)
    }

    func start() async throws {
        try await serve("notify", notify)
        try await serve("message", message)
        try await serve("presence") { message throws(ApusError) in
            try await backend.presence(of: Backend.users(Self.object(message)))
        }
        try await serve("unread") { message throws(ApusError) in
            try await backend.unread(of: Self.user(Self.object(message)))
        }
        try await serve("disconnect") { message throws(ApusError) in
            let object = try Self.object(message)
            return try await backend.disconnect(
                try Self.user(object), code: try object.integer("code", 0...9999), reason: try object.text("reason"))
        }
        try await serve("nodes") { _ throws(ApusError) in backend.nodes() }
    }

    private func serve(
        _ name: String, _ call: @escaping @Sendable (BusMessage) async throws(ApusError) -> [UInt8]
    ) async throws {
        try await node.bus.subscribe(node.subjects.rpc(name), queue: "apus") { message in
            guard let replyTo = message.replyTo else { return }
            Task {
                let body: [UInt8]
                do throws(ApusError) { body = try await call(message) } catch {
                    body = JSONWriter.object { $0.member("error", object: error.write) }
                }
                node.bus.publish(BusMessage(subject: replyTo, payload: body))
            }
        }
    }

    private func notify(_ message: BusMessage) async throws(ApusError) -> [UInt8] {
        let request = try NotificationRequest.parse(
            message.payload,
            NotificationEnvelope(
                fallbackID: message.header("Nats-Msg-Id"), cloudEvent: Notifier.cloudEvent(message.headers),
                nowMilliseconds: node.time.wallMilliseconds()))
        let outcomes = await backend.publisher.publish([request])
        return JSONWriter.object { writer in
            writer.member("results", array: { list in outcomes.forEach { Publisher.write($0, to: &list) } })
        }
    }

    private func message(_ message: BusMessage) async throws(ApusError) -> [UInt8] {
        let request = try MessageRequest.parse(Self.object(message), fallbackID: message.header("Nats-Msg-Id"))
        let result = await backend.send(request)
        if let refusal = result.refusal { throw refusal }
        return JSONWriter.object { $0.member("results", array: { result.write(to: &$0) }) }
    }

    private static func object(_ message: BusMessage) throws(ApusError) -> JSONObject {
        try JSONObject.request(message.payload)
    }

    private static func user(_ object: JSONObject) throws(ApusError) -> UserID {
        guard let user = try object.text("user").flatMap({ UserID($0) }) else {
            throw .badRequest("user: is missing or no user id")
        }
        return user
    }
}
