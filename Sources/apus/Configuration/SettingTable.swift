import Core
import Gateway

/// Every setting there is (PROTOCOL §6). `--help`, `check-config`, the documentation and the check for unknown names
/// are made from this table.
extension Setting {
    static let config = Setting(
        "config", about: "A YAML or JSON file with settings, by its extension (.yaml, .yml, .json).")
    static let dev = Setting(
        "dev", .flag, default: "false",
        about:
            "Needs nothing else: a secret and an API key of its own, the demo page, tokens for two demo users; listens on 127.0.0.1."
    )

    static let listen = Setting(
        "listen", default: "0.0.0.0:8080",
        about:
            "Public listener: /ws, /healthz, /readyz, and the demo page with --dev, where the default is 127.0.0.1:8080. Port 0 takes a free one."
    )
    static let backendListen = Setting("backend.listen", default: "127.0.0.1:8081", about: "Backend API and metrics.")
    static let tlsCertificate = Setting(
        "tls.cert", about: "Certificate chain (PEM) of the public listener; with tls.key. Read again on SIGHUP.")
    static let tlsKey = Setting("tls.key", about: "Private key (PEM) of the public listener.")
    static let trustedProxies = Setting(
        "trusted.proxies", .list,
        about: "Addresses and CIDR ranges of proxies whose X-Forwarded-For names the client. Unset: none.")
    static let origins = Setting(
        "origins", .list, about: "Exact Origin values that may connect, such as https://example.org. Unset: any.")

    static let data = Setting("data", default: "./data", about: "Folder of the embedded store.")
    static let redisURL = Setting(
        "redis.url", .text, shown: .url,
        about:
            "redis://[user:pass@]host:port[/db], redis+sentinel://[user:pass@]h1:p1,h2:p2/master-name with the sentinels, or redis+cluster://[user:pass@]h1:p1,h2:p2 with some servers of a Cluster; rediss for TLS (docs/redis.md); with nats.url. Unset: embedded."
    )
    static let redisCA = Setting(
        "redis.ca", about: "CA certificates (PEM) for rediss. Unset: the system's.")
    static let durability = Setting(
        "durability", default: Durability.standard.rawValue,
        about:
            "standard: a write counts when Redis's master has it; strict: when a replica has it too (WAIT 1), and the node starts only with appendfsync always and a replica. The embedded store always syncs first."
    )
    static let natsURL = Setting(
        "nats.url", .text, shown: .url,
        about: "nats://host:port, several with commas; with redis.url. Unset: in-process bus.")
    static let natsPrefix = Setting("nats.prefix", default: "apus", about: "First token of every subject.")
    static let natsCA = Setting("nats.ca", about: "CA certificates (PEM) for tls://. Unset: the system's.")
    static let natsCreds = Setting("nats.creds", about: "NATS credentials file (.creds).")
    static let natsReplicas = Setting(
        "nats.replicas", .number, default: "1",
        about: "Copies of the streams that Apus creates, 1 to 5: 3 on a cluster of three. Existing streams keep theirs."
    )

    static let node = Setting("node", about: "The node's id, [A-Za-z0-9_-]{1,48}. Unset: random.")
    static let roles = Setting(
        "roles", .list, default: "gateway,notifier",
        about: "What this node does: gateway holds sockets, notifier consumes APUS_IN.")
    static let threads = Setting(
        "threads", .number, default: "0",
        about: "Event loop threads; 0 means one per processor that the process may run on.")
    static let scheduling = Setting(
        "scheduling", default: "batch",
        about:
            "batch (Linux): threads do not take the processor from each other, which a loaded node gains by; or normal."
    )

    static let secret = Setting(
        "auth.hs256.secret", .text, shown: .secret,
        about: "Shared secret of HS256 tokens: its raw bytes, at least 32. This or auth.jwks is required.")
    static let secretKeyID = Setting(
        "auth.hs256.kid", about: "The kid that HS256 tokens may have. Unset: those with a kid are refused.")
    static let allowShortSecret = Setting(
        "auth.allow.short.secret", .flag, default: "false",
        about: "Accepts a secret below 32 bytes, for a platform whose secret cannot be changed today.")
    static let jwks = Setting(
        "auth.jwks", shown: .url,
        about: "Key set for RS256, ES256 and EdDSA tokens: https URL, or path of a file (read again on SIGHUP).")
    static let userClaim = Setting("auth.user.claim", default: "sub", about: "Claim that names the user.")
    static let issuer = Setting("auth.issuer", about: "What iss must be. Unset: not checked.")
    static let audience = Setting("auth.audience", about: "What aud must be or contain. Unset: not checked.")
    static let queryToken = Setting(
        "auth.query.token", .flag, default: "false",
        about: "Accepts ?token= in the handshake. URLs end up in logs of proxies.")
    static let apiKeys = Setting(
        "api.keys", .list, shown: .secret,
        about: "Keys of backends, at least 8 bytes each. Unset: the backend API answers 401, except health and metrics."
    )

