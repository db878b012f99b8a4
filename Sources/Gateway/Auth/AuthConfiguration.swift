/// How tokens are checked (PROTOCOL §5). At least one of `hs256Secret` and `jwks` is set; with both, the token's `alg` decides.
public struct AuthConfiguration: Sendable {
    /// The shared secret of HS256 tokens: the raw bytes of the string.
    public var hs256Secret: String?
    /// The only `kid` that HS256 tokens may have; nil refuses tokens with any (an unknown `kid` is refused).
    public var hs256KeyID: String?
    /// Where the public keys of RS256, ES256 and EdDSA tokens come from.
    public var jwks: JWKSSource?
    /// The claim that names the user.
    public var userClaim = "sub"
    /// The exact `iss`; nil accepts any.
    public var issuer: String?
    /// What `aud` must be or contain; nil accepts any.
    public var audience: String?
    /// Whether `?token=` is looked at in the handshake.
    public var queryToken = false

    public init(hs256Secret: String? = nil, jwks: JWKSSource? = nil) {
        self.hs256Secret = hs256Secret
        self.jwks = jwks
    }
}

/// Where a JSON Web Key Set (RFC 7517) is read from.
public enum JWKSSource: Hashable, Sendable {
    /// `https://`, or `http://` of a loopback address.
    case url(String)
    /// A path; read again by `TokenVerifier.reload()`.
    case file(String)
}
