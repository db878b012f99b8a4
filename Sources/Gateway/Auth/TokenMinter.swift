import Core
import Wire

/// Makes HS256 tokens: for `apus token`, the demo page and tests. Platforms make their own.
public struct TokenMinter: Sendable {
    private let key: TokenKey
    private let configuration: AuthConfiguration

    /// - Parameter configuration: Its secret signs; its user claim, issuer and audience stand in the tokens.
    /// - Returns: nil when it has no secret.
    public init?(_ configuration: AuthConfiguration) async throws {
        guard let secret = configuration.hs256Secret else { return nil }
        self.configuration = configuration
        key = try await .hmac(secret: secret, id: configuration.hs256KeyID)
    }

    /// A token for `user` that expires `ttlSeconds` from now.
    public func token(for user: UserID, ttlSeconds: Int, nowMilliseconds: Int64) throws -> String {
        let now = nowMilliseconds / 1000
        var claims = [(configuration.userClaim, JSONText.quoted(user.text))]
        if let issuer = configuration.issuer { claims.append(("iss", JSONText.quoted(issuer))) }
        if let audience = configuration.audience { claims.append(("aud", JSONText.quoted(audience))) }
        claims.append(("iat", "\(now)"))
        claims.append(("exp", "\(now + Int64(ttlSeconds))"))
        var header = [("alg", JSONText.quoted(key.algorithm.rawValue)), ("typ", JSONText.quoted("JWT"))]
        if let id = key.id { header.append(("kid", JSONText.quoted(id))) }
        let input = Base64URL.encode(Self.object(header).utf8) + "." + Base64URL.encode(Self.object(claims).utf8)
        return input + "." + Base64URL.encode(try key.sign(Array(input.utf8)))
    }

    private static func object(_ members: [(String, String)]) -> String {
        "{" + members.map { "\(JSONText.quoted($0.0)):\($0.1)" }.joined(separator: ",") + "}"
    }
}
