import NIOCore
import NIOSSL

/// TLS for `rediss://`.
enum RedisTLS {
    /// The context for a configuration; nil when it is plain.
    static func context(for configuration: RedisConfiguration) throws(RedisStartError) -> NIOSSLContext? {
        guard configuration.tls else { return nil }
        var settings = TLSConfiguration.makeClientConfiguration()
        if let file = configuration.authorityFile { settings.trustRoots = .file(file) }
        do {
            return try NIOSSLContext(configuration: settings)
        } catch {
            throw RedisStartError(
                .configuration, "TLS cannot be set up: \(error)",
                fix: "check the file with the certificate authorities", server: configuration.description)
        }
    }

    /// Names go into the handshake (SNI) and are verified; addresses are verified against the certificate's.
    static func handler(_ context: NIOSSLContext, host: String) throws -> NIOSSLClientHandler {
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
    }

    /// What a failure of TLS means at the start; nil when it is another error.
    static func startError(_ error: any Error) -> RedisStartError? {
        guard error is NIOSSLError || error is NIOSSLExtraError || error is BoringSSLError else { return nil }
        let text = "\(error)"
        // A connection that ends in the handshake is a server going away as often as one that does not speak TLS.
        if case .uncleanShutdown? = error as? NIOSSLError { return nil }
        return RedisStartError(
            .tls, "TLS failed: \(text.prefix(200))",
            fix: "check the server's certificate and the authorities, or use redis:// when it does not speak TLS")
    }
}
