/// Why a token was not accepted.
public struct AuthFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// Stable names, used as a metric label and in logs. The client is told only "token missing, invalid or expired".
    public enum Reason: String, Sendable, CaseIterable {
        case malformed
        case tooLarge = "too_large"
        case algorithm
        case unknownKey = "unknown_key"
        case signature
        case expired
        case notYetValid = "not_yet_valid"
        case issuer
        case audience
        case userClaim = "user_claim"
        /// The key set could not be read yet. Not the token's fault: answer `unavailable`, not 401.
        case keysUnavailable = "keys_unavailable"
    }

    public var reason: Reason
    /// What is wrong, for the log; never contains the token, its claims or a secret.
    public var message: String

    public init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    public var description: String { "\(reason.rawValue): \(message)" }

    /// Whether the same token may be accepted in a moment.
    public var isTemporary: Bool { reason == .keysUnavailable }
}
