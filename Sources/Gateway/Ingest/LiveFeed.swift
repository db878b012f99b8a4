import Bus
import Core
import NIOCore
import Wire

/// Live events: from backends to whoever is connected now (PROTOCOL §3). Not stored, may be lost.
///
/// Each node hears all of them and keeps what its own sessions want: one subscription per node, not one per user.
struct LiveFeed: Sendable {
    let node: NodeContext

    /// A live event that was understood: `{"type","data"}`.
    struct Event: Sendable {
        var type: String?
        var data: [UInt8]

        init(_ body: [UInt8]) throws(ApusError) {
            try self.init(try JSONObject.request(body))
        }

        init(_ object: JSONObject) throws(ApusError) {
            type = try object.text("type")
            if let type, type.isEmpty || type.utf8.count > Limits.typeBytesMax {
                throw .badRequest("type: must be 1 to \(Limits.typeBytesMax) bytes")
            }
            data = object["data"].map { Array($0.bytes) } ?? Array("null".utf8)
        }

        func frame() -> ByteBuffer { FrameEncoder.text(ServerFrames.live(type: type ?? "", data: data)) }
        func frame(_ topic: Topic) -> ByteBuffer { FrameEncoder.text(ServerFrames.topic(topic, data: data)) }
    }

    func start() async throws {
        let subjects = node.subjects
        let (belowUsers, belowTopics) = ("\(subjects.prefix).live.user", "\(subjects.prefix).live.topic")
        try await node.bus.subscribe(subjects.liveUsers, queue: nil) { message in
            guard let name = Subjects.rest(of: message.subject, below: belowUsers),
                let user = UserID(name), let event = read(message, needsType: true)
            else { return }
            node.hub.deliver([.liveUser(user, frame: event.frame())])
        }
        try await node.bus.subscribe(subjects.liveTopics, queue: nil) { message in
            guard let name = Subjects.rest(of: message.subject, below: belowTopics),
                let topic = Topic(name), let event = read(message, needsType: false)
            else { return }
            node.hub.deliver([.liveTopic(topic, frame: event.frame(topic))])
        }
        try await node.bus.subscribe(subjects.liveAll, queue: nil) { message in
            guard let event = read(message, needsType: true) else { return }
            node.hub.deliver([.liveAll(frame: event.frame())])
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
