import Foundation
import Spawn

/// A broadcast server as one writes it with SwiftNIO's own HTTP and WebSocket handlers: `benchmarks/plain-nio`.
struct PlainNIOPeer: Peer {
    let name = "plain-nio"
    let title = "plain SwiftNIO"

    func executable() throws -> String {
        let own = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        let path = own.deletingLastPathComponent().appendingPathComponent("apus-plain-nio").path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw SiteError("\(path) is no executable: `swift build -c release` builds it")
        }
        return path
    }

    func version() async -> String? { nil }

    func launch(in folder: URL) throws -> PeerLaunch {
        let port = try FreePort.next()
        return PeerLaunch(
            arguments: ["\(port)"],
            target: Target(
                urls: ["ws://127.0.0.1:\(port)/sub/"], backends: ["http://127.0.0.1:\(port)"],
                secret: "no tokens here"),
            ports: [port])
    }

    func dialect() -> any Dialect { PathDialect() }
}
