import Bus
import Core
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Notifications
import Presence
import ServiceLifecycle
import Synchronization
import Timelines
import UnixSignals

/// One Apus node: the composition of its parts, from start to drain.
///
///     let node = try Node(configuration, ports: ports, …)
///     try await node.start()      // up: /readyz answers 200
///     await node.drain()          // nobody notices (G10)
public final class Node: Sendable {
    private let context: NodeContext
    private let repair: Repair
    private let lease: LeaseKeeper
    private let group: MultiThreadedEventLoopGroup
    private let isStoreConnected: @Sendable () -> Bool
    private let metrics: @Sendable () -> String
    private let tls: TLSReloader?
    private let running = Mutex(Running())
    /// Rounds of background work that have begun and not ended.
    private let roundsUnderWay = AtomicCounter()
    /// 1 while the backend listener runs.
    private let apisRunning = AtomicCounter()

    private struct Running {
        var listener: Listener?
        var api: (group: ServiceGroup, task: Task<Void, any Error>)?
        var backgroundTasks: [Task<Void, Never>] = []
        var backendAddress: SocketAddress?
    }

    /// - Parameters:
    ///   - group: The loops of the public listener; the Redis store should use the same, so that its answers need no hop.
    ///   - files: What `--dev` serves, by path.
    ///   - metrics: Renders what `/metrics` answers.
    /// - Throws: `StartupError` for files that are no good.
    public init(
        _ configuration: NodeConfiguration, incarnation: Incarnation, ports: NodePorts, verifier: TokenVerifier,
        group: MultiThreadedEventLoopGroup, files: [String: SiteFile] = [:],
        metrics: @escaping @Sendable () -> String, time: any TimeSource = SystemTime(), logger: Logger
    ) throws {
        guard let subjects = Subjects(prefix: configuration.natsPrefix) else {
            throw StartupError(
                .configuration,
                "APUS_NATS_PREFIX=\(configuration.natsPrefix): must be tokens of A-Za-z0-9_- joined by dots")
        }
        context = NodeContext(
            configuration: configuration, incarnation: incarnation, ports: ports, verifier: verifier, time: time,
            logger: logger, files: files, subjects: subjects, loop: group.next())
        repair = Repair(node: context)
        lease = LeaseKeeper(node: context, repair: repair)
        isStoreConnected = ports.isStoreConnected
        self.group = group
        self.metrics = metrics
        tls = try configuration.tls.map { try TLSReloader($0) }
    }

    /// Where the public listener is; nil before `start`, or without the gateway role.
    public var publicAddress: SocketAddress? { running.withLock { $0.listener?.localAddress } }
    /// Where the backend listener is.
    public var backendAddress: SocketAddress? { running.withLock { $0.backendAddress } }

    /// Where deliveries go to the sessions of this node; for benchmarks.
    package var hub: Hub { context.hub }

    // MARK: Start

    /// Brings everything up in the order in which it is needed: shards, bus, lease, ingest, API, and last the sockets.
    public func start() async throws {
        let loops = Array(group.makeIterator())
        let admission = Admission(perSecond: context.configuration.connectsPerSecond * loops.count)
        let shards = loops.map { Shard(loop: $0, node: context, admission: admission) }
        context.hub.start(shards)
        context.router.start(on: group)
        context.presenceCenter.start()
        try await subscribe()
        await lease.beat()
        startBackgroundTasks()
        let roles = context.configuration.roles
        if roles.contains(.notifier) { try await Notifier(node: context).start() }
        context.readiness.start(isStoreConnected: isStoreConnected)
        try await startAPI()
        if roles.contains(.gateway) { try await startListener(shards) }
        context.logger.info("the node is up", metadata: ["incarnation": "\(context.incarnation)"])
    }

    private func subscribe() async throws {
        let subjects = context.subjects
        let lease = lease
        try await context.bus.subscribe(subjects.node(context.incarnation), queue: nil) {
            lease.received($0.payload, isNumbered: true)
        }
        try await context.bus.subscribe(subjects.nodesAll, queue: nil) { lease.received($0.payload, isNumbered: false) }
        try await LiveFeed(node: context).start()
        try await RemoteCalls(node: context).start()
    }

