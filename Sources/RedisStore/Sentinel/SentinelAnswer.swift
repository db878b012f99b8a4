/// What a sentinel answers to the two questions that are sent to it together.
///
/// `SENTINEL MASTER` has the epoch, but the sentinel that leads a fail-over names the old master in it until all replicas
/// follow; `SENTINEL GET-MASTER-ADDR-BY-NAME` names the new one as soon as it is promoted, when the epoch is new too.
enum SentinelAnswer {
    static func questions(_ name: String) -> [RedisArguments] {
        [RedisArguments("SENTINEL", "MASTER", name), RedisArguments("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)]
    }

    /// - Throws: Why these answers say nothing, with the fix.
    static func vote(
        details: RedisReply, address: RedisReply, of name: String
    ) throws(RedisStartError) -> SentinelVotes.Vote {
        for case .error(let message) in [details, address] { throw refusal(message, name) }
        guard address != .null else { throw unknown(name) }
        guard let address = address.list, address.count == 2, let host = address[0].string, !host.isEmpty,
            let port = address[1].integer, 1...65535 ~= port, let epoch = epoch(details)
        else { throw .unreachable("SENTINEL MASTER was not answered with an address and an epoch") }
        return SentinelVotes.Vote(master: RedisAddress(host: host, port: Int(port)), epoch: epoch)
    }

    /// Names and values in turn.
    private static func epoch(_ details: RedisReply) -> Int64? {
        guard let fields = details.list else { return nil }
        for at in stride(from: 0, to: fields.count - 1, by: 2) where fields[at].string == "config-epoch" {
            return fields[at + 1].integer
        }
        return nil
    }

    private static func refusal(_ message: String, _ name: String) -> RedisStartError {
        let text = "the server says: \(message.prefix(160))"
        if message.contains("No such master") { return unknown(name) }
        switch RedisErrors.kind(message) {
        case "NOPERM":
            return RedisStartError(
                .refused, text, fix: "allow the sentinel's user +sentinel|master and +sentinel|get-master-addr-by-name")
        case "NOAUTH": return RedisStartError(.refused, text, fix: Self.loginFix)
        case "ERR":
            return RedisStartError(
                .configuration, text, fix: "name sentinels (their port is usually 26379), or use redis:// for a server")
        default: return .unreachable(text)
        }
    }

    private static func unknown(_ name: String) -> RedisStartError {
        RedisStartError(
            .unsuitable, "the sentinel watches no master called \(name)",
            fix: "put the name of 'sentinel monitor' after the hosts: redis+sentinel://host:26379/\(name)")
    }

    static let loginFix =
        "give the sentinels' own password at the end of the URL: ?sentinel_user=…&sentinel_password=…"
}
