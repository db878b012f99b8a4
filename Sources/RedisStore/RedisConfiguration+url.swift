import Core

extension RedisConfiguration {
    /// Reads `redis://[user:pass@]host[:port][/db]`, or `redis+cluster://[user:pass@]host[:port],host[:port]…`; with
    /// `rediss` in front for TLS. User and password are percent-decoded (RFC 3986 §2.1).
    ///
    /// - Throws: `RedisStartError` of kind `.configuration` that says what is wrong and never repeats the password.
    public init(url: String) throws(RedisStartError) {
        guard let separator = url.range(of: "://") else {
            throw .configuration("it does not begin with redis:// or rediss://", "write redis://host:6379")
        }
        var rest = url[separator.upperBound...]
        let (tls, isCluster) = try Self.scheme(url[..<separator.lowerBound].lowercased())
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
        var database = 0
        if let slash = rest.firstIndex(of: "/") {
            let text = rest[rest.index(after: slash)...]
            guard text.isEmpty || Self.isNumber(text), let number = text.isEmpty ? 0 : Int(text) else {
                throw .configuration("what follows the host is not a database number", "end it with /0")
            }
            database = number
            rest = rest[..<slash]
        }
        let hosts = isCluster ? rest.split(separator: ",", omittingEmptySubsequences: false) : [rest]
        var addresses: [RedisAddress] = []
        for host in hosts { addresses.append(try Self.address(host)) }
        self.init(
            host: addresses[0].host, port: addresses[0].port, username: login.user, password: login.password,
            database: database, tls: tls)
        guard isCluster else { return }
        guard database == 0 else { throw .configuration("a Cluster has only database 0", "leave /\(database) out") }
        seeds = addresses
    }

    private static func scheme(_ text: String) throws(RedisStartError) -> (tls: Bool, isCluster: Bool) {
        switch text {
        case "redis": return (false, false)
        case "rediss": return (true, false)
        case "redis+cluster": return (false, true)
        case "rediss+cluster": return (true, true)
        case "redis+sentinel", "rediss+sentinel":
            throw .configuration("\(text):// comes with the fleet release", "use redis:// or redis+cluster:// for now")
        default:
            throw .configuration(
                "its scheme is not known", "write redis://host:6379, rediss:// for TLS or redis+cluster://h1,h2")
        }
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

    private static func address(_ text: Substring) throws(RedisStartError) -> RedisAddress {
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
        guard let port else { return RedisAddress(host: String(host), port: 6379) }
        guard isNumber(port), let number = Int(port), 1...65535 ~= number else {
            throw .configuration("the port is not a number from 1 to 65535", "write redis://host:6379")
        }
        return RedisAddress(host: String(host), port: number)
    }

    private static func isNumber(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { 0x30...0x39 ~= $0 }
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
