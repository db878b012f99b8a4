import Core
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// One server: one connection to it per event loop. It is always the same one, or the master that sentinels name.
final class SingleServerPool: RedisPool {
    private struct Status {
        var ready = 0
        var digests: [RedisScript: [UInt8]] = [:]
        /// Set until `connect` has succeeded or failed.
        var starting: EventLoopPromise<Void>?
        var lastFailure: RedisStartError?
        /// Connections lost since all were ready.
        var isOut = false
        var isClosed = false
        var onReconnect: (@Sendable () -> Void)?
    }

    private let configuration: RedisConfiguration
    private let connections: PerLoop<RedisConnection>
    /// nil without Sentinel.
    private let keeper: SentinelKeeper?
    private let clock: any TimeSource
    private let logger: Logger
    private let status: Shared<Status>

    init(
        configuration: RedisConfiguration, eventLoopGroup: any EventLoopGroup, clock: any TimeSource, logger: Logger,
        metrics: RedisMetrics, appendMark: AppendMark
    ) throws(RedisStartError) {
        let tls = try RedisTLS.context(for: configuration)
        let status = Shared(Status())
        let steps = HandshakeStep.all(for: configuration)
        let keeper = configuration.sentinel.map { sentinel in
            let quick = configuration.asking(sentinel)
            return SentinelKeeper(
                sentinel, of: configuration, eventLoop: eventLoopGroup.next(), clock: clock, logger: logger
            ) { server, loop, onChange in
                RedisConnection(
                    configuration: quick, at: server, steps: HandshakeStep.login(for: quick), tls: tls, eventLoop: loop,
                    metrics: metrics, clock: clock, appendMark: nil, onChange: onChange)
            }
        }
        let address = keeper == nil ? configuration.address : nil
        connections = PerLoop(eventLoopGroup) { loop, _, count in
            RedisConnection(
                configuration: configuration, at: address, steps: steps, tls: tls, eventLoop: loop, metrics: metrics,
                clock: clock, appendMark: appendMark
            ) { change in
                Self.changed(change, of: count, status, metrics, logger)
                // The sentinels may know better by now.
                if case .ready = change { return }
                keeper?.doubt()
            }
        }
        self.keeper = keeper
        self.configuration = configuration
        self.clock = clock
        self.logger = logger
        self.status = status
    }

    var isConnected: Bool { status.lock { $0.ready == connections.all.count } }

    func onReconnect(_ action: @escaping @Sendable () -> Void) { status.lock { $0.onReconnect = action } }

    func digest(of script: RedisScript) -> [UInt8]? { status.lock { $0.digests[script] } }
}

// MARK: Sending

extension SingleServerPool {
    private func call(_ arguments: RedisArguments, _ done: @escaping RedisCall.Done) -> RedisCall {
        let now = clock.monotonicNanoseconds()
        return RedisCall(
            bytes: arguments.encoded(), startedAt: now, deadline: configuration.deadline(now), done: done)
    }

    private func call(_ command: RedisCommand, _ done: @escaping RedisCall.Done) -> RedisCall {
        var call = call(command.arguments, done)
        (call.isConfirmed, call.isVital) = (command.isConfirmed, command.isVital)
        return call
    }

    func send(_ command: RedisCommand, _ done: @escaping Completion<RedisReply>) {
        connections.mine(command.lane).send([call(command, done)])
    }

    func sendEach(_ commands: [RedisCommand], _ done: @escaping @Sendable ([RedisBatch.Answer]) -> Void) {
        guard !commands.isEmpty else { return done([]) }
        let batch = RedisBatch(answers: commands.count, done)
        var calls: [ObjectIdentifier: (connection: RedisConnection, calls: [RedisCall])] = [:]
        for (index, command) in commands.enumerated() {
            let connection = connections.mine(command.lane)
            let call = call(command) { batch.answered(index, $0) }
            calls[ObjectIdentifier(connection), default: (connection, [])].calls.append(call)
        }
        for (connection, calls) in calls.values { connection.send(calls) }
    }

    var servers: [RedisConfiguration] { [keeper?.master.map { configuration.at($0) } ?? configuration] }

    func send(_ arguments: RedisArguments, to server: RedisConfiguration, _ done: @escaping Completion<RedisReply>) {
        connections.all[0].send([call(arguments, done)])
    }
}

// MARK: Beginning and ending

extension SingleServerPool {
    func connect(within: TimeAmount) async throws(RedisStartError) {
        let loop = connections.all[0].eventLoop
        let promise = loop.makePromise(of: Void.self)
        status.lock { $0.starting = promise }
        let timeout = loop.scheduleTask(in: within) { [status, configuration] in
            let (promise, last) = status.lock { status in
                defer { status.starting = nil }
                return (status.starting, status.lastFailure)
            }
            let error = last ?? RedisStartError.unreachable("no answer within \(within.nanoseconds / 1_000_000_000) s")
            promise?.fail(error.at(configuration))
        }
        keeper?.start(
            SentinelKeeper.Actions(
                follow: { [connections] master in for connection in connections.all { connection.follow(master) } },
                failed: { [status] error in Self.failed(error, status) },
                isSettled: { [connections, status] in status.lock { $0.ready == connections.all.count } }))
        for connection in connections.all { connection.start() }
        do {
            try await promise.futureResult.get()
            timeout.cancel()
        } catch {
            timeout.cancel()
            await close()
            throw (error as? RedisStartError ?? .unreachable("\(error)")).at(configuration)
        }
    }

    func close() async {
        status.lock { $0.isClosed = true }
        try? await keeper?.close().get()
        for connection in connections.all {
            do {
                try await connection.close().get()
            } catch {
                logger.warning("Redis connection not closed", metadata: ["error": "\(error)"])
            }
        }
        status.lock { $0.ready = 0 }
    }

    private static func changed(
        _ change: RedisConnection.Change, of count: Int, _ shared: Shared<Status>, _ metrics: RedisMetrics,
        _ logger: Logger
    ) {
        switch change {
        case .ready(let digests):
            let (starting, reconnected) = shared.lock { status -> (EventLoopPromise<Void>?, (@Sendable () -> Void)??) in
                status.ready += 1
                status.digests = digests
                guard status.ready == count else { return (nil, nil) }
                defer { (status.starting, status.isOut) = (nil, false) }
                return (status.starting, status.isOut ? .some(status.onReconnect) : nil)
            }
            starting?.succeed()
            if let reconnected {
                logger.notice("Redis is back")
                reconnected?()
            }
        case .lost(let why):
            let isNew = shared.lock { status in
                status.ready -= 1
                defer { status.isOut = true }
                return !status.isOut && !status.isClosed
            }
            guard isNew else { return }
            metrics.lost()
            logger.warning("Redis is lost, reconnecting", metadata: ["reason": "\(why)"])
        case .failed(let error): failed(error, shared)
        }
    }

    private static func failed(_ error: RedisStartError, _ shared: Shared<Status>) {
        let starting = shared.lock { status in
            status.lastFailure = error
            guard error.isFinal else { return nil as EventLoopPromise<Void>? }
            defer { status.starting = nil }
            return status.starting
        }
        starting?.fail(error)
    }
}
