import Foundation

/// A master, its replicas, and sentinels that watch them, all on 127.0.0.1.
public final class RedisSentinels: Sendable {
    /// What makes it different from the usual one.
    public struct Options: Sendable {
        public var replicas = 1
        public var sentinels = 3
        /// How long a server is silent before a sentinel calls it down.
        public var downAfterMilliseconds = 1000
        public var server = RedisServer.Options()
        /// The sentinels' own.
        public var password: String?

        public init(
            replicas: Int = 1, sentinels: Int = 3, downAfterMilliseconds: Int = 1000,
            server: RedisServer.Options = .init(), password: String? = nil
        ) {
            self.replicas = replicas
            self.sentinels = sentinels
            self.downAfterMilliseconds = downAfterMilliseconds
            self.server = server
            self.password = password
        }
    }

    public static let name = "apus-test"
    /// The master first, as it was in the beginning.
    public let servers: [RedisServer]
    public let sentinels: [ServerProcess]
    public let ports: [Int]
    private let options: Options

    public var master: RedisServer { servers[0] }
    public var replicas: [RedisServer] { Array(servers.dropFirst()) }

    private init(servers: [RedisServer], sentinels: [ServerProcess], ports: [Int], options: Options) {
        self.servers = servers
        self.sentinels = sentinels
        self.ports = ports
        self.options = options
    }

    /// Starts them and waits until every sentinel knows every replica and every other sentinel. End it with `stop`.
    public static func start(_ options: Options = Options()) async throws -> RedisSentinels {
        var servers: [RedisServer] = []
        var sentinels: [ServerProcess] = []
        do {
            var member = options.server
            member.arguments += ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]
            servers.append(try await RedisServer.start(member))
            member.arguments += ["--replicaof", "127.0.0.1 \(servers[0].port)"]
            for _ in 0..<options.replicas { servers.append(try await RedisServer.start(member)) }
            for replica in servers.dropFirst() {
                try await eventually("the replica follows", within: 30) {
                    try await replica.command("INFO", "replication").contains("master_link_status:up")
                }
            }
            var ports: [Int] = []
            for number in 0..<options.sentinels {
                let (process, port) = try sentinel(number, of: servers[0], options)
                sentinels.append(process)
                ports.append(port)
                try process.start()
            }
            let set = RedisSentinels(servers: servers, sentinels: sentinels, ports: ports, options: options)
            try await set.form()
            return set
        } catch {
            for sentinel in sentinels { sentinel.stop() }
            for server in servers { server.stop() }
            throw error
        }
    }

    /// A sentinel writes into its configuration file, so each has its own.
    private static func sentinel(
        _ number: Int, of master: RedisServer, _ options: Options
    ) throws -> (ServerProcess, Int) {
        let (folder, port) = (try TestFolder.make("sentinel"), try FreePort.next())
        var lines = [
            "port \(port)", "bind 127.0.0.1", "dir \(folder.path)",
            "sentinel monitor \(name) 127.0.0.1 \(master.port) \(options.sentinels / 2 + 1)",
            "sentinel down-after-milliseconds \(name) \(options.downAfterMilliseconds)",
            "sentinel failover-timeout \(name) 6000",
        ]
        if let password = options.server.password { lines.append("sentinel auth-pass \(name) \(password)") }
        if let password = options.password { lines.append("requirepass \(password)") }
        let file = folder.appendingPathComponent("sentinel.conf")
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: file)
        let process = ServerProcess(
            "sentinel-\(number)", executable: "redis-server", arguments: [file.path, "--sentinel"], folder: folder)
        return (process, port)
    }

    private func form() async throws {
        for number in sentinels.indices {
            try await eventually(
                "sentinel \(number) knows everybody: \(sentinels[number].output.suffix(500))", within: 60
            ) {
                let said = try await ask(number, "SENTINEL", "MASTER", Self.name).split(separator: "\n").map(
                    String.init)
                let value = { (field: String) in said.firstIndex(of: field).map { said[$0 + 1] } }
                return value("num-slaves") == "\(options.replicas)"
                    && value("num-other-sentinels") == "\(options.sentinels - 1)" && value("flags") == "master"
            }
        }
    }

    /// Runs a command at a sentinel.
    public func ask(_ number: Int, _ words: String...) async throws -> String {
        try await RedisServer.command(words, port: ports[number], password: options.password)
    }

    /// Who is the master, as that sentinel says.
    public func masterPort(sentinel number: Int = 0) async throws -> Int? {
        let said = try await ask(number, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self.name)
        return said.split(separator: "\n").last.flatMap { Int($0) }
    }

    public func url(password: String? = nil) -> String {
        let login = (password ?? options.server.password).map { ":\($0)@" } ?? ""
        let hosts = ports.map { "127.0.0.1:\($0)" }.joined(separator: ",")
        let own = options.password.map { "?sentinel_password=\($0)" } ?? ""
        return "redis+sentinel://\(login)\(hosts)/\(Self.name)\(own)"
    }

    /// Ends all and removes their folders.
    public func stop() {
        for sentinel in sentinels { sentinel.stop() }
        for server in servers { server.stop() }
    }
}
