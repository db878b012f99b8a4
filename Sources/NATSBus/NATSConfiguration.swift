import Core

/// How to reach NATS and how much to ask of it.
public struct NATSConfiguration: Sendable {
    /// One `host:port` of `APUS_NATS_URL`.
    public struct Server: Hashable, Sendable {
        /// A name or an address; an IPv6 address in its brackets.
        public var host: String
        public var port: Int
        var url: String { "nats://\(host):\(port)" }
    }

    /// How the node proves who it is.
    public enum Credentials: Hashable, Sendable {
        case none
        case password(user: String, password: String)
        case token(String)
        /// A `.creds` file: a user's JWT and its nkey seed.
        case file(String)
    }

    /// From `APUS_NATS_URL`, in its order; at least one.
    public private(set) var servers: [Server]
    public var credentials: Credentials
    /// TLS with verification of the server's name: on with `tls://`, or when `caFile` is set.
    public var usesTLS: Bool
    /// PEM file of the authorities to trust; nil means the system's.
    public var caFile: String?
    /// What the server's connection list shows: `apus-<node>`.
    public var node = "apus"

    /// Whether this node takes from the durable stream: its acknowledgements get a connection of their own (ADR 15).
    public var consumes = true

    /// Copies of a stream that Apus creates, 1...5; an existing stream keeps its own.
    public var replicas = 1
    /// How long `connect` keeps trying before it throws.
    public var startMilliseconds = 30_000
    /// How long one server may take to accept a connection.
    public var connectMilliseconds = 2_000
    /// How long JetStream may take to answer `publishDurable` and requests about streams.
    public var jetStreamMilliseconds = Limits.storeDeadlineMilliseconds
    /// How long a message of the durable stream may stay unsettled before it is handed out again.
    public var ackWaitMilliseconds = 30_000
    /// Unsettled messages that all nodes together may hold; JetStream stops handing out past it.
    public var ackPendingMax = 16_384

    /// Time between pings to the server. With `pingsOutMax` it bounds how long a black hole goes unnoticed:
    /// `pingMilliseconds * (pingsOutMax + 1)`.
    public var pingMilliseconds = 2_000
    public var pingsOutMax = 2
    /// A write that the server has not taken by then ends the connection, so that no thread waits for a stuck server.
    public var writeMilliseconds = 2_000
    /// The longest pause between two attempts to get back; G11 allows 5 s for the whole recovery.
    public var reconnectMillisecondsMax = 1_000

    /// What may wait for the socket; beyond either, publishing drops and counts (G11: no unbounded queue).
    public var outboxMessagesMax = 65_536
    public var outboxBytesMax = 32 * 1024 * 1024
    /// Messages of one subscription that may wait for its handler; beyond it the library drops them (`.messagesLost`).
    public var undeliveredMax = 65_536
    /// Requests and durable publishes that may wait for their answers; the next one fails at once.
    public var requestsMax = 16_384

    /// - Parameter urls: `APUS_NATS_URL`: `nats://[user:password@|token@]host[:port]` or `tls://…`, several with commas.
    ///   User and password may be percent-encoded. Credentials in one URL are used for all servers.
    /// - Throws: `.configuration`, with the value redacted.
    public init(urls: String) throws(NATSBusError) {
        servers = []
        credentials = .none
        usesTLS = false
        for part in urls.split(separator: ",", omittingEmptySubsequences: true) {
            try add(part.drop { $0 == " " }, of: urls)
        }
        guard !servers.isEmpty else { throw Self.bad("it names no server", urls) }
    }

    /// The setting as it may stand in logs.
    public var redacted: String {
        let secret =
            switch credentials {
            case .none, .file: ""
            case .password, .token: "***@"
            }
        let scheme = usesTLS ? "tls" : "nats"
        return "APUS_NATS_URL=" + servers.map { "\(scheme)://\(secret)\($0.host):\($0.port)" }.joined(separator: ",")
    }

    // MARK: Reading the URLs

    private mutating func add(_ text: Substring, of whole: String) throws(NATSBusError) {
        var rest = Substring(text.reversed().drop { $0 == " " }.reversed())
        if rest.hasPrefix("nats://") {
            rest = rest.dropFirst(7)
        } else if rest.hasPrefix("tls://") {
            rest = rest.dropFirst(6)
            usesTLS = true
        } else if rest.contains("://") {
            throw Self.bad("the scheme must be nats:// or tls://", whole)
        }
        if let at = rest.lastIndex(of: "@") {
            let found = try Self.credentials(rest[..<at], of: whole)
            guard credentials == .none || credentials == found else {
                throw Self.bad("all servers must have the same credentials", whole)
            }
            credentials = found
            rest = rest[rest.index(after: at)...]
        }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        servers.append(try Self.server(rest, of: whole))
    }

    private static func server(_ text: Substring, of whole: String) throws(NATSBusError) -> Server {
        var host = text
        var port = 4222
        let afterAddress = text.lastIndex(of: "]") ?? text.startIndex
        if let colon = text[afterAddress...].lastIndex(of: ":") {
            guard let number = Int(text[text.index(after: colon)...]), (1...65535).contains(number) else {
                throw bad("the port must be a number from 1 to 65535", whole)
            }
            port = number
            host = text[..<colon]
        }
        let fits = host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "@") }
        guard !host.isEmpty, host.utf8.count <= 255, fits else { throw bad("a host is missing or not a name", whole) }
        return Server(host: String(host), port: port)
    }

    private static func credentials(_ text: Substring, of whole: String) throws(NATSBusError) -> Credentials {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        var decoded: [String] = []
        for part in parts {
            guard let value = PercentEncoding.decoded(part), !value.isEmpty, value.utf8.allSatisfy({ $0 >= 0x20 })
            else {
                throw bad("the user, password or token before the @ is empty or not percent-encoded", whole)
            }
            decoded.append(value)
        }
        return decoded.count == 2 ? .password(user: decoded[0], password: decoded[1]) : .token(decoded[0])
    }

    private static func bad(_ why: String, _ whole: String) -> NATSBusError {
        NATSBusError(
            .configuration,
            "APUS_NATS_URL=\(redact(whole)): \(why); write nats://[user:password@]host:port, several with commas")
    }

    /// Hides what stands between a scheme (or a comma) and the last `@` of each part.
    static func redact(_ urls: String) -> String {
        urls.split(separator: ",", omittingEmptySubsequences: false).map { part in
            guard let at = part.lastIndex(of: "@") else { return String(part) }
            let scheme = part.firstRange(of: "://").map { part[..<$0.upperBound] } ?? ""
            return scheme + "***" + part[at...]
        }.joined(separator: ",")
    }
}
