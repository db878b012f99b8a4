import Foundation
import Spawn

/// Nchan in nginx: channels by path, published by HTTP.
struct NchanPeer: Peer {
    let name = "nchan"
    let title = "Nchan (nginx)"
    private static let module = "/usr/lib/nginx/modules/ngx_nchan_module.so"

    func executable() throws -> String {
        guard FileManager.default.fileExists(atPath: Self.module) else {
            throw SiteError("\(Self.module) is not installed: \(Peers.remedy)")
        }
        return try Executables.find("nginx", remedy: Peers.remedy)
    }

    /// Of the module's package, and of nginx.
    func version() async -> String? { await version(["-v"], /nginx\/(\S+)/).map { "nginx \($0)" } }

    func launch(in folder: URL) throws -> PeerLaunch {
        let port = try FreePort.next()
        let file = folder.appendingPathComponent("nginx.conf")
        try Data(Self.configuration(port: port, folder: folder.path).utf8).write(to: file)
        return PeerLaunch(
            arguments: ["-e", "stderr", "-p", folder.path, "-c", file.path],
            target: Target(
                urls: ["ws://127.0.0.1:\(port)/sub/"], backends: ["http://127.0.0.1:\(port)"],
                secret: "no tokens here"),
            ports: [port])
    }

    /// One process, whose memory and CPU are then its own; no log of requests; a channel keeps its newest message only.
    private static func configuration(port: Int, folder: String) -> String {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map { "    \($0)_temp_path \(folder)/\($0);" }.joined(separator: "\n")
        return """
            load_module \(module);
            daemon off;
            master_process off;
            pid \(folder)/nginx.pid;
            error_log stderr warn;
            events { worker_connections 19000; }
            http {
                access_log off;
                keepalive_requests 1000000000;
                nchan_shared_memory_size 512M;
            \(temporary)
                server {
                    listen 127.0.0.1:\(port) backlog=4096;
                    location ~ ^/sub/([a-zA-Z0-9_.-]+)$ {
                        nchan_subscriber websocket;
                        nchan_channel_id $1;
                        nchan_subscriber_first_message newest;
                        nchan_websocket_ping_interval 0;
                    }
                    location ~ ^/pub/([a-zA-Z0-9_.-]+)$ {
                        nchan_publisher http;
                        nchan_channel_id $1;
                        nchan_message_buffer_length 1;
                        nchan_message_timeout 10s;
                    }
                }
            }

            """
    }

    func dialect() -> any Dialect { PathDialect() }
}
