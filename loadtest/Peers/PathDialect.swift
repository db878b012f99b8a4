import Wire

/// A server whose channels are paths: `GET /sub/<channel>` is a WebSocket, `POST /pub/<channel>` publishes its body to all of
/// them as one text frame.
final class PathDialect: Dialect {
    let isReadyAtOnce = true
    private var stream = Stream.live

    func appendHandshake(session: Int, _ setup: WorkerSetup, _ users: Users, to out: inout [UInt8]) {
        stream = setup.topics > 0 ? .topic : .live
        Upgrade.append(path: "/sub/\(Upgrade.channel(session, setup, users))", host: setup.host, to: &out)
    }

    func firstFrames(session: Int, _ setup: WorkerSetup, _ users: Users) -> [[UInt8]] { [] }

    func hear(_ payload: UnsafeRawBufferPointer) -> Heard { .events(stream) }

    func publisher(
        _ setup: WorkerSetup, _ poller: Poller, _ outcome: @escaping (Ticket, PublishOutcome) -> Void
    ) throws -> (any Publisher)? {
        guard let backend = setup.backend else { return nil }
        return try PipelinePublisher(to: backend, poller: poller, outcome: outcome)
    }
}

/// What sessions of other servers have in common.
enum Upgrade {
    static func append(path: String, host: String, to out: inout [UInt8]) {
        out += "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n".utf8
        out += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".utf8
    }

    /// What a session listens to: its topic in a broadcast, else what is for its user alone.
    static func channel(_ session: Int, _ setup: WorkerSetup, _ users: Users) -> String {
        setup.topics > 0 ? setup.topicName((setup.first + session) % setup.topics) : users.name(session)
    }
}
