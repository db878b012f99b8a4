import Bus
import Core
import NIOCore
import Wire

/// Live events: from backends to whoever is connected now (PROTOCOL §3). Not stored, may be lost.
///
/// Each node hears all of them and keeps what its own sessions want: one subscription per node, not one per user.
struct LiveFeed: Sendable {
    let node: NodeContext

    /// A live event that was understood: `{"type","data"}`, both as the JSON that they came as.
    struct Event: Sendable {
        var type: ArraySlice<UInt8>?
        var data: ArraySlice<UInt8>

        init(_ body: [UInt8]) throws(ApusError) {
            try self.init(try JSONObject.request(body))
        }

        init(_ object: JSONObject) throws(ApusError) {
            if let type = object.present("type") {
                guard let count = type.stringBytes else { throw .badRequest("type: must be a string") }
                guard (1...Limits.typeBytesMax).contains(count) else {
                    throw .badRequest("type: must be 1 to \(Limits.typeBytesMax) bytes")
                }
                self.type = type.bytes
            }
            data = object["data"]?.bytes ?? Self.null
        }

        private static let null = Array("null".utf8)[...]
        private static let noType = Array("\"\"".utf8)[...]

        func frame() -> ByteBuffer { ServerFrames.live(type: type ?? Self.noType, data: data) }
        func frame(_ topic: Topic) -> ByteBuffer { ServerFrames.topic(topic, data: data) }
    }

    func start() async throws {
        let subjects = node.subjects
        let (belowUsers, belowTopics) = ("\(subjects.prefix).live.user", "\(subjects.prefix).live.topic")
        try await node.bus.subscribe(subjects.liveUsers, queue: nil) { message in
            guard let name = Subjects.rest(of: message.subject, below: belowUsers),
                let user = UserID(name), let event = read(message, needsType: true)
            else { return }
            node.hub.deliver(.liveUser(user, frame: event.frame()))
        }
        try await node.bus.subscribe(subjects.liveTopics, queue: nil) { message in
            guard let name = Subjects.rest(of: message.subject, below: belowTopics),
                let topic = Topic(name), let event = read(message, needsType: false)
            else { return }
            node.hub.deliver(.liveTopic(topic, frame: event.frame(topic)))
        }
        try await node.bus.subscribe(subjects.liveAll, queue: nil) { message in
            guard let event = read(message, needsType: true) else { return }
            node.hub.deliver(.liveAll(frame: event.frame()))
        }
    }

    private func read(_ message: BusMessage, needsType: Bool) -> Event? {
        guard message.payload.count <= Limits.notificationBytesMax else {
            return drop(message, "over \(Limits.notificationBytesMax) bytes")
        }
        do throws(ApusError) {
            let event = try Event(message.payload)
            return event.type == nil && needsType ? drop(message, "type: is missing") : event
        } catch { return drop(message, error.message) }
    }

    private func drop(_ message: BusMessage, _ why: String) -> Event? {
        node.logger.debug(
            "a live event cannot be used", metadata: ["subject": "\(message.subject)", "reason": "\(why)"])
        return nil
    }
}
