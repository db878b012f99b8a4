/// Why Apus closes a WebSocket (PROTOCOL §2.5). The range tells the client what to do.
public enum CloseCode: UInt16, Sendable, CaseIterable {
    case normal = 1000
    case goingAway = 1001
    case protocolError = 1002
    case unsupportedData = 1003
    case invalidPayload = 1007
    case messageTooBig = 1009
    case internalError = 1011

    case badProtocol = 4400
    case unauthenticated = 4401
    case forbidden = 4403
    case sessionRevoked = 4404
    case helloTimeout = 4408
    case tooManySessions = 4409
    case tooManyRequests = 4429

    case overloaded = 4503
    case tooSlow = 4508
    /// The store lost what this session had already seen: reconnect, and `resume` will say `resync`.
    case positionLost = 4510
    case draining = 4512

    /// Whether a client should reconnect by itself, with jittered back-off and `resume`.
    public var reconnects: Bool {
        switch rawValue {
        case 1001, 1006, 1011, 1012, 4500...4599: true
        default: false
        }
    }

    /// The reason sent in the close frame: at most 123 bytes.
    public var reason: String {
        switch self {
        case .normal: "bye"
        case .goingAway: "no sign of life"
        case .protocolError: "protocol error"
        case .unsupportedData: "text frames only"
        case .invalidPayload: "invalid UTF-8"
        case .messageTooBig: "message too big"
        case .internalError: "internal error"
        case .badProtocol: "not a request"
        case .unauthenticated: "token missing, invalid or expired"
        case .forbidden: "forbidden"
        case .sessionRevoked: "session revoked"
        case .helloTimeout: "no hello in time"
        case .tooManySessions: "too many sessions of this user"
        case .tooManyRequests: "too many requests"
        case .overloaded: "overloaded"
        case .tooSlow: "too slow"
        case .positionLost: "timeline changed, resume"
        case .draining: "node is draining"
        }
    }
}
