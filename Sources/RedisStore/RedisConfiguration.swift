import Core

/// Where a server listens.
public struct RedisAddress: Hashable, Sendable, CustomStringConvertible {
    public var host: String
    public var port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    public var description: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Where Redis is and how to be let in (`APUS_REDIS_URL`, PROTOCOL §6).
public struct RedisConfiguration: Sendable, Equatable, CustomStringConvertible {
    public var host: String
    public var port: Int
    /// Servers of a Cluster (`redis+cluster://`): any of them tells where all are. Empty: `host` and `port` are the only
    /// server.
    public var seeds: [RedisAddress] = []
    /// nil: the default user.
    public var username: String?
    public var password: String?
    public var database: Int
    /// TLS from the first byte (`rediss://`).
    public var tls: Bool
    /// PEM file with the authorities that may have signed the server's certificate; nil: those of the system.
    public var authorityFile: String?
    /// How long one command may take before it counts as `.unknown`.
    public var deadlineMilliseconds = Limits.storeDeadlineMilliseconds
    /// Commands that may wait for their answers on one connection. At 35,000 scripts a second (DESIGN §3) these are
    /// half a second of work; more would only be answered too late.
    public var commandsInFlightMax = 20_000
    /// Bytes of those commands: bounds what a hanging server makes the node hold, per connection.
    public var bytesInFlightMax = 64 * 1024 * 1024
    /// The pauses between attempts to reconnect: random, between 0 and a bound that doubles from the first to the last.
    /// Small enough that a server that is back is used again well within 5 s (GUARANTEES G11).
    public var backoffMilliseconds = 50...2000

    public init(
        host: String, port: Int = 6379, username: String? = nil, password: String? = nil, database: Int = 0,
        tls: Bool = false, authorityFile: String? = nil
    ) {
        self.host = host
        self.port = port
        self.username = username
        self.password = password
        self.database = database
        self.tls = tls
        self.authorityFile = authorityFile
    }

    /// Without the password: this text stands in logs and errors.
    public var description: String {
        let login = password == nil ? "" : "\(username ?? ""):***@"
        let scheme = tls ? "rediss" : "redis"
        guard isCluster else { return "\(scheme)://\(login)\(address)/\(database)" }
        return "\(scheme)+cluster://\(login)\(seeds.map(\.description).joined(separator: ","))"
    }

    public var isCluster: Bool { !seeds.isEmpty }

    var address: RedisAddress { RedisAddress(host: host, port: port) }

    /// The same for one server of a Cluster.
    func at(_ address: RedisAddress) -> RedisConfiguration {
        var configuration = self
        (configuration.host, configuration.port, configuration.seeds) = (address.host, address.port, [])
        return configuration
    }

    /// When a command that is sent now must be answered.
    func deadline(_ now: UInt64) -> UInt64 { now + UInt64(deadlineMilliseconds) * 1_000_000 }
}

// Dumping a configuration must not show the password either.
extension RedisConfiguration: CustomDebugStringConvertible, CustomReflectable {
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["url": description]) }
}
