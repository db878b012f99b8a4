import Bus
import CNats
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// One connection to one server, from its handshake to its end. It does not reconnect: `NATSBus` makes a new one.
///
/// A node that consumes has a second one beside it, for acknowledgements: they are as many as the events, and nobody
/// waits for one. The library sends what is published on it in one write every millisecond, where the first writes each
/// message at once (ADR 15). When either is gone, so is the link.
///
/// Why the library's own reconnecting is off (docs/nats.md): it connects while it holds the lock that publishing
/// takes, keeps what is published meanwhile in a buffer that is sent later (and twice the late), gives up for good when
/// the server refuses the credentials twice or answers any other error, and can spin without end when a server falls
/// silent in the middle of the handshake. A link of its own for each attempt has none of that.
final class NATSLink: @unchecked Sendable {
    // SAFETY: `connection` is set once, its functions take the library's own lock, and `deinit` alone destroys it, when
    // no thread holds the link any more. `subscriptions` is under its mutex.

    /// What happens to a link; called on a thread of the library.
    struct Events: Sendable {
        /// The connection is gone for good.
        var lost: @Sendable () -> Void
        /// The library dropped messages of a subscription whose handler was too slow.
        var slow: @Sendable () -> Void
        /// The server reported an error that does not end the connection, such as a missing permission.
        var error: @Sendable (String) -> Void
    }

    /// How publishing ended.
    enum Sent {
        case sent
        /// Nothing of it can have reached the server.
        case notSent(String)
        /// The connection broke while it was written.
        case unknown(String)
    }

    private struct Registered {
        /// `natsSubscription` handles, destroyed with the link.
        var handles: [ObjectIdentifier: OpaquePointer] = [:]
        var callbacks: [UInt] = []
    }

    private let connection: OpaquePointer
    /// For acknowledgements; the same as `connection` on a node that does not consume.
    private let patient: OpaquePointer
    private let registered: Mutex<Registered>

    private init(_ connection: OpaquePointer, patient: OpaquePointer?, callback: UInt) {
        self.connection = connection
        self.patient = patient ?? connection
        registered = Mutex(Registered(callbacks: [callback]))
    }

    deinit {
        registered.withLock { registered in
            CallbackTable.shared.remove(registered.callbacks)
            for handle in registered.handles.values { natsSubscription_Destroy(handle) }
        }
        if patient != connection { natsConnection_Destroy(patient) }
        natsConnection_Destroy(connection)
    }

    /// Connects; blocks for as long as the network does, so it is called on a thread of its own.
    static func connect(
        _ configuration: NATSConfiguration, also discovered: [String], events: Events
    ) throws(NATSBusError) -> NATSLink {
        prepareLibrary
        let callback = CallbackTable.shared.add(.link(events))
        do throws(NATSBusError) {
            let first = try dial(configuration, discovered, callback, gathersWrites: false)
            guard configuration.consumes else { return NATSLink(first, patient: nil, callback: callback) }
            do throws(NATSBusError) {
                let second = try dial(configuration, discovered, callback, gathersWrites: true)
                return NATSLink(first, patient: second, callback: callback)
            } catch {
                natsConnection_Destroy(first)
                throw error
            }
        } catch {
            CallbackTable.shared.remove([callback])
            throw error
        }
    }

    private static func dial(
        _ configuration: NATSConfiguration, _ discovered: [String], _ callback: UInt, gathersWrites: Bool
    ) throws(NATSBusError) -> OpaquePointer {
        let options = try NATSOptions.make(
            configuration, also: discovered, callback: callback, gathersWrites: gathersWrites)
        var connection: OpaquePointer?
        let status = natsConnection_Connect(&connection, options.handle)
        guard status == NATS_OK, let connection else { throw failure(status, configuration) }
        return connection
    }

    /// Four threads deliver the messages of all subscriptions, instead of one thread each.
    private static let prepareLibrary: Void = {
        nats_Open(-1)
        nats_SetMessageDeliveryPoolSize(4)
    }()

    // MARK: Using it

    /// Subscribes; messages come as soon as the server has it (`flush`).
    func subscribe(_ subscription: Subscription) -> Bool {
        let id = CallbackTable.shared.add(.messages(subscription))
        var handle: OpaquePointer?
        // SAFETY: a number, see CallbackTable.
        let closure = UnsafeMutableRawPointer(bitPattern: id)
        let status =
            if let queue = subscription.queue {
                natsConnection_QueueSubscribe(
                    &handle, connection, subscription.subject, queue, Self.onMessage, closure)
            } else {
                natsConnection_Subscribe(&handle, connection, subscription.subject, Self.onMessage, closure)
            }
        guard status == NATS_OK, let handle else {
            CallbackTable.shared.remove([id])
            return false
        }
        let made = SendableHandle(handle)
        registered.withLock { registered in
            registered.handles[ObjectIdentifier(subscription)] = made.handle
            registered.callbacks.append(id)
        }
        return true
    }

