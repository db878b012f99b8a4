import Core

/// Everything that one node is told (PROTOCOL §6): plain values, checked once at start.
///
/// The executable makes it from flags, environment and file; tests make it directly. The defaults are the documented ones.
public struct NodeConfiguration: Sendable {
    /// The public listener: `/ws`, `/healthz`, `/readyz`.
    public var listen = ListenAddress(host: "0.0.0.0", port: 8080)
    /// The backend API and the metrics.
    public var backendListen = ListenAddress(host: "127.0.0.1", port: 8081)
    /// TLS of the public listener; nil means plain.
    public var tls: TLSFiles?

    public var auth: AuthConfiguration
    /// Keys of backends. When empty, the backend API answers 401 to everything but health and metrics.
    public var apiKeys: [String] = []
    /// Exact `Origin` values that may connect; nil means any.
    public var origins: [String]?
    /// Proxies whose `X-Forwarded-For` names the client; nobody else's header counts.
    public var trustedProxies: [AddressRange] = []

    /// Sessions of one user; 0 means no limit.
    public var sessionsPerUser = Limits.sessionsPerUser
    /// Sessions of one client address; 0 means no limit.
    public var sessionsPerAddress = Limits.sessionsPerAddress
    /// New sessions per second that the node takes in, for each of its event loops; 0 means no limit.
    public var connectsPerSecond = Limits.connectsPerSecond
    /// Sessions per second that go in a drain, at least; more when they would not be gone in time.
    public var drainPerSecond = Limits.drainPerSecond
    /// How long a drain may take in all, in seconds; 5...3600.
    public var drainSeconds = Limits.drainSeconds
    /// Members up to which a group's messages are written into every member's timeline, 1...`Limits.groupMembersMax`.
    public var groupFanOut = Limits.groupFanOutMax
    /// Seconds between server pings, 1...3600.
    public var pingSeconds = Limits.pingSeconds

    /// The node's id, `[A-Za-z0-9_-]{1,48}`.
    public var node = "n-" + RandomToken.make(length: 8)
    public var roles: Set<NodeRole> = Set(NodeRole.allCases)
    /// Event loop threads; 0 means one per core.
    public var threads = 0
    /// Whether threads that are woken leave the processor to those that run (ADR 21).
    public var schedulesInBatches = true

    /// The folder of the embedded store; also holds `dev-secrets.json` in dev mode.
    public var dataFolder = "./data"
    /// Redis and NATS are both configured or both nil (embedded).
    public var redis: RedisSettings?
    public var nats: NATSSettings?
    /// First token of every NATS subject. Also used by the in-process bus.
    public var natsPrefix = "apus"

    /// Set by `--dev`: the demo page and its users.
    public var dev: DevConfiguration?

    public init(auth: AuthConfiguration) {
        self.auth = auth
    }

    /// Whether the node keeps its data itself instead of in Redis and NATS.
    public var isEmbedded: Bool { redis == nil }
}

/// What a node does; both by default.
public enum NodeRole: String, Sendable, CaseIterable, Hashable {
    /// Holds sockets.
    case gateway
    /// Consumes the durable stream and fans out.
    case notifier
}

/// Where to listen. Port 0 asks the kernel for a free one.
public struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// A numeric address or a name, IPv6 without brackets; `::` and `0.0.0.0` mean all interfaces.
    public var host: String
    /// 0...65535.
    public var port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Paths of PEM files, read again on SIGHUP.
public struct TLSFiles: Hashable, Sendable {
    public var certificate: String
    public var privateKey: String

    public init(certificate: String, privateKey: String) {
        self.certificate = certificate
        self.privateKey = privateKey
    }
}

/// When what is stored counts as stored (`APUS_DURABILITY`). The embedded store always syncs its disk first.
public enum Durability: String, CaseIterable, Sendable {
    /// When Redis's master has it.
    case standard
    /// When a replica has it too.
    case strict
}

public struct RedisSettings: Sendable {
    /// `redis://`, `redis+sentinel://`, `redis+cluster://`, or one of them with `rediss`; may hold a password, so never
    /// log it.
    public var url: String
    /// Path of the CA certificates (PEM) for `rediss://`; nil means the system's.
    public var certificateAuthority: String?

    public var durability: Durability

    public init(url: String, certificateAuthority: String? = nil, durability: Durability = .standard) {
        self.url = url
        self.certificateAuthority = certificateAuthority
        self.durability = durability
    }
}

public struct NATSSettings: Sendable {
    /// `nats://` or `tls://`, several with commas; may hold a password, so never log it.
    public var url: String
    /// Path of the CA certificates (PEM); nil means the system's.
    public var certificateAuthority: String?
    /// Path of a NATS credentials file; nil means none.
    public var credentials: String?
    /// Copies of the streams that the node creates.
    public var replicas: Int

    public init(url: String, certificateAuthority: String? = nil, credentials: String? = nil, replicas: Int = 1) {
        self.url = url
        self.certificateAuthority = certificateAuthority
        self.credentials = credentials
        self.replicas = replicas
    }
}

/// What `--dev` adds to a node: the page at `/` shows these users and their tokens to whoever asks.
public struct DevConfiguration: Sendable {
    /// Demo users whose tokens the page may use.
    public var users: [UserID]
    /// The HS256 secret of this data folder; tokens for the page are made with it.
    public var secret: String
    /// The API key of this data folder, which the page uses to publish a notification.
    public var apiKey: String

    public init(users: [UserID], secret: String, apiKey: String) {
        self.users = users
        self.secret = secret
        self.apiKey = apiKey
    }
}
