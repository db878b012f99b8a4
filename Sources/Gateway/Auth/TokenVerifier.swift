import Core
import Logging

/// What a token says, after every check.
public struct VerifiedToken: Hashable, Sendable {
    public let user: UserID
    /// `exp`, seconds since 1970.
    public let expiresAtSeconds: Int64

    public init(user: UserID, expiresAtSeconds: Int64) {
        self.user = user
        self.expiresAtSeconds = expiresAtSeconds
    }
}

/// Checks tokens (PROTOCOL §5, RFC 8725).
///
/// `verifyNow` answers from memory and never blocks, so that an event loop may call it; `verify` also asks the key set's
/// server when a `kid` is unknown. One per node.
public final class TokenVerifier: Sendable {
    /// - Parameter configuration: At least one of secret and key set, already checked (`AuthConfiguration.problem`).
    public init(_ configuration: AuthConfiguration, time: any TimeSource = SystemTime(), logger: Logger) {
    }

    /// Reads the key set for the first time. Does nothing with HS256 alone.
    /// - Throws: `keysUnavailable` with what failed; may be called again.
    public func start() async throws(AuthFailure) {
    }

    /// Reads the key set anew (SIGHUP). On failure the old keys stay, and the log says why.
    public func reload() async {
    }

    /// Stops refreshing and closes connections. Tokens are still checked against the keys in memory.
    public func shutdown() async {
    }

    /// Checks a token against the keys in memory.
    /// - Returns: nil when the answer needs the key set's server: call `verify` then.
    public func verifyNow(_ token: String, nowMilliseconds: Int64) -> Result<VerifiedToken, AuthFailure>? {
        .failure(AuthFailure(.malformed, "not written yet"))
    }

    /// Checks a token, fetching the key set when its key is unknown (at most once in 10 s, for all callers together).
    public func verify(_ token: String, nowMilliseconds: Int64) async throws(AuthFailure) -> VerifiedToken {
        throw AuthFailure(.malformed, "not written yet")
    }
}
