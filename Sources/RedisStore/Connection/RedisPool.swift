import Core
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// One connection per event loop, and who uses which.
///
/// A caller on one of the loops uses that loop's connection and gets the answer there, without a hop. Any other thread
/// uses the connection that the tag of the key chooses, so that one thread's calls for one user stay in order.
final class RedisPool: Sendable {
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
    private let connections: [RedisConnection]
    private let byLoop: [ObjectIdentifier: RedisConnection]
    private let clock: any TimeSource
    private let logger: Logger
    private let status: Shared<Status>

    init(
        configuration: RedisConfiguration, eventLoopGroup: any EventLoopGroup, clock: any TimeSource, logger: Logger,
        metrics: RedisMetrics
    ) throws(RedisStartError) {
        let tls = try RedisTLS.context(for: configuration)
        let status = Shared(Status())
        let steps = HandshakeStep.all(for: configuration)
        let loops = Array(eventLoopGroup.makeIterator())
        let count = loops.count
        connections = loops.map { loop in
            RedisConnection(
                configuration: configuration, steps: steps, tls: tls, eventLoop: loop, metrics: metrics, clock: clock
            ) { change in
                Self.changed(change, of: count, status, metrics, logger)
            }
        }
        byLoop = Dictionary(uniqueKeysWithValues: connections.map { (ObjectIdentifier($0.eventLoop), $0) })
        self.configuration = configuration
        self.clock = clock
        self.logger = logger
        self.status = status
    }

    /// Whether every loop has its connection.
    var isConnected: Bool { status.lock { $0.ready == connections.count } }

    /// Called after an outage, when every loop has its connection again.
    func onReconnect(_ action: @escaping @Sendable () -> Void) { status.lock { $0.onReconnect = action } }

    /// The name of a script; nil before the first connection.
    func digest(of script: RedisScript) -> [UInt8]? { status.lock { $0.digests[script] } }
}

// MARK: Sending

extension RedisPool {
    private func connection(for command: RedisCommand) -> RedisConnection {
        if let loop = MultiThreadedEventLoopGroup.currentEventLoop, let own = byLoop[ObjectIdentifier(loop)] {
            return own
        }
        return connections[Int(Fingerprint.of(RedisKeyTag.of(command.lane)) % UInt64(connections.count))]
    }

    private func call(
        _ arguments: RedisArguments, _ done: @escaping @Sendable (Result<RedisReply, StoreError>) -> Void
    ) -> RedisCall {
        let now = clock.monotonicNanoseconds()
        let deadline = now + UInt64(configuration.deadlineMilliseconds) * 1_000_000
        return RedisCall(bytes: arguments.encoded(), startedAt: now, deadline: deadline, done: done)
    }

    /// Sends one command. An error reply is a failure.
    func send(_ command: RedisCommand, _ done: @escaping Completion<RedisReply>) {
        connection(for: command).send([call(command.arguments, done)])
    }

    /// Sends commands of many keys, and answers in their order when all are answered; the first failure fails all.
    func send(_ commands: [RedisCommand], _ done: @escaping Completion<[RedisReply]>) {
        guard !commands.isEmpty else { return done(.success([])) }
        let batch = RedisBatch(count: commands.count, done)
        var calls: [ObjectIdentifier: (connection: RedisConnection, calls: [RedisCall])] = [:]
        for (index, command) in commands.enumerated() {
            let connection = connection(for: command)
            let call = call(command.arguments) { batch.answered(index, $0) }
            calls[ObjectIdentifier(connection), default: (connection, [])].calls.append(call)
        }
        for (connection, calls) in calls.values { connection.send(calls) }
    }
}

// MARK: Beginning and ending

extension RedisPool {
    /// Connects every loop, trying again until `within` has passed.
    ///
    /// - Throws: At once when the server refuses (password, TLS); otherwise the last failure when the time is over.
    func connect(within: TimeAmount) async throws(RedisStartError) {
        let loop = connections[0].eventLoop
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
        for connection in connections { connection.start() }
        do {
            try await promise.futureResult.get()
            timeout.cancel()
        } catch {
            timeout.cancel()
            await close()
            throw (error as? RedisStartError ?? .unreachable("\(error)")).at(configuration)
        }
    }

    /// Waits for the answers in flight and closes.
    func close() async {
        status.lock { $0.isClosed = true }
        for connection in connections {
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
        case .failed(let error):
            let starting = shared.lock { status in
                status.lastFailure = error
                guard error.isFinal else { return nil as EventLoopPromise<Void>? }
                defer { status.starting = nil }
                return status.starting
            }
            starting?.fail(error)
        }
    }
}

extension RedisStartError {
    /// Whether trying again at the start is of no use.
    fileprivate var isFinal: Bool {
        switch kind {
        case .configuration, .refused, .tls: true
        case .unsuitable, .unreachable: false
        }
    }

    /// With the server's name.
    func at(_ configuration: RedisConfiguration) -> RedisStartError {
        var error = self
        error.server = configuration.description
        return error
    }
}
