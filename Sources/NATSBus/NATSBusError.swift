/// Why the bus cannot be used, as an operator reads it: the setting, its value without secrets, and the fix.
public struct NATSBusError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// `APUS_NATS_URL`, or a file that it needs, cannot be read.
        case configuration
        /// No server answered in the given time.
        case unreachable
        /// A server answered and refused the credentials.
        case credentials
        /// A server answered, but TLS with it failed.
        case tls
        /// A server answered, and has no JetStream.
        case jetStreamMissing
        /// A server answered, and is older than 2.9.
        case serverTooOld
        /// A stream or consumer of our name exists and is not ours.
        case streamConflict
        /// JetStream refused a request, or did not answer it.
        case jetStream
        /// A subject or queue name that NATS cannot take.
        case invalidSubject
        /// The bus was closed, or is used in the wrong order.
        case misuse
    }

    public var kind: Kind
    public var message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { message }

    /// Whether trying again cannot help, so that start-up fails at once instead of after its whole time.
    var isPermanent: Bool {
        switch kind {
        case .configuration, .credentials, .jetStreamMissing, .serverTooOld, .streamConflict, .invalidSubject, .misuse:
            true
        case .unreachable, .tls, .jetStream: false
        }
    }
}
