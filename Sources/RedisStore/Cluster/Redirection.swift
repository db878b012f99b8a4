/// An error by which a server of a Cluster says: not here, or not now (Redis Cluster specification, "Redirection and
/// resharding"). The command was not run.
struct Redirection: Hashable, Sendable {
    enum Kind: String, CaseIterable, Sendable {
        /// The slot is another server's.
        case moved
        /// The slot is moving, and the command's keys are at the other server already, or nowhere.
        case ask
        /// The slot is moving, and only some of the command's keys are at this server.
        case tryAgain = "try_again"
    }

    let kind: Kind
    /// Where to go; nil for `tryAgain`.
    let server: RedisAddress?

    /// - Parameter answering: The server that gave the error. One that does not know what it is called from outside names
    ///   another by the port alone.
    /// - Returns: nil for other errors.
    init?(_ message: String, from answering: RedisAddress) {
        let words = message.split(separator: " ")
        switch words.first {
        case "MOVED": kind = .moved
        case "ASK": kind = .ask
        case "TRYAGAIN":
            (kind, server) = (.tryAgain, nil)
            return
        default: return nil
        }
        // The last colon: an IPv6 address comes without brackets.
        guard words.count == 3, let colon = words[2].lastIndex(of: ":"),
            let port = Int(words[2][words[2].index(after: colon)...]), 1...65535 ~= port
        else { return nil }
        let host = words[2][..<colon]
        guard host != "?" else { return nil }
        server = RedisAddress(host: host.isEmpty ? answering.host : String(host), port: port)
    }
}
