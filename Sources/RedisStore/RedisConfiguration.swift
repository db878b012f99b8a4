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

/// Which master Redis Sentinel is asked for, and how the sentinels let one in (`redis+sentinel://`).
public struct RedisSentinel: Hashable, Sendable {
    /// What `sentinel monitor` calls it.
    public var master: String
    /// nil: the default user.
    public var username: String?
    /// The sentinels' own; nil: they ask for none.
    public var password: String?

    public init(master: String, username: String? = nil, password: String? = nil) {
        self.master = master
        self.username = username
        self.password = password
    }
}

/// When a write counts as stored (`APUS_DURABILITY`).
public enum RedisDurability: Sendable {
    /// When the master has it.
    case standard
    /// When a replica has it too (`WAIT 1`).
    case strict
}

/// Where Redis is and how to be let in (`APUS_REDIS_URL`, PROTOCOL §6).
public struct RedisConfiguration: Sendable, Equatable, CustomStringConvertible {
    public var host: String
    public var port: Int
    /// Servers of a Cluster (`redis+cluster://`): any of them tells where all are; or the sentinels, which tell where the
    /// master is (`redis+sentinel://`). Empty: `host` and `port` are the only server.
    public var seeds: [RedisAddress] = []
    /// Set when `seeds` are sentinels.
    public var sentinel: RedisSentinel?
    /// nil: the default user.
    public var username: String?
    public var password: String?
    public var database: Int
    /// TLS from the first byte (`rediss://`).
    public var tls: Bool
    /// PEM file with the authorities that may have signed the server's certificate; nil: those of the system.
    public var authorityFile: String?
    public var durability = RedisDurability.standard
    /// Strict: how long a replica may take to have a write, before the write counts as `.unknown`.
    public var confirmMilliseconds = Limits.redisConfirmMilliseconds
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
        let hosts = seeds.map(\.description).joined(separator: ",")
        if let sentinel { return "\(scheme)+sentinel://\(login)\(hosts)/\(sentinel.master)" }
        return isCluster ? "\(scheme)+cluster://\(login)\(hosts)" : "\(scheme)://\(login)\(address)/\(database)"
    }

    public var isCluster: Bool { !seeds.isEmpty && sentinel == nil }

    var address: RedisAddress { RedisAddress(host: host, port: port) }

    /// The same for one server of a Cluster, or the master that the sentinels name.
    func at(_ address: RedisAddress) -> RedisConfiguration {
        var configuration = self
        (configuration.host, configuration.port, configuration.seeds) = (address.host, address.port, [])
        configuration.sentinel = nil
        return configuration
    }

    /// The same for a question to a sentinel.
    func asking(_ sentinel: RedisSentinel) -> RedisConfiguration {
        var configuration = self
        (configuration.username, configuration.password) = (sentinel.username, sentinel.password)
        configuration.database = 0
        configuration.deadlineMilliseconds = Limits.redisMapQuestionMilliseconds
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
