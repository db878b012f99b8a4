import Foundation
import Spawn

/// A redis-server of a test's own: random port, own folder, append-only file, kept over restarts.
public final class RedisServer: Sendable {
    /// What makes a server different from the usual one.
    public struct Options: Sendable {
        /// Asked of the default user.
        public var password: String?
        /// Speaks only TLS, with a certificate for `localhost` and `127.0.0.1` that `authorityFile` vouches for.
        public var tls = false
        /// `cluster-enabled yes`: alone with all slots, or one of a `RedisCluster`.
        public var cluster = false
        var isMember = false
        /// Where the certificate is, when several servers share one.
        var certificates: URL?
        /// Further arguments, such as `["--maxmemory", "4mb"]`.
        public var arguments: [String]

        public init(password: String? = nil, tls: Bool = false, cluster: Bool = false, arguments: [String] = []) {
            self.password = password
            self.tls = tls
            self.cluster = cluster
            self.arguments = arguments
        }
    }

    public let port: Int
    /// Where the servers of a Cluster talk to each other; 0 without one.
    public let busPort: Int
    public let options: Options
    private let server: ServerProcess

    /// Starts a server and waits until it answers. End it with `stop`.
    public static func start(_ options: Options = Options()) async throws -> RedisServer {
        let server = try RedisServer(options)
        do {
            if options.tls, options.certificates == nil { try await makeCertificate(in: server.server.folder) }
            try await server.start()
            if options.cluster, !options.isMember { try await server.takeAllSlots() }
        } catch {
            server.stop()
            throw error
        }
        return server
    }

    private init(_ options: Options) throws {
        self.options = options
        port = try FreePort.next()
        // The bus's port is usually the port + 10000, which may be beyond the last one.
        busPort = options.cluster ? try FreePort.next() : 0
        let folder = try TestFolder.make("redis")
        var arguments = [
            "--bind", "127.0.0.1", "--dir", folder.path, "--appendonly", "yes", "--save", "", "--daemonize", "no",
            "--enable-debug-command", "yes",
        ]
        if options.tls {
            let file = { (options.certificates ?? folder).appendingPathComponent($0).path }
            arguments += ["--port", "0", "--tls-port", "\(port)", "--tls-auth-clients", "no"]
            arguments += ["--tls-cert-file", file("cert.pem"), "--tls-key-file", file("key.pem")]
        } else {
            arguments += ["--port", "\(port)"]
        }
        if let password = options.password { arguments += ["--requirepass", password, "--masterauth", password] }
        if options.cluster { arguments += ["--cluster-enabled", "yes", "--cluster-port", "\(busPort)"] }
        if options.cluster, options.tls {
            let authority = (options.certificates ?? folder).appendingPathComponent("cert.pem").path
            arguments += ["--tls-cluster", "yes", "--tls-replication", "yes", "--tls-ca-cert-file", authority]
        }
        server = ServerProcess(
            "redis", executable: "redis-server", arguments: arguments + options.arguments, folder: folder)
    }

    /// With `host`, `127.0.0.1` for instance instead of `localhost`.
    public func url(host: String = "localhost", password: String? = nil) -> String {
        let login = (password ?? options.password).map { ":\($0)@" } ?? ""
        return "\(options.tls ? "rediss" : "redis")://\(login)\(host):\(port)"
    }

    /// The PEM file that vouches for the server's certificate.
    public var authorityFile: String {
        (options.certificates ?? server.folder).appendingPathComponent("cert.pem").path
    }

    /// Starts it (again), on the same port and folder, and waits until it has read its file and answers.
    public func start() async throws {
        try server.start()
        try await eventually("redis-server answers") {
            guard server.isRunning else { throw TestFailure("redis-server ended: \(server.output.suffix(2000))") }
            return (try? await command("PING")) == "PONG"
        }
    }

    /// `kill -9`.
    public func killNow() { server.killNow() }

    public func signal(_ number: Int32) { server.signal(number) }

    /// Ends it and removes its folder.
    public func stop() { server.stop() }

    /// Runs a command by redis-cli and gives its plain answer. The server must not hang.
    @discardableResult
    public func command(_ words: String...) async throws -> String { try await command(words) }

    @discardableResult
    public func command(_ words: [String]) async throws -> String {
        try await Self.command(
            words, port: port, password: options.password, authorityFile: options.tls ? authorityFile : nil)
    }

    /// The same for any server of 127.0.0.1.
    static func command(
        _ words: [String], port: Int, password: String?, authorityFile: String? = nil
    ) async throws -> String {
        var arguments = ["redis-cli", "-h", "127.0.0.1", "-p", "\(port)"]
        if let password { arguments += ["--no-auth-warning", "-a", password] }
        if let authorityFile { arguments += ["--tls", "--cacert", authorityFile] }
        return try await run(arguments + words)
    }

    private func takeAllSlots() async throws {
        try await command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        try await eventually("the cluster is up") { try await command("CLUSTER", "INFO").contains("cluster_state:ok") }
    }

    /// A certificate for `localhost` and `127.0.0.1`, and its key.
    static func makeCertificate(in folder: URL) async throws {
        let file = { folder.appendingPathComponent($0).path }
        _ = try await run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", file("key.pem"), "-out", file("cert.pem"),
        ])
    }

    private static func run(_ words: [String]) async throws -> String {
        let outcome = try await ChildProcess.outcome(of: "/usr/bin/env", words)
        guard outcome.status == 0 else {
            throw TestFailure("\(words.prefix(2)) ended with \(outcome.status): \(outcome.error)")
        }
        return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