    private func startListener(_ shards: [Shard]) async throws {
        let byLoop = Dictionary(uniqueKeysWithValues: shards.map { (ObjectIdentifier($0.loop), $0) })
        let configuration = context.configuration
        let reloader = tls
        var contextOfNow: (@Sendable () -> NIOSSLContext)?
        if let reloader { contextOfNow = { reloader.context } }
        let listener: Listener
        do {
            listener = try await Listener.start(
                host: configuration.listen.host, port: configuration.listen.port, group: group, tls: contextOfNow,
                application: { (loop: any EventLoop) -> Shard in
                    guard let shard = byLoop[ObjectIdentifier(loop)] else {
                        preconditionFailure("a loop without a shard")
                    }
                    return shard
                })
        } catch {
            throw StartupError(
                .unavailable, "APUS_LISTEN=\(configuration.listen): cannot listen there (\(error)); is the port taken?")
        }
        for shard in shards { shard.startSweeping() }
        running.withLock { $0.listener = listener }
    }

    private func startAPI() async throws {
        let configuration = context.configuration
        let api = BackendAPI(node: context, backend: Backend(node: context), metrics: metrics)
        let bound = BoundAddress()
        // Quiet: Hummingbird's own lines would double ours.
        var logger = Logger(label: "apus.api")
        logger.logLevel = .error
        let application = Application(
            router: api.router(),
            server: .http1(configuration: .init(idleTimeout: .seconds(Int64(Limits.backendIdleSeconds)))),
            configuration: .init(
                address: .hostname(configuration.backendListen.host, port: configuration.backendListen.port),
                serverName: nil),
            onServerRunning: { bound.set($0.localAddress) },
            eventLoopGroupProvider: .shared(group), logger: logger)
        // A group of its own: it must go on answering during the drain, which ends it when all is done.
        let service = ServiceGroup(configuration: .init(services: [application], logger: logger))
        apisRunning.add()
        let task: Task<Void, any Error> = Task.detached { [apisRunning] in
            defer { apisRunning.subtract() }
            try await service.run()
        }
        running.withLock { $0.api = (service, task) }
        Task.detached { bound.fail(await task.result) }
        let address: SocketAddress?
        do { address = try await bound.wait() } catch {
            throw StartupError(
                .unavailable,
                "APUS_BACKEND_LISTEN=\(configuration.backendListen): cannot listen there (\(error)); is the port taken?"
            )
        }
        running.withLock { $0.backendAddress = address }
    }

    private func startBackgroundTasks() {
        let context = context
        let lease = lease
        var tasks = [
            every(.seconds(Limits.leaseRefreshSeconds)) { await lease.beat() },
            every(.seconds(1)) { await FanOutSweeper(node: context).sweep() },
        ]
        let roles = context.configuration.roles
        if roles.contains(.notifier) {
            tasks.append(every(.seconds(1)) { await Housekeeping(node: context).expire() })
        }
        // It picks among this node's own users, so it belongs where sessions are.
        if roles.contains(.gateway) {
            tasks.append(every(.seconds(10)) { await Housekeeping(node: context).checkUnread() })
        }
        running.withLock { $0.backgroundTasks = tasks }
    }

    private func every(_ interval: Duration, _ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        Task.detached { [roundsUnderWay] in
            while !Task.isCancelled {
                try? await Task.sleep(for: interval)
                roundsUnderWay.add()
                // Asked after it was counted: `stop` cancels first and looks at the count then.
                if !Task.isCancelled { await body() }
                roundsUnderWay.subtract()
            }
        }
    }

    // MARK: While it runs

    /// The bus lost, or may have lost, messages to this node.
    public func busEvent(_ event: BusEvent) {
        switch event {
        case .connected, .disconnected: break
        case .messagesLost:
            repair.run(because: "the bus may have lost messages")
            context.presenceCenter.recheckAll(because: "the bus may have lost messages")
        }
    }

    /// The store is back after an outage.
    public func storeReconnected() { lease.storeReturned() }

    /// Reads certificate, key and key set anew (SIGHUP).
    public func reload() async {
        do {
            try tls?.reload()
            context.logger.info("certificates and keys were read anew")
        } catch { context.logger.error("the old certificate stays in use", metadata: ["error": "\(error)"]) }
        await context.verifier.reload()
    }

    // MARK: Drain