    static let sessionsPerUser = Setting(
        "sessions.per.user", .number, default: "\(Limits.sessionsPerUser)",
        about: "Sessions of one user; the oldest is closed. 0 means no limit.")
    static let sessionsPerAddress = Setting(
        "sessions.per.address", .number, default: "\(Limits.sessionsPerAddress)",
        about: "Sessions of one client address. 0 means no limit.")
    static let connectsPerSecond = Setting(
        "connects.per.second", .number, default: "\(Limits.connectsPerSecond)",
        about:
            "New sessions per second for each event loop. More wait for their turn, at most 3 s; the surplus is answered 503 with Retry-After. 0 means no limit."
    )
    static let drainPerSecond = Setting(
        "drain.per.second", .number, default: "\(Limits.drainPerSecond)",
        about: "Sessions per second that a node sends away when it stops; more when drain.seconds would not be enough.")
    static let drainSeconds = Setting(
        "drain.seconds", .number, default: "\(Limits.drainSeconds)",
        about:
            "How long a stop may take in all, 5 to 3600. A supervisor that kills (terminationGracePeriodSeconds, TimeoutStopSec) must wait longer."
    )
    static let groupFanOut = Setting(
        "group.fanout", .number, default: "\(Limits.groupFanOutMax)",
        about:
            "Members up to which a group's messages are written into every member's timeline; larger groups read the log. The same on all nodes."
    )
    static let pingSeconds = Setting(
        "ping.seconds", .number, default: "\(Limits.pingSeconds)",
        about: "Seconds between pings, 1 to 3600; a session without a sign of life for 2.4 times that is closed.")

    static let logLevel = Setting(
        "log.level", default: "info", about: "trace, debug, info, notice, warning, error or critical.")
    static let logFormat = Setting(
        "log.format", default: "json", about: "json, or text, which is the default with --dev.")

    /// In the order in which they are shown.
    static let all: [Setting] = [
        config, dev, listen, backendListen, tlsCertificate, tlsKey, trustedProxies, origins,
        data, redisURL, redisCA, durability, natsURL, natsPrefix, natsCA, natsCreds, natsReplicas, node, roles, threads,
        scheduling,
        secret, secretKeyID, allowShortSecret, jwks, userClaim, issuer, audience, queryToken, apiKeys,
        sessionsPerUser, sessionsPerAddress, connectsPerSecond, drainPerSecond, drainSeconds, groupFanOut, pingSeconds,
        logLevel, logFormat,
    ]

    /// For `--help`: every flag with its meaning and default, and the names elsewhere.
    static let help: String = {
        let entries = all.map { setting in
            let standard = setting.standard.map { setting.kind == .flag ? "" : " Default: \($0)." } ?? ""
            let value = setting.kind == .flag ? "" : " <value>"
            return setting.flag + value + "\n" + wrapped(setting.about + standard, indent: 6, width: 78)
        }
        return """
            Settings are read from flags, then the environment, then the file. The names are the same in each: --redis-url, \
            APUS_REDIS_URL, redis.url. An empty value counts as not given.

            \(entries.joined(separator: "\n"))
            """
    }()

    /// For docs/configuration.md.
    static let markdown: String = {
        let rows = all.map { setting in
            let standard = setting.standard.map { "`\($0)`" } ?? ""
            let about = setting.about.replacing("|", with: "\\|").replacing("<", with: "&lt;")
            return "| `\(setting.variable)` | `\(setting.flag)` | `\(setting.name)` | \(standard) | \(about) |\n"
        }
        return "| environment | flag | file | default | |\n|---|---|---|---|---|\n" + rows.joined()
    }()

    private static func wrapped(_ text: String, indent: Int, width: Int) -> String {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, indent + last.count + 1 + word.count <= width {
                lines[lines.count - 1] += " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines.map { String(repeating: " ", count: indent) + $0 }.joined(separator: "\n")
    }
}
