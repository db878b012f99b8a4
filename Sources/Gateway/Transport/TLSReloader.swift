import Core
import NIOSSL
import Synchronization

/// The certificate and key of the public listener, read again on SIGHUP.
final class TLSReloader: Sendable {
    private let files: TLSFiles
    private let current: Mutex<NIOSSLContext>

    /// - Throws: What is wrong with the files, naming the setting.
    init(_ files: TLSFiles) throws {
        self.files = files
        current = Mutex(try Self.load(files))
    }

    var context: NIOSSLContext { current.withLock { $0 } }

    /// Takes over new files. When they are no good, the present ones stay in use and the error says why.
    func reload() throws {
        let fresh = try Self.load(files)
        current.withLock { $0 = fresh }
    }

    private static func load(_ files: TLSFiles) throws -> NIOSSLContext {
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(files.certificate).map {
                NIOSSLCertificateSource.certificate($0)
            }
            let key = try NIOSSLPrivateKey(file: files.privateKey, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw StartupError(
                .configuration,
                "APUS_TLS_CERT=\(files.certificate), APUS_TLS_KEY=\(files.privateKey): cannot be used (\(error)); "
                    + "both must be PEM files that this user can read, the key fitting the certificate")
        }
    }
}

/// Why a node does not start. The message is one line that names the setting and the fix (PROTOCOL §6).
public struct StartupError: Error, Sendable, CustomStringConvertible {
    public enum Kind: Int32, Sendable {
        /// Exit status 64.
        case configuration = 64
        /// Exit status 69: something that the node needs cannot be reached.
        case unavailable = 69
    }

    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { message }
}
