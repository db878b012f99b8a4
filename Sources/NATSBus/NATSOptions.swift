import CNats

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The C library's options for one connection.
struct NATSOptions: ~Copyable {
    let handle: OpaquePointer

    /// - Parameter gathersWrites: What is published may wait up to a millisecond for company, and goes out in one write.
    static func make(
        _ configuration: NATSConfiguration, also discovered: [String], callback: UInt, gathersWrites: Bool = false
    ) throws(NATSBusError) -> NATSOptions {
        var made: OpaquePointer?
        guard natsOptions_Create(&made) == NATS_OK, let made else {
            throw NATSBusError(.unreachable, "the NATS library could not be initialised")
        }
        let options = NATSOptions(handle: made)
        try options.setServers(configuration, also: discovered)
        try options.setCredentials(configuration)
        try options.setTLS(configuration)
        try options.setBehaviour(configuration, gathersWrites)
        // SAFETY: a number, see CallbackTable.
        let closure = UnsafeMutableRawPointer(bitPattern: callback)
        try options.check(natsOptions_SetClosedCB(made, onClosed, closure), "callback")
        try options.check(natsOptions_SetErrorHandler(made, onError, closure), "callback")
        return options
    }

    private init(handle: OpaquePointer) { self.handle = handle }

    deinit { natsOptions_Destroy(handle) }

    private func setServers(_ configuration: NATSConfiguration, also discovered: [String]) throws(NATSBusError) {
        // Nodes spread over the configured servers. The discovered ones come last: their addresses may be such that only
        // the cluster's own machines reach them, and each costs its time.
        var urls = configuration.servers.map(\.url).shuffled()
        for url in discovered where !urls.contains(url) { urls.append(url) }
        var strings = urls.map { UnsafePointer<CChar>(strdup($0)) }
        // SAFETY: made by strdup just now; the library copies the strings before it returns.
        defer { for string in strings { free(UnsafeMutablePointer(mutating: string)) } }
        try check(natsOptions_SetServers(handle, &strings, Int32(strings.count)), configuration.redacted)
        try check(natsOptions_SetNoRandomize(handle, true), "order of servers")
        try check(natsOptions_SetTimeout(handle, Int64(configuration.connectMilliseconds)), "connectMilliseconds")
        try check(natsOptions_SetName(handle, Self.jsonContent(configuration.node)), "node")
    }

    private func setCredentials(_ configuration: NATSConfiguration) throws(NATSBusError) {
        switch configuration.credentials {
        case .none: break
        case .password(let user, let password):
            // The library puts these into the JSON of CONNECT as they are.
            try check(
                natsOptions_SetUserInfo(handle, Self.jsonContent(user), Self.jsonContent(password)), "user and password"
            )
        case .token(let token):
            try check(natsOptions_SetToken(handle, Self.jsonContent(token)), "token")
        case .file(let path):
            guard access(path, R_OK) == 0 else {
                throw NATSBusError(
                    .configuration, "the NATS credentials file \(path) cannot be read: give the path of a .creds file")
            }
            try check(natsOptions_SetUserCredentialsFromFiles(handle, path, nil), "credentials file \(path)")
        }
    }

    private func setTLS(_ configuration: NATSConfiguration) throws(NATSBusError) {
        guard configuration.usesTLS || configuration.caFile != nil else { return }
        try check(natsOptions_SetSecure(handle, true), "tls://")
        let system = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"]
        guard let file = configuration.caFile ?? system.first(where: { access($0, R_OK) == 0 }) else { return }
        try check(natsOptions_LoadCATrustedCertificates(handle, file), "NATS CA file \(file)")
    }

    private func setBehaviour(_ configuration: NATSConfiguration, _ gathersWrites: Bool) throws(NATSBusError) {
        try check(natsOptions_SetAllowReconnect(handle, false), "reconnect")
        try check(natsOptions_SetPingInterval(handle, Int64(configuration.pingMilliseconds)), "pingMilliseconds")
        try check(natsOptions_SetMaxPingsOut(handle, Int32(configuration.pingsOutMax)), "pingsOutMax")
        try check(natsOptions_SetWriteDeadline(handle, Int64(configuration.writeMilliseconds)), "writeMilliseconds")
        try check(natsOptions_SetMaxPendingMsgs(handle, Int32(configuration.undeliveredMax)), "undeliveredMax")
        // Each write goes out at once: the alternative is a thread that waits a millisecond before each flush.
        try check(natsOptions_SetSendAsap(handle, !gathersWrites), "send at once")
        try check(natsOptions_UseGlobalMessageDelivery(handle, true), "delivery threads")
    }

    private func check(_ status: natsStatus, _ what: String) throws(NATSBusError) {
        guard status != NATS_OK else { return }
        let detail = nats_GetLastError(nil).map { String(cString: $0) } ?? "status \(status.rawValue)"
        throw NATSBusError(.configuration, "NATS cannot use \(what): \(detail)")
    }

    /// The inside of a JSON string.
    static func jsonContent(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { out.unicodeScalars.append("\\") }
            out.unicodeScalars.append(scalar)
        }
        return out
    }

    // MARK: From C

    private static let onClosed: natsConnectionHandler = { _, closure in
        CallbackTable.shared.link(closure)?.lost()
    }

    private static let onError: natsErrHandler = { connection, _, status, closure in
        guard let events = CallbackTable.shared.link(closure) else { return }
        guard status != NATS_SLOW_CONSUMER else { return events.slow() }
        // SAFETY: the text is a buffer inside `connection`, which the library holds during this call.
        var detail: UnsafePointer<CChar>?
        _ = natsConnection_GetLastError(connection, &detail)
        let text = detail.map { String(cString: $0) } ?? ""
        events.error(text.isEmpty ? "status \(status.rawValue)" : text)
    }
}
