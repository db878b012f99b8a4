/// The error codes of the protocol (PROTOCOL §2.2). The raw value stands on the wire.
public enum ErrorCode: String, Sendable, CaseIterable {
    case badRequest = "bad_request"
    case unknownOp = "unknown_op"
    case unauthenticated
    case forbidden
    case notFound = "not_found"
    case conflict
    case tooLarge = "too_large"
    case rateLimited = "rate_limited"
    case unavailable
    case `internal`
}

/// What a request is answered with when it fails. It says what is wrong and where; nothing was stored.
public struct ApusError: Error, Hashable, Sendable, CustomStringConvertible {
    public var code: ErrorCode
    public var message: String
    /// When to try again; set for `unavailable` and `rate_limited`.
    public var retryMilliseconds: Int?

    public init(_ code: ErrorCode, _ message: String, retryMilliseconds: Int? = nil) {
        self.code = code
        self.message = message
        self.retryMilliseconds = retryMilliseconds
    }

    public var description: String { "\(code.rawValue): \(message)" }

    public static func badRequest(_ message: String) -> ApusError { ApusError(.badRequest, message) }

    public static func unavailable(_ message: String) -> ApusError {
        ApusError(.unavailable, message, retryMilliseconds: Limits.unavailableRetryMilliseconds)
    }
}

/// What a store answers when it cannot do what was asked.
public struct StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Outcome: Sendable {
        /// Nothing was written: the store was away, full, read-only, or refused before its first write.
        case notStored
        /// The command was sent and no answer came: it may have been applied. Repeat it with the same id.
        case unknown
    }

    public var outcome: Outcome
    /// What happened, for the log; holds no user data.
    public var message: String

    public init(_ outcome: Outcome, _ message: String) {
        self.outcome = outcome
        self.message = message
    }

    public var description: String { message }

    /// What the client is told. Details of the store stay in the log.
    public var forClient: ApusError { .unavailable("the store is not available") }
}
