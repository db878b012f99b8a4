/// Another server's protocol over WebSocket, so that the same engine measures it: how a session begins, and where in its
/// frames the payloads are. What Apus promises beyond that (numbers, resume) is checked of Apus only.
protocol Dialect: AnyObject {
    /// Appends the upgrade request.
    func appendHandshake(session: Int, _ setup: WorkerSetup, _ users: Users, to out: inout [UInt8])
    /// Text frames that follow the upgrade.
    func firstFrames(session: Int, _ setup: WorkerSetup, _ users: Users) -> [[UInt8]]
    /// The session counts as open with the upgrade; otherwise when a frame is heard as `ready`.
    var isReadyAtOnce: Bool { get }
    func hear(_ payload: UnsafeRawBufferPointer) -> Heard
    /// How events are published to this server.
    func publisher(
        _ setup: WorkerSetup, _ poller: Poller, _ outcome: @escaping (Ticket, PublishOutcome) -> Void
    ) throws -> (any Publisher)?
}

/// What a frame of another server is.
enum Heard {
    case nothing
    case ready
    /// It wants this text frame as an answer.
    case answer([UInt8])
    /// It has payloads of ours, of this stream.
    case events(Stream)
}

/// Protocols by their names in `WorkerSetup.peer`.
enum Dialects {
    static func named(_ name: String) -> (any Dialect)? { (try? Peers.named(name))?.dialect() }
}
