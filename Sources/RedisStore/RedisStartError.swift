/// Why a node cannot start with this Redis. The text names the setting, what is wrong and the fix; never a password.
public struct RedisStartError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// The setting itself is wrong: trying again is of no use.
        case configuration
        /// The server refuses the user or the password.
        case refused
        /// TLS could not be agreed on.
        case tls
        /// The server is one that Apus must not run on: too old, evicting, a replica.
        case unsuitable
        /// Nobody answered in time.
        case unreachable
    }

    public var kind: Kind
    public var problem: String
    public var fix: String
    /// The server, without its password; empty when the setting could not even be read.
    public var server: String

    public init(_ kind: Kind, _ problem: String, fix: String, server: String = "") {
        self.kind = kind
        self.problem = problem
        self.fix = fix
        self.server = server
    }

    static func configuration(_ problem: String, _ fix: String) -> RedisStartError {
        RedisStartError(.configuration, problem, fix: fix)
    }

    public var description: String {
        "APUS_REDIS_URL\(server.isEmpty ? "" : " (\(server))"): \(problem); \(fix)"
    }
}

extension RedisStartError {
    /// Whether trying again at the start is of no use.
    var isFinal: Bool {
        switch kind {
        case .configuration, .refused, .tls: true
        case .unsuitable, .unreachable: false
        }
    }

    /// With the server's name.
    func at(_ configuration: RedisConfiguration) -> RedisStartError {
        var error = self
        error.server = configuration.description
        return error
    }
}
