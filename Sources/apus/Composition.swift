import Bus
import Core
import Embedded
import Foundation
import Gateway
import Logging
import Metrics
import NATSBus
import NIOCore
import NIOPosix
import RedisStore
import Synchronization

/// Builds a node from its configuration and runs it until it has drained. Names adapters, as only `Stores` does besides.
struct Composition {
    /// How long a node waits at start for a server that it needs (PROTOCOL §6).
    private static let startSeconds = 30

    private let configuration: NodeConfiguration
    private let logger: Logger
    private let metrics = PrometheusMetrics(help: MetricHelp.texts)

    init(_ configuration: NodeConfiguration) {
        self.configuration = configuration
        MetricsSystem.bootstrap(metrics)
        var logger = Logger(label: "apus")
        logger[metadataKey: "node"] = "\(configuration.node)"
        self.logger = logger
    }

    /// - Throws: `ConfigurationError` or `UnreachableError` for what kept the node from starting.
    func run() async throws {
        OpenFiles.raiseLimit(logger)
        // Before there are loops and the threads of the bus.
        if configuration.schedulesInBatches { Scheduling.batch(logger) }
        let threads = configuration.threads > 0 ? configuration.threads : Processors.available
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        do { try await run(on: group) } catch let error as StartupError {
            switch error.kind {
            case .configuration: throw ConfigurationError(error.message)
            case .unavailable: throw UnreachableError(error.message)
            }
        }
        try? await group.shutdownGracefully()
    }

    private func run(on group: MultiThreadedEventLoopGroup) async throws {
        let relay = Relay()
        // First of all: a signal must also end a start that waits for a server.
        let watch = await SignalWatch { await relay.node?.reload() }
        guard let incarnation = Incarnation(newOf: configuration.node) else {
            throw ConfigurationError("APUS_NODE=\(configuration.node): must match [A-Za-z0-9_-]{1,48}")
        }
        let adapters = try await adapters(group, relay)
        let verifier = TokenVerifier(configuration.auth, logger: logger)
        try await start(verifier)
        let node = try Node(
            configuration, incarnation: incarnation, ports: adapters.ports, verifier: verifier, group: group,
            files: configuration.dev == nil ? [:] : DemoSite.files(), metrics: { [metrics] in metrics.render() },
            logger: logger)
        relay.set(node)
        try await node.start()
        announce(node)
        watch.started()
        await watch.stopped()
        await node.drain()
        await adapters.close()
    }

    // MARK: Adapters

    private var limits: StoreLimits {
        var limits = StoreLimits.standard
        limits.groupFanOut = configuration.groupFanOut
        return limits
    }

    private struct Adapters {
        var ports: NodePorts
        var close: @Sendable () async -> Void
    }

    private func adapters(_ group: MultiThreadedEventLoopGroup, _ relay: Relay) async throws -> Adapters {
        guard let redis = configuration.redis, let nats = configuration.nats else { return try embedded() }
        async let store = connect(redis, group, relay)
        async let bus = connect(nats, relay)
        let (redisStore, natsBus) = try await (store, bus)
        return Adapters(
            ports: NodePorts(
                timelines: redisStore, inbox: redisStore, presence: redisStore, conversations: redisStore,
                memberships: redisStore, bus: natsBus,
                isStoreConnected: { redisStore.isConnected }),
            close: { await redisStore.close() })
    }

    private func embedded() throws -> Adapters {
        let store = try Stores.embedded(folder: configuration.dataFolder, limits: limits)
        let bus = InProcessBus(subjects: try subjects())
        return Adapters(
            ports: NodePorts(
                timelines: store, inbox: store, presence: store, conversations: store, memberships: store, bus: bus,
                isStoreConnected: { true }),
            close: { await store.close() })
    }

    private func connect(
        _ settings: RedisSettings, _ group: MultiThreadedEventLoopGroup, _ relay: Relay
    ) async throws -> RedisStore {
        try await Stores.redis(settings, on: group, withinSeconds: Self.startSeconds, limits: limits, logger: logger) {
            relay.node?.storeReconnected()
        }
    }

    private func connect(_ settings: NATSSettings, _ relay: Relay) async throws -> NATSBus {
        do {
            var nats = try NATSConfiguration(urls: settings.url)
            nats.caFile = settings.certificateAuthority
            if let file = settings.credentials { nats.credentials = .file(file) }
            nats.replicas = settings.replicas
            nats.node = configuration.node
            nats.consumes = configuration.roles.contains(.notifier)
            nats.startMilliseconds = Self.startSeconds * 1000
            let bus = NATSBus(configuration: nats, subjects: try subjects(), logger: logger) {
                relay.node?.busEvent($0)
            }
            try await bus.connect()
            return bus
        } catch let error as NATSBusError {
            if error.kind == .unreachable { throw UnreachableError(error.description) }
            throw ConfigurationError(error.description)
        }
    }

    private func subjects() throws -> Subjects {
        guard let subjects = Subjects(prefix: configuration.natsPrefix) else {
            throw ConfigurationError(
                "APUS_NATS_PREFIX=\(configuration.natsPrefix): must be tokens of A-Za-z0-9_- joined by dots")
        }
        return subjects
    }

    private func start(_ verifier: TokenVerifier) async throws {
        do { try await verifier.start(withinSeconds: Self.startSeconds) } catch {
            throw UnreachableError("APUS_AUTH_JWKS: \(error.message); check the URL and that it answers from here")
        }
    }

    // MARK: Words to the operator

    private func announce(_ node: Node) {
        let scheme = configuration.tls == nil ? ("http", "ws") : ("https", "wss")
        let listen = node.publicAddress.map { Self.address($0, configuration.listen) }
        let backend = node.backendAddress.map { Self.address($0, configuration.backendListen) } ?? ""
        let sockets = listen.map { "\(scheme.1)://\($0)/ws" } ?? "no sockets (role notifier)"
        Output.line("apus \(Version.text) is up: \(sockets), backend http://\(backend), node \(configuration.node)")
        guard let dev = configuration.dev, let listen else { return }
        Output.line("")
        Output.line("  page     \(scheme.0)://\(listen)/")
        Output.line("  API key  \(dev.apiKey)")
        Output.line("  secret   \(dev.secret)   (HS256; `apus token` makes tokens)")
        Output.line("  publish  \(dev.curl(backend: "http://\(backend)"))")
        Output.line("")
    }

    /// An address that can be typed into a browser here: the port that was bound, the host that was asked for.
    private static func address(_ bound: SocketAddress, _ wanted: ListenAddress) -> String {
        ListenAddress(host: wanted.host, port: bound.port ?? wanted.port).browserAddress
    }
}

/// Hands events of the adapters to the node, which is made after them.
private final class Relay: Sendable {
    private let current = Mutex<Node?>(nil)
    var node: Node? { current.withLock { $0 } }
    func set(_ node: Node) { current.withLock { $0 = node } }
}
