import Core
import Logging
import Synchronization

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
/// server when a `kid` is unknown. One per node; `start` comes before the first token.
public final class TokenVerifier: Sendable {
    private let claims: TokenClaims
    private let secret: String?
    private let secretID: String?
    private let keySet: KeySetCache?
    private let state = Mutex(State())

    private struct State {
        var secretKey: TokenKey?
        var refreshing: Task<Void, Never>?
    }

    /// - Parameter configuration: At least one of secret and key set; the rules for them (`SecretRules`,
    ///   `JWKSSource.problem`) were applied where it was read.
    public convenience init(_ configuration: AuthConfiguration, time: any TimeSource = SystemTime(), logger: Logger) {
        self.init(configuration, keySet: configuration.jwks?.source, time: time, logger: logger)
    }

    init(
        _ configuration: AuthConfiguration, keySet: (any KeySetSource)?, time: any TimeSource = SystemTime(),
        logger: Logger
    ) {
        claims = TokenClaims(configuration)
        secret = configuration.hs256Secret
        secretID = configuration.hs256KeyID
        self.keySet = keySet.map { KeySetCache(source: $0, time: time, logger: logger) }
    }

    /// Prepares the secret and reads the key set, whose server is asked again with pauses until it answers.
    ///
    /// May be called again after it failed. Ends early, with the error, when the task is cancelled.
    /// - Parameter seconds: How long the key set's server may take to come up; a file is read once.
    /// - Throws: `keysUnavailable` with what failed last.
    public func start(withinSeconds seconds: Int = 30) async throws(AuthFailure) {
        if let secret {
            let key: TokenKey
            do { key = try await .hmac(secret: secret, id: secretID) } catch {
                throw AuthFailure(.keysUnavailable, "the HS256 secret cannot be used")
            }
            state.withLock { $0.secretKey = key }
        }
        guard let keySet else { return }
        let deadline = ContinuousClock.now + .seconds(seconds)
        await keySet.refresh()
        while let problem = keySet.unavailable {
            guard keySet.isLive, ContinuousClock.now < deadline, await keySet.pauseAfterFailure(until: deadline) else {
                throw AuthFailure(.keysUnavailable, "the key set cannot be read: \(problem)")
            }
            await keySet.refresh()
        }
        state.withLock { state in
            if state.refreshing == nil { state.refreshing = Task { await keySet.run() } }
        }
    }

    /// Reads the key set anew (SIGHUP). On failure the old keys stay, and the log says why.
    public func reload() async {
        await keySet?.reload()
    }

    /// Stops refreshing. Tokens are still checked against the keys in memory.
    public func shutdown() async {
        let refreshing = state.withLock { state in
            defer { state.refreshing = nil }
            return state.refreshing
        }
        refreshing?.cancel()
        keySet?.cancel()
        await refreshing?.value
    }

    /// Checks a token against the keys in memory.
    /// - Returns: nil when the answer needs the key set's server: call `verify` then.
    public func verifyNow(_ token: String, nowMilliseconds: Int64) -> Result<VerifiedToken, AuthFailure>? {
        do {
            let token = try CompactToken(token)
            guard let key = try key(for: token, mayRefresh: true) else { return nil }
            return .success(try check(token, with: key, nowMilliseconds))
        } catch {
            return .failure(error)
        }
    }

    /// Checks a token, fetching the key set when its key is unknown (at most once in 10 s, for all callers together).
    public func verify(_ token: String, nowMilliseconds: Int64) async throws(AuthFailure) -> VerifiedToken {
        let token = try CompactToken(token)
        var found = try key(for: token, mayRefresh: true)
        if found == nil {
            await keySet?.refresh()
            found = try key(for: token, mayRefresh: false)
        }
        guard let found else { throw AuthFailure(.unknownKey, "the token leads to no key") }
        return try check(token, with: found, nowMilliseconds)
    }

    private func check(
        _ token: CompactToken, with key: TokenKey, _ nowMilliseconds: Int64
    ) throws(AuthFailure) -> VerifiedToken {
        // The algorithm is the key's (RFC 8725 §3.1); the choice above made sure that the token names the same.
        guard key.algorithm == token.algorithm else {
            throw AuthFailure(.algorithm, "the token's alg is not the one of its key")
        }
        guard key.isValid(token.signature, over: token.signingInput) else {
            throw AuthFailure(.signature, "the token's signature does not fit")
        }
        return try claims.check(token.payload, nowMilliseconds: nowMilliseconds)
    }

    /// - Returns: nil when the key set has to be refreshed first.
    private func key(for token: CompactToken, mayRefresh: Bool) throws(AuthFailure) -> TokenKey? {
        if token.algorithm == .hs256 { return try secretKey(for: token) }
        guard let keySet else {
            throw AuthFailure(.algorithm, "the token's alg is not HS256, and no key set is configured")
        }
        switch keySet.key(for: token, mayRefresh: mayRefresh) {
        case .key(let key): return key
        case .failure(let failure): throw failure
        case .refreshFirst: return nil
        }
    }

    private func secretKey(for token: CompactToken) throws(AuthFailure) -> TokenKey {
        guard secret != nil else {
            throw AuthFailure(.algorithm, "the token's alg is HS256, and no secret is configured")
        }
        guard token.keyID == nil || token.keyID == secretID else {
            throw AuthFailure(.unknownKey, "the token's kid is not the one configured for the HS256 secret")
        }
        guard let key = state.withLock({ $0.secretKey }) else {
            throw AuthFailure(.keysUnavailable, "the node has not started yet")
        }
        return key
    }
}
