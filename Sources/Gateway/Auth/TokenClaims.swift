import Core
import Wire

/// What a verified payload must say (RFC 7519 §4.1). Pure: the time comes in.
struct TokenClaims {
    let userClaim: String
    let issuer: String?
    let audience: String?

    /// How far ahead the issuer's clock may be when it says "not before". `exp` has no such slack: a session may not
    /// outlive it by more than two seconds (G12).
    private static let notBeforeLeewaySeconds: Int64 = 5
    /// The end of the year 9999: past it, seconds are probably milliseconds.
    private static let secondsMax: Int64 = 253_402_300_799

    init(_ configuration: AuthConfiguration) {
        userClaim = configuration.userClaim
        issuer = configuration.issuer
        audience = configuration.audience
    }

    func check(_ payload: [UInt8], nowMilliseconds: Int64) throws(AuthFailure) -> VerifiedToken {
        let claims: JSONObject
        do { claims = try JSONObject(payload) } catch {
            throw AuthFailure(.malformed, "the token's payload: \(error.message)")
        }
        guard let expiry = claims["exp"] else { throw AuthFailure(.malformed, "the token has no exp") }
        let expiresAt = try Self.seconds(expiry, "exp")
        guard expiresAt * 1000 > nowMilliseconds else { throw AuthFailure(.expired, "the token has expired") }
        if let notBefore = claims["nbf"] {
            let startsAt = try Self.seconds(notBefore, "nbf")
            guard (startsAt - Self.notBeforeLeewaySeconds) * 1000 <= nowMilliseconds else {
                throw AuthFailure(.notYetValid, "the token is not valid yet")
            }
        }
        if let issuer, claims["iss"]?.string != issuer {
            throw AuthFailure(.issuer, "the token's iss is not the configured issuer")
        }
        if let audience, !Self.names(audience, claims["aud"]) {
            throw AuthFailure(.audience, "the token's aud does not name the configured audience")
        }
        return VerifiedToken(user: try user(claims[userClaim]), expiresAtSeconds: expiresAt)
    }

    private static func seconds(_ value: JSONValue, _ name: String) throws(AuthFailure) -> Int64 {
        guard let seconds = value.integer, 0...secondsMax ~= seconds else {
            throw AuthFailure(.malformed, "the token's \(name) is not a whole number of seconds since 1970")
        }
        return seconds
    }

    private static func names(_ audience: String, _ value: JSONValue?) -> Bool {
        value?.string == audience || value?.array?.contains { $0.string == audience } ?? false
    }

    private func user(_ value: JSONValue?) throws(AuthFailure) -> UserID {
        guard let value else { throw AuthFailure(.userClaim, "the token has no claim \(userClaim.debugDescription)") }
        let text: String
        switch value.kind {
        case .string: text = value.string ?? ""
        // The digits as they stand there: an id above 2^53 stays exact. A sign, fraction or exponent is no account id.
        case .number where value.bytes.allSatisfy({ 0x30...0x39 ~= $0 }):
            text = String(decoding: value.bytes, as: UTF8.self)
        default:
            throw AuthFailure(
                .userClaim, "the claim \(userClaim.debugDescription) is neither a string nor a whole number")
        }
        guard let user = UserID(text) else {
            throw AuthFailure(.userClaim, "the claim \(userClaim.debugDescription) is not a user id")
        }
        return user
    }
}
