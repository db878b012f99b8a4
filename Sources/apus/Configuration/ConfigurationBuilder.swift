import Core
import Foundation
import Gateway
import Logging

/// The rules between settings and a node's configuration.
struct ConfigurationBuilder {
    let values: SettingValues
    let devSecretsUse: LoadedConfiguration.DevSecretsUse

    private static let sessionsMax = 1_000_000
    private static let apiKeyBytesMin = 8

    func node() throws -> NodeConfiguration {
        let roles = try roles()
        let dev = try dev()
        var node = NodeConfiguration(auth: try auth(dev: dev, isRequired: roles.contains(.gateway)))
        node.roles = roles
        node.dev = dev.map {
            DevConfiguration(users: $0.users, secret: node.auth.hs256Secret ?? $0.secret, apiKey: $0.apiKey)
        }
        (node.listen, node.backendListen) = try listeners()
        node.tls = try tls()
        node.trustedProxies = try trustedProxies()
        node.origins = try origins()
        node.apiKeys = try apiKeys() ?? dev.map { [$0.apiKey] } ?? []
        if let first = node.apiKeys.first { node.dev?.apiKey = first }
        node.dataFolder = try values.text(.data) ?? node.dataFolder
        (node.redis, node.nats) = try servers()
        node.natsPrefix = try natsPrefix()
        node.node = try nodeID() ?? node.node
        node.threads = try values.number(.threads, in: 0...1024)
        node.schedulesInBatches = try schedulesInBatches()
        node.sessionsPerUser = try values.number(.sessionsPerUser, in: 0...Self.sessionsMax)
        node.sessionsPerAddress = try values.number(.sessionsPerAddress, in: 0...Self.sessionsMax)
        node.connectsPerSecond = try values.number(.connectsPerSecond, in: 0...Self.sessionsMax)
        node.drainPerSecond = try values.number(.drainPerSecond, in: 1...Self.sessionsMax)
        node.drainSeconds = try values.number(.drainSeconds, in: 5...3600)
        node.groupFanOut = try values.number(.groupFanOut, in: 1...Limits.groupMembersMax)
        node.pingSeconds = try values.number(.pingSeconds, in: 1...3600)
        return node
    }

    func log() throws -> (Logger.Level, LogFormat) {
        guard let level = Logger.Level(rawValue: try values.text(.logLevel)?.lowercased() ?? "info") else {
            let names = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            throw values.problem(.logLevel, "is no log level", "give one of \(names)")
        }
        guard let format = LogFormat(rawValue: try values.text(.logFormat)?.lowercased() ?? "json") else {
            throw values.problem(.logFormat, "is no log format", "give json or text")
        }
        let isDevDefault = try values.flag(.dev) && !values.isGiven(.logFormat)
        return (level, isDevDefault ? .text : format)
    }

    // MARK: Listening

    private func listeners() throws -> (ListenAddress, ListenAddress) {
        var listen = try address(.listen)
        // Tokens of the demo users are handed to whoever opens the page.
        if try values.flag(.dev), try !values.isGiven(.listen) { listen.host = "127.0.0.1" }
        let backend = try address(.backendListen)
        if listen == backend, listen.port != 0 {
            throw values.problem(
                .backendListen, "is the same as \(Setting.listen.variable)", "give them different ports")
        }
        return (listen, backend)
    }

    private func address(_ setting: Setting) throws -> ListenAddress {
        guard let address = ListenAddress(parsing: try values.text(setting) ?? "") else {
            throw values.problem(setting, "is no address to listen on", "write it as 0.0.0.0:8080, [::1]:8080 or :8080")
        }
        return address
    }

    private func tls() throws -> TLSFiles? {
        let (certificate, key) = (try values.file(.tlsCertificate), try values.file(.tlsKey))
        switch (certificate, key) {
        case (let certificate?, let key?): return TLSFiles(certificate: certificate, privateKey: key)
        case (nil, nil): return nil
        case (_?, nil): throw missingPartner(.tlsCertificate, .tlsKey, "TLS needs both")
        case (nil, _?): throw missingPartner(.tlsKey, .tlsCertificate, "TLS needs both")
        }
    }

    private func trustedProxies() throws -> [AddressRange] {
        try (values.list(.trustedProxies) ?? []).map { text in
            guard let range = AddressRange(text) else {
                throw values.problem(
                    .trustedProxies, "has \(text.debugDescription), which is no address or range",
                    "write 10.0.0.0/8 or 192.0.2.7")
            }
            return range
        }
    }

    private func origins() throws -> [String]? {
        guard let origins = try values.list(.origins) else { return nil }
        for origin in origins where !Self.isOrigin(origin) {
            let fix =
                "write it as browsers send it, such as https://example.org, or leave the setting unset to allow any"
            throw values.problem(.origins, "has \(origin.debugDescription), which is no origin", fix)
        }
        return origins
    }

    /// Scheme, host and perhaps port, and no slash after them (RFC 6454 §6.2).
    private static func isOrigin(_ text: String) -> Bool {
        guard let colon = text.range(of: "://"), colon.lowerBound > text.startIndex else { return text == "null" }
        let host = text[colon.upperBound...]
        return !host.isEmpty && !host.contains { "/?# *".contains($0) }
    }