    /// Ends subscriptions at the server, and waits until what it had sent by then went through their handlers. Blocks.
    func drain(_ subscriptions: [Subscription], milliseconds: Int) {
        let ids = subscriptions.map { ObjectIdentifier($0) }
        let handles = registered.withLock { registered in
            ids.compactMap { registered.handles[$0].map(SendableHandle.init) }
        }
        let draining = handles.filter { natsSubscription_DrainTimeout($0.handle, Int64(milliseconds)) == NATS_OK }
        for subscription in draining {
            natsSubscription_WaitForDrainCompletion(subscription.handle, Int64(milliseconds))
        }
    }

    /// Writes one message to the socket; may wait for it up to `writeMilliseconds`.
    /// - Parameter isPatient: It may wait a millisecond for others.
    func publish(_ message: BusMessage, isPatient: Bool) -> Sent {
        let status = CMessage.publish(message, on: isPatient ? patient : connection)
        switch status {
        case NATS_OK: return .sent
        case NATS_CONNECTION_CLOSED, NATS_MAX_PAYLOAD, NATS_DRAINING, NATS_NO_SERVER_SUPPORT, NATS_INVALID_ARG,
            NATS_INVALID_SUBJECT, NATS_INSUFFICIENT_BUFFER, NATS_NO_MEMORY:
            return .notSent(Self.text(status))
        default: return .unknown(Self.text(status))
        }
    }

    /// Waits until the server has processed all that was sent; false when it did not in time. Blocks.
    func flush(milliseconds: Int) -> Bool {
        let isFlushed = natsConnection_FlushTimeout(connection, Int64(milliseconds)) == NATS_OK
        guard patient != connection else { return isFlushed }
        return natsConnection_FlushTimeout(patient, Int64(milliseconds)) == NATS_OK && isFlushed
    }

    var isClosed: Bool { natsConnection_IsClosed(connection) || natsConnection_IsClosed(patient) }

    /// Other servers of the cluster, as the server told them.
    func discoveredServers() -> [String] {
        var servers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        var count: Int32 = 0
        guard natsConnection_GetDiscoveredServers(connection, &servers, &count) == NATS_OK, let servers else {
            return []
        }
        // SAFETY: the array and its strings are ours to free.
        defer {
            for i in 0..<Int(count) { free(servers[i]) }
            free(servers)
        }
        return (0..<Int(count)).compactMap { servers[$0].map { String(cString: $0) } }
    }

    /// Ends the connection, without waiting for what is unsent (`flush` first). Blocks shortly.
    func close() {
        let callbacks = registered.withLock { $0.callbacks }
        CallbackTable.shared.remove(callbacks)
        if patient != connection { natsConnection_Close(patient) }
        natsConnection_Close(connection)
    }

    // MARK: From C

    /// A delivery. The library hands over `message`, so it is destroyed here whatever happens.
    private static let onMessage: natsMsgHandler = { _, _, message, closure in
        guard let message else { return }
        defer { natsMsg_Destroy(message) }
        CallbackTable.shared.subscription(closure)?.deliver(CMessage.read(message))
    }

    private static func text(_ status: natsStatus) -> String {
        natsStatus_GetText(status).map { String(cString: $0) } ?? "status \(status.rawValue)"
    }

    /// The start-up error for what `natsConnection_Connect` answered, on the same thread.
    private static func failure(_ status: natsStatus, _ configuration: NATSConfiguration) -> NATSBusError {
        // The detail is the library's or the server's text and holds no secrets of ours.
        let detail = nats_GetLastError(nil).map { String(cString: $0) } ?? ""
        let why = detail.isEmpty ? text(status) : detail
        let setting = configuration.redacted
        switch status {
        case NATS_CONNECTION_AUTH_FAILED, NATS_NOT_PERMITTED:
            return NATSBusError(
                .credentials, "NATS refused the credentials of \(setting) (\(why)): correct its user, password or token"
            )
        case NATS_SSL_ERROR, NATS_SECURE_CONNECTION_WANTED, NATS_SECURE_CONNECTION_REQUIRED:
            return NATSBusError(
                .tls, "TLS with \(setting) failed (\(why)): use tls:// when the server has TLS, and set its CA file")
        default:
            return NATSBusError(
                .unreachable, "NATS cannot be reached at \(setting) (\(why)): start nats-server -js, or correct it")
        }
    }
}

/// Carries a C handle through a lock's closure.
private struct SendableHandle: @unchecked Sendable {
    // SAFETY: only a pointer's value; what it points to is used under NATSLink's rules.
    let handle: OpaquePointer
    init(_ handle: OpaquePointer) { self.handle = handle }
}
