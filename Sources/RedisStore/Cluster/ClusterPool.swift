import Core
import Logging
import NIOCore

/// The masters of a Redis Cluster: one connection to each per event loop.
///
/// The map of slots is learned from any server and kept true by `ClusterKeeper`; each loop has a copy of it and sends a
/// command to where its key is (`ClusterLoop`), in the order of the calls (`SlotTraffic`).
final class ClusterPool: RedisPool {
    private let configuration: RedisConfiguration
    private let loops: PerLoop<ClusterLoop>
    private let keeper: ClusterKeeper
    private let clock: any TimeSource
    private let logger: Logger

    init(
        configuration: RedisConfiguration, eventLoopGroup: any EventLoopGroup, clock: any TimeSource, logger: Logger,
        metrics: RedisMetrics, appendMark: AppendMark
    ) throws(RedisStartError) {
        let tls = try RedisTLS.context(for: configuration)
        let (steps, login) = (HandshakeStep.all(for: configuration), HandshakeStep.login(for: configuration))
        var quick = configuration
        quick.deadlineMilliseconds = Limits.redisMapQuestionMilliseconds
        let connect = {
            (configuration: RedisConfiguration, steps: [HandshakeStep], appendMark: AppendMark?) -> ClusterLoop.Connect
            in
            { server, loop, onChange in
                RedisConnection(
                    configuration: configuration.at(server), at: server, steps: steps, tls: tls, eventLoop: loop,
                    metrics: metrics, clock: clock, appendMark: appendMark, onChange: onChange)
            }
        }
        let all = Array(eventLoopGroup.makeIterator())
        let keeper = ClusterKeeper(
            configuration: configuration, eventLoop: all[0], loops: all.count, clock: clock, logger: logger,
            metrics: metrics, connect: connect(quick, login, nil))
        loops = PerLoop(eventLoopGroup) { loop, number, _ in
            ClusterLoop(
                eventLoop: loop, configuration: configuration, metrics: metrics, clock: clock,
                connect: connect(configuration, steps, appendMark)
            ) { event in
                keeper.heard(event, loop: number)
            }
        }
        self.configuration = configuration
        self.keeper = keeper
        self.clock = clock
        self.logger = logger
    }

    var isConnected: Bool { keeper.isSettled }

    func onReconnect(_ action: @escaping @Sendable () -> Void) { keeper.onReconnect(action) }

    func digest(of script: RedisScript) -> [UInt8]? { keeper.digest(of: script) }
}

// MARK: Sending

extension ClusterPool {
    private func call(
        _ command: RedisCommand, _ done: @escaping @Sendable (Result<RedisReply, StoreError>) -> Void
    ) -> ClusterCall {
        let now = clock.monotonicNanoseconds()
        return ClusterCall(command, startedAt: now, deadline: configuration.deadline(now), done)
    }

    func send(_ command: RedisCommand, _ done: @escaping Completion<RedisReply>) {
        loops.mine(command.lane).send([call(command, done)])
    }

    func send(_ commands: [RedisCommand], _ done: @escaping Completion<[RedisReply]>) {
        guard !commands.isEmpty else { return done(.success([])) }
        let batch = RedisBatch(count: commands.count, done)
        var calls: [ObjectIdentifier: (loop: ClusterLoop, calls: [ClusterCall])] = [:]
        for (index, command) in commands.enumerated() {
            let loop = loops.mine(command.lane)
            calls[ObjectIdentifier(loop), default: (loop, [])].calls.append(
                call(command) { batch.answered(index, $0) })
        }
        for (loop, calls) in calls.values { loop.send(calls) }
    }

    var servers: [RedisConfiguration] { keeper.masters.map { configuration.at($0) } }

    func send(_ arguments: RedisArguments, to server: RedisConfiguration, _ done: @escaping Completion<RedisReply>) {
        let now = clock.monotonicNanoseconds()
        let call = RedisCall(
            bytes: arguments.encoded(), startedAt: now, deadline: configuration.deadline(now), done: done)
        loops.all[0].ask(server.address, call)
    }
}

// MARK: Beginning and ending

extension ClusterPool {
    func connect(within: TimeAmount) async throws(RedisStartError) {
        let started = keeper.start(loops.all)
        let timeout = keeper.eventLoop.scheduleTask(in: within) { [keeper] in keeper.giveUp(after: within) }
        do {
            try await started.get()
            timeout.cancel()
        } catch {
            timeout.cancel()
            await close()
            throw (error as? RedisStartError ?? .unreachable("\(error)")).at(configuration)
        }
    }

    func close() async {
        do {
            try await keeper.close().get()
        } catch {
            logger.warning("Redis connections not closed", metadata: ["error": "\(error)"])
        }
    }
}