    // MARK: Servers

    /// Where the data is: for commands that work beside nodes. Their log is for people unless something else is set.
    func stores() throws -> StoreSettings {
        let (level, format) = try log()
        return StoreSettings(
            dataFolder: try values.text(.data) ?? "./data", redis: try servers().0, logLevel: level,
            logFormat: try values.isGiven(.logFormat) ? format : .text)
    }

    private func servers() throws -> (RedisSettings?, NATSSettings?) {
        let (redis, nats) = (try values.text(.redisURL), try values.text(.natsURL))
        if redis != nil, nats == nil {
            throw missingPartner(.redisURL, .natsURL, "several nodes need both, one embedded node neither")
        }
        if redis == nil, nats != nil {
            throw missingPartner(.natsURL, .redisURL, "several nodes need both, one embedded node neither")
        }
        let durability = try durability()
        guard let redis, let nats else { return (nil, nil) }
        let schemes = ["redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"]
        guard Self.has(redis, schemes: schemes) else {
            throw values.problem(
                .redisURL, "is no Redis URL",
                "write redis://host:6379, redis+sentinel://h1,h2,h3/name or redis+cluster://h1,h2; rediss for TLS")
        }
        guard nats.split(separator: ",").allSatisfy({ Self.has(String($0), schemes: ["nats", "tls"]) }) else {
            throw values.problem(.natsURL, "is no list of NATS URLs", "write nats://host:4222, several with commas")
        }
        return (
            RedisSettings(
                url: redis, certificateAuthority: try values.file(.redisCA), durability: durability),
            NATSSettings(
                url: nats, certificateAuthority: try values.file(.natsCA), credentials: try values.file(.natsCreds),
                replicas: try values.number(.natsReplicas, in: 1...5))
        )
    }

    private func schedulesInBatches() throws -> Bool {
        switch try values.text(.scheduling) {
        case "batch", nil: return true
        case "normal": return false
        default: throw values.problem(.scheduling, "is no scheduling", "give batch or normal")
        }
    }

    private func durability() throws -> Durability {
        guard let durability = Durability(rawValue: try values.text(.durability) ?? "") else {
            throw values.problem(.durability, "is no durability", "give standard or strict")
        }
        return durability
    }

    private static func has(_ url: String, schemes: [String]) -> Bool {
        schemes.contains { url.lowercased().hasPrefix($0 + "://") && url.utf8.count > $0.utf8.count + 3 }
    }

    private func natsPrefix() throws -> String {
        let prefix = try values.text(.natsPrefix) ?? "apus"
        guard Self.token.matches(prefix.utf8, lengths: 1...32) else {
            throw values.problem(
                .natsPrefix, "is no single token of a subject", "give 1 to 32 characters of [A-Za-z0-9_-]")
        }
        return prefix
    }

    private static let token = ASCIISet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")

    // MARK: The node

    private func nodeID() throws -> String? {
        guard let id = try values.text(.node) else { return nil }
        guard Incarnation(newOf: id) != nil else {
            throw values.problem(.node, "is no node id", "give 1 to \(Limits.nodeBytesMax) characters of [A-Za-z0-9_-]")
        }
        return id
    }

    private func roles() throws -> Set<NodeRole> {
        let roles = try (values.list(.roles) ?? []).map { text in
            guard let role = NodeRole(rawValue: text) else {
                throw values.problem(
                    .roles, "has \(text.debugDescription), which is no role", "give gateway, notifier or both")
            }
            return role
        }
        return Set(roles)
    }

    private func apiKeys() throws -> [String]? {
        guard let keys = try values.list(.apiKeys) else { return nil }
        for key in keys {
            guard key.utf8.count >= Self.apiKeyBytesMin else {
                throw values.problem(
                    .apiKeys, "has a key of fewer than \(Self.apiKeyBytesMin) bytes",
                    "make a random one: openssl rand -hex 24")
            }
            guard key.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else {
                throw values.problem(
                    .apiKeys, "has a key that no header can carry", "use visible ASCII characters only")
            }
        }
        return keys
    }

    func missingPartner(_ given: Setting, _ missing: Setting, _ why: String) -> ConfigurationError {
        let origin = try? values.sources.find(given)?.origin
        let name = (origin ?? .standard).name(of: given)
        let other = origin == .flag ? missing.flag : missing.variable
        return ConfigurationError("\(name) is set and \(other) is not: \(why); set \(other) or unset \(name)")
    }
}

extension ListenAddress {
    /// `host:port`, `[ipv6]:port` or `:port` for all interfaces.
    init?(parsing text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let port = Int(digits), port <= 65535
        else { return nil }
        var host = String(text[..<colon])
        if host.isEmpty {
            host = "0.0.0.0"
        } else if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard host.contains(":"), AddressRange(host) != nil else { return nil }
        } else {
            guard host.utf8.allSatisfy({ Self.nameBytes.contains($0) }) else { return nil }
        }
        self.init(host: host, port: port)
    }

    private static let nameBytes = ASCIISet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-")
}
