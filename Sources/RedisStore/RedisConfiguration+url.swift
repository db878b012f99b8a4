import Core

extension RedisConfiguration {
    /// Reads `redis://[user:pass@]host[:port][/db]`, `redis+cluster://[user:pass@]host[:port],host[:port]…`, or
    /// `redis+sentinel://[user:pass@]host[:port],host[:port]…/master-name[?db=…&sentinel_user=…&sentinel_password=…]`;
    /// with `rediss` in front for TLS. What stands for a user, a password or a name is percent-decoded (RFC 3986 §2.1).
    ///
    /// - Throws: `RedisStartError` of kind `.configuration` that says what is wrong and never repeats the password.
    public init(url: String) throws(RedisStartError) {
        guard let separator = url.range(of: "://") else {
            throw .configuration("it does not begin with redis:// or rediss://", "write redis://host:6379")
        }
        var rest = url[separator.upperBound...]
        let (tls, form) = try Self.scheme(url[..<separator.lowerBound].lowercased())
        var query: Substring?
        if form == .sentinel, let mark = rest.firstIndex(of: "?") {
            query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        guard !rest.contains(where: { $0 == "?" || $0 == "#" }) else {
            throw .configuration(
                "it has a '?' or '#'", "leave parameters out; inside a password write %3F and %23")
        }
        // The last '@': a password with a bare '@' in it would otherwise end up in the host's name, and in the log.
        var login: (user: String?, password: String?) = (nil, nil)
        if let at = rest.lastIndex(of: "@") {
            login = try Self.login(rest[..<at])
            rest = rest[rest.index(after: at)...]
        }
        var path: Substring?
        if let slash = rest.firstIndex(of: "/") {
            path = rest[rest.index(after: slash)...]
            rest = rest[..<slash]
        }
        let hosts = form == .server ? [rest] : rest.split(separator: ",", omittingEmptySubsequences: false)
        var addresses: [RedisAddress] = []
        for host in hosts { addresses.append(try Self.address(host, port: form == .sentinel ? 26379 : 6379)) }
        self.init(
            host: addresses[0].host, port: addresses[0].port, username: login.user, password: login.password, tls: tls)
        if form != .server { seeds = addresses }
        switch form {
        case .server: database = try Self.database(path)
        case .cluster:
            let database = try Self.database(path)
            guard database == 0 else { throw .configuration("a Cluster has only database 0", "leave /\(database) out") }
        case .sentinel:
            let parameters = try SentinelParameters(query)
            database = parameters.database
            sentinel = RedisSentinel(
                master: try Self.masterName(path), username: parameters.user, password: parameters.password)
        }
    }

    /// What stands behind `://` names.
    private enum Form { case server, cluster, sentinel }

    private static func scheme(_ text: String) throws(RedisStartError) -> (tls: Bool, form: Form) {
        switch text {
        case "redis": return (false, .server)
        case "rediss": return (true, .server)
        case "redis+cluster": return (false, .cluster)
        case "rediss+cluster": return (true, .cluster)
        case "redis+sentinel": return (false, .sentinel)
        case "rediss+sentinel": return (true, .sentinel)
        default:
            throw .configuration(
                "its scheme is not known",
                "write redis://host:6379, redis+sentinel://h1,h2,h3/name or redis+cluster://h1,h2; rediss for TLS")
        }
    }

    private static func database(_ path: Substring?) throws(RedisStartError) -> Int {
        guard let path, !path.isEmpty else { return 0 }
        guard isNumber(path), let number = Int(path) else {
            throw .configuration("what follows the host is not a database number", "end it with /0")
        }
        return number
    }

    private static func masterName(_ path: Substring?) throws(RedisStartError) -> String {
        guard let path, let name = PercentEncoding.decoded(path), !name.isEmpty, !path.contains("/"),
            name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else {
            throw .configuration(
                "the master's name is missing",
                "put the name of 'sentinel monitor' after the hosts: redis+sentinel://h1:26379,h2:26379/name")
        }
        return name
    }

    private static func login(_ text: Substring) throws(RedisStartError) -> (user: String?, password: String?) {
        guard let colon = text.firstIndex(of: ":") else {
            throw .configuration("there is a user without a password", "write redis://user:password@host:6379")
        }
        guard let user = PercentEncoding.decoded(text[..<colon]),
            let password = PercentEncoding.decoded(text[text.index(after: colon)...])
        else {
            throw .configuration("user or password are not percent-encoded UTF-8", "write % as %25, @ as %40")
        }
        if password.isEmpty, !user.isEmpty {
            throw .configuration("there is a user without a password", "write redis://user:password@host:6379")
        }
        return (user.isEmpty ? nil : user, password.isEmpty ? nil : password)
    }

    private static func address(_ text: Substring, port standard: Int) throws(RedisStartError) -> RedisAddress {
        var host = text
        var port: Substring?
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else {
                throw .configuration("the address in brackets has no end", "write redis://[::1]:6379")
            }
            host = text[text.index(after: text.startIndex)..<end]
            let after = text[text.index(after: end)...]
            guard after.isEmpty || after.first == ":" else {
                throw .configuration("something stands between ']' and the port", "write redis://[::1]:6379")
            }
            port = after.isEmpty ? nil : after.dropFirst()
        } else if let colon = text.firstIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !host.contains(",") else {
            throw .configuration(
                "the host's name is missing or not one name", "write redis://host:6379, or redis+cluster://h1,h2")
        }
        guard let port else { return RedisAddress(host: String(host), port: standard) }
        guard isNumber(port), let number = Int(port), 1...65535 ~= number else {
            throw .configuration("the port is not a number from 1 to 65535", "write redis://host:6379")
        }
        return RedisAddress(host: String(host), port: number)
    }

    static func isNumber(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { 0x30...0x39 ~= $0 }
    }
}

/// What may stand behind the `?` of a Sentinel URL.
private struct SentinelParameters {
    var database = 0
    var user: String?
    var password: String?

    init(_ query: Substring?) throws(RedisStartError) {
        for parameter in query?.split(separator: "&") ?? [] {
            let parts = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[1].isEmpty, let value = PercentEncoding.decoded(parts[1]) else {
                throw .configuration(
                    "a parameter behind the '?' has no value, or one that is not percent-encoded UTF-8",
                    "write name=value, with % as %25 and & as %26")
            }
            switch parts[0] {
            case "db":
                guard RedisConfiguration.isNumber(parts[1]), let number = Int(value) else {
                    throw .configuration("db is not a database number", "write ?db=0")
                }
                database = number
            case "sentinel_user": user = value
            case "sentinel_password": password = value
            default:
                throw .configuration(
                    "a parameter behind the '?' is not known", "there are db, sentinel_user and sentinel_password")
            }
        }
        if user != nil, password == nil {
            throw .configuration("sentinel_user is there without sentinel_password", "add &sentinel_password=…")
        }
    }
}

extension String {
    /// The first place where `text` stands.
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
