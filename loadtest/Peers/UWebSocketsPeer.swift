import Foundation
import Spawn

/// uWebSockets, through socketify from PyPI: the C++ server does all of a broadcast; Python is asked once for each publish
/// and each new session.
struct UWebSocketsPeer: Peer {
    let name = "uwebsockets"
    let title = "uWebSockets (socketify)"

    /// `scripts/setup peers` makes it, in the folder that one is in.
    static var python: String { FileManager.default.currentDirectoryPath + "/.build-peers/bin/python" }

    func executable() throws -> String {
        guard FileManager.default.isExecutableFile(atPath: Self.python) else {
            throw SiteError("there is no \(Self.python) with socketify: \(Peers.remedy)")
        }
        return Self.python
    }

    func version() async -> String? {
        await version(["-m", "pip", "show", "socketify"], /Version: (\S+)/).map { "socketify \($0)" }
    }

    func launch(in folder: URL) throws -> PeerLaunch {
        let port = try FreePort.next()
        let file = folder.appendingPathComponent("server.py")
        try Data(Self.program.utf8).write(to: file)
        return PeerLaunch(
            arguments: [file.path, "\(port)"],
            target: Target(
                urls: ["ws://127.0.0.1:\(port)/sub/"], backends: ["http://127.0.0.1:\(port)"],
                secret: "no tokens here"),
            ports: [port])
    }

    func dialect() -> any Dialect { PathDialect() }

    /// Its own limit of what may wait for a session, 64 KiB, would leave messages out in every burst.
    private static let program = #"""
        import sys

        from socketify import App, AppListenOptions, CompressOptions, OpCode


        def upgrade(response, request, context):
            response.upgrade(
                request.get_header("sec-websocket-key"),
                request.get_header("sec-websocket-protocol"),
                request.get_header("sec-websocket-extensions"),
                context,
                request.get_parameter(0),
            )


        def publish(response, request):
            channel = request.get_parameter(0)
            parts = []

            def on_data(response, chunk, is_last):
                if chunk:
                    parts.append(chunk)
                if is_last:
                    app.publish(channel, b"".join(parts), OpCode.TEXT, False)
                    response.end("")

            response.on_data(on_data)


        app = App()
        app.ws(
            "/sub/:channel",
            {
                "compression": CompressOptions.DISABLED,
                "max_payload_length": 64 * 1024,
                "max_backpressure": 4 * 1024 * 1024,
                "idle_timeout": 0,
                "upgrade": upgrade,
                "open": lambda ws: ws.subscribe(ws.get_user_data()),
            },
        )
        app.post("/pub/:channel", publish)
        app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"), lambda config: None)
        app.run()

        """#
}