    /// Leaves without loss (G10): not ready at once, no new sockets after a second, every session told when to go and
    /// then closed, what is in flight finished, presence left, and everything stopped.
    public func drain() async {
        let started = context.time.monotonicNanoseconds()
        context.readiness.drain()
        for shard in context.hub.shards { shard.refuseNewcomers() }
        context.logger.info("draining", metadata: ["sessions": "\(context.sessionCount.current)"])
        await lease.beat()
        try? await Task.sleep(for: .milliseconds(800))
        let listener = running.withLock { $0.listener }
        await listener?.stop()
        let spread = Self.drainSpreadMilliseconds(of: context.sessionCount.current, context.configuration)
        for shard in context.hub.shards { shard.drain(spreadMilliseconds: spread) }
        let deadline = started + UInt64(context.configuration.drainSeconds) * 1_000_000_000
        // Until the sockets are gone, not only the sessions: a close frame that is cut off from its answer may be lost.
        while context.connectionCount.current > 0, context.time.monotonicNanoseconds() < deadline {
            try? await Task.sleep(for: .milliseconds(50))
        }
        for shard in context.hub.shards { shard.abortAll() }
        await stop(by: deadline)
        context.logger.info("drained")
    }

    /// Over how long sessions are sent away: at the configured rate, so that the nodes that take them are not stormed, but
    /// in three fifths of the time that the drain has, so that the rest is enough for their close frames.
    static func drainSpreadMilliseconds(of sessions: Int, _ configuration: NodeConfiguration) -> Int {
        min(configuration.drainSeconds * 600, max(500, sessions * 1000 / configuration.drainPerSecond))
    }

    /// Ends what is left, in the reverse order of the start. Ports stay open: they belong to who made them.
    ///
    /// - Parameter deadline: Until when backends may finish what they have begun.
    private func stop(by deadline: UInt64) async {
        let (api, tasks) = running.withLock { running in
            defer { running = Running() }
            return (running.api, running.backgroundTasks)
        }
        for shard in context.hub.shards { shard.stopSweeping() }
        context.directory.removeAll()
        // The lease is kept meanwhile: events are still taken here.
        if let api { await end(api, by: deadline - min(deadline, Self.endNanoseconds)) }
        for task in tasks { task.cancel() }
        // Whoever waits for the store must have its answer before the store is closed and the loops end.
        for _ in 0..<60 where context.directory.pendingRemovals > 0 || roundsUnderWay.current > 0 {
            try? await Task.sleep(for: .milliseconds(50))
        }
        await context.presenceCenter.stop()
        await context.bus.close()
        _ = try? await answer { context.presence.dropLease(context.incarnation, $0) }
        await context.verifier.shutdown()
    }

    /// What a request that has come whole takes at most: the store's deadline, and some.
    private static let answerNanoseconds = UInt64(Limits.storeDeadlineMilliseconds + 500) * 1_000_000

    /// What follows the backend listener's end takes at most, also when the store does not answer.
    private static let endNanoseconds: UInt64 = 5_000_000_000

    /// Ends the backend listener. A batch that is still coming in has until the deadline, one that has come its answer in
    /// any case. Then all is cut off: one backend that sends or takes nothing more would keep this process, its place on
    /// the bus and its lease for ever.
    private func end(_ api: (group: ServiceGroup, task: Task<Void, any Error>), by deadline: UInt64) async {
        await api.group.triggerGracefulShutdown()
        await apiEnds(by: max(deadline, context.time.monotonicNanoseconds() + Self.answerNanoseconds))
        guard apisRunning.current > 0 else { return }
        context.logger.warning("requests of backends are cut off: they did not end within the drain")
        api.task.cancel()
        await apiEnds(by: context.time.monotonicNanoseconds() + Self.answerNanoseconds)
    }

    private func apiEnds(by deadline: UInt64) async {
        while apisRunning.current > 0, context.time.monotonicNanoseconds() < deadline {
            try? await Task.sleep(for: .milliseconds(20))
        }
    }
}

/// Hands over the address that a server was bound to, or why it was not.
private final class BoundAddress: Sendable {
    private struct State {
        var result: Result<SocketAddress?, any Error>?
        var waiting: CheckedContinuation<SocketAddress?, any Error>?
    }

    private let state = Mutex(State())

    func set(_ address: SocketAddress?) { settle(.success(address)) }

    /// The server ended. Says something only when that was before it was bound.
    func fail(_ end: Result<Void, any Error>) { settle(end.map { nil }) }

    private func settle(_ result: Result<SocketAddress?, any Error>) {
        let waiting = state.withLock { state in
            if state.result == nil { state.result = result }
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume(with: result)
    }

    func wait() async throws -> SocketAddress? {
        try await withCheckedThrowingContinuation { continuation in
            let result = state.withLock { state in
                if state.result == nil { state.waiting = continuation }
                return state.result
            }
            if let result { continuation.resume(with: result) }
        }
    }
}
