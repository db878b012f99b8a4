import Foundation
import Spawn

/// nats-server's own WebSocket: sessions are NATS clients that subscribe to one subject each; publishes go to its usual
/// port, as those for Apus do.
struct NATSPeer: Peer {
    let name = "nats"
    let title = "nats-server's WebSocket"

    func executable() throws -> String { try Executables.find("nats-server", remedy: Peers.remedy) }

    func version() async -> String? { await version(["--version"], /v?(\d+\.\S+)/) }

    func launch(in folder: URL) throws -> PeerLaunch {
        let (port, socket) = (try FreePort.next(), try FreePort.next())
        let file = folder.appendingPathComponent("nats.conf")
        let text = """
            listen: "127.0.0.1:\(port)"
            max_connections: 100000
            ping_interval: "10m"
            websocket { listen: "127.0.0.1:\(socket)", no_tls: true, compression: false }

            """
        try Data(text.utf8).write(to: file)
        return PeerLaunch(
            arguments: ["-c", file.path],
            target: Target(
                urls: ["ws://127.0.0.1:\(socket)/"], nats: "nats://127.0.0.1:\(port)", secret: "no tokens here"),
            ports: [port, socket])
    }

    func dialect() -> any Dialect { NATSDialect() }
}

/// NATS's text protocol in WebSocket frames.
final class NATSDialect: Dialect {
    let isReadyAtOnce = false
    private var stream = Stream.live

    func appendHandshake(session: Int, _ setup: WorkerSetup, _ users: Users, to out: inout [UInt8]) {
        stream = setup.topics > 0 ? .topic : .live
        Upgrade.append(path: "/", host: setup.host, to: &out)
    }

    func firstFrames(session: Int, _ setup: WorkerSetup, _ users: Users) -> [[UInt8]] {
        let subject = Upgrade.channel(session, setup, users)
        let kind = setup.topics > 0 ? "topic" : "user"
        return [
            Array(#"CONNECT {"verbose":false,"pedantic":false,"lang":"swift","version":"1"}"#.utf8)
                + Array("\r\nSUB \(setup.natsPrefix).live.\(kind).\(subject) 1\r\nPING\r\n".utf8)
        ]
    }

    func hear(_ payload: UnsafeRawBufferPointer) -> Heard {
        guard let first = payload.first else { return .nothing }
        switch first {
        // A server that is busy puts many messages into one frame.
        case UInt8(ascii: "M"): return .events(stream)
        case UInt8(ascii: "P"):
            return payload.starts(with: "PONG".utf8) ? .ready : .answer(Array("PONG\r\n".utf8))
        default: return .nothing
        }
    }

    func publisher(
        _ setup: WorkerSetup, _ poller: Poller, _ outcome: @escaping (Ticket, PublishOutcome) -> Void
    ) throws -> (any Publisher)? {
        guard let url = setup.nats else { return nil }
        return try NATSPublisher(url: url, prefix: setup.natsPrefix, poller: poller, outcome: outcome)
    }
}
