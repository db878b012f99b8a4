import Core
import NIOCore
import NIOPosix
import NIOSSL

/// One pipelined connection, kept up: it belongs to one event loop and reconnects by itself, to the server that it was
/// told last.
///
/// What is written in one turn of the loop leaves in one write, and so does what comes while the server is busy
/// (`WritePacing`). One timer watches the oldest command.
final class RedisConnection: @unchecked Sendable {
    // SAFETY: every `var` is read and written on `eventLoop` only; `send`, `start` and `close` hop there first.

    /// What the pool is told.
    enum Change {
        case ready([RedisScript: [UInt8]])
        /// It was ready, and is no more.
        case lost(why: String)
        /// An attempt failed.
        case failed(RedisStartError)
    }

    let eventLoop: any EventLoop
    private let configuration: RedisConfiguration
    private let tls: NIOSSLContext?
    private let metrics: RedisMetrics
    private let clock: any TimeSource
    private let appendMark: AppendMark?
    private let onChange: @Sendable (Change) -> Void

    private var state: RedisConnectionState
    private var backoff: RedisBackoff
    /// nil: not known yet.
    private var address: RedisAddress?
    /// Counts attempts to connect, so that one that was given up for another server is known when it ends.
    private var attempt = 0
    private var channel: (any Channel)?
    /// Closed for good.
    private var isClosed = false
    /// The pool was told that it is ready.
    private var isUp = false
    private var outgoing: ByteBuffer?
    private var isFlushScheduled = false
    private var pacing = WritePacing()
    private var pacingTimer: Scheduled<Void>?
    private var deadlineTimer: Scheduled<Void>?
    /// When the server said something last, or the connection began.
    private var heardAt: UInt64 = 0
    private var reconnectTimer: Scheduled<Void>?
    private var drained: EventLoopPromise<Void>?
    private var reportedInFlight = 0
    private var reportedLate = 0
    private var reportedSuspended = false
    private var probeTimer: Scheduled<Void>?

    /// - Parameters:
    ///   - address: Where the server is; nil when `follow` will tell.
    ///   - appendMark: Is told of each connection; nil for connections that only ask about the servers.
    init(
        configuration: RedisConfiguration, at address: RedisAddress?, steps: [HandshakeStep], tls: NIOSSLContext?,
        eventLoop: any EventLoop, metrics: RedisMetrics, clock: any TimeSource, appendMark: AppendMark?,
        onChange: @escaping @Sendable (Change) -> Void
    ) {
        self.configuration = configuration
        self.address = address
        self.tls = tls
        self.eventLoop = eventLoop
        self.metrics = metrics
        self.clock = clock
        self.appendMark = appendMark
        self.onChange = onChange
        state = RedisConnectionState(configuration: configuration, steps: steps)
        backoff = RedisBackoff(bounds: configuration.backoffMilliseconds)
    }

    func start() {
        eventLoop.execute { self.connect() }
    }

    /// Sends what the closures make, in that order; on the loop without a hop.
    func send(_ calls: [RedisCall]) {
        if eventLoop.inEventLoop {
            for call in calls { submit(call) }
        } else {
            eventLoop.execute { for call in calls { self.submit(call) } }
        }
    }

    /// Takes nothing more, waits for the answers in flight, at most until their deadlines, and closes.
    func close() -> EventLoopFuture<Void> {
        eventLoop.flatSubmit {
            if let drained = self.drained { return drained.futureResult }
            let drained = self.eventLoop.makePromise(of: Void.self)
            self.drained = drained
            self.isClosed = true
            self.reconnectTimer?.cancel()
            let (refused, idle) = self.state.drain("closed")
            if idle { self.lose(.unreachable("closed")) }
            for (call, error) in refused { call.done(.failure(error)) }
            return drained.futureResult
        }
    }
}

// MARK: Sending

extension RedisConnection {
    private func submit(_ call: RedisCall) {
        switch state.submit(call) {
        case .write(let bytes): write(bytes)
        case .hold: break
        case .refuse(let error): call.done(.failure(error))
        }
    }

    private func write(_ bytes: ByteBuffer) {
        if outgoing == nil { outgoing = bytes } else { outgoing?.writeImmutableBuffer(bytes) }
        armDeadline()
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        eventLoop.execute { self.flush() }
    }

    private func flush() {
        isFlushScheduled = false
        guard let bytes = outgoing?.readableBytes else { return }
        let now = clock.monotonicNanoseconds()
        switch pacing.turnEnded(bytes: bytes, now: now) {
        case .write: writeOut()
        case .hold(let until):
            guard pacingTimer == nil else { return }
            pacingTimer = eventLoop.scheduleTask(in: .nanoseconds(Int64(until - now))) {
                self.pacingTimer = nil
                self.flush()
            }
        }
    }

    private func writeOut() {
        guard var bytes = outgoing else { return }
        outgoing = nil
        if let confirmation = state.turnEnded(now: clock.monotonicNanoseconds()) {
            bytes.writeImmutableBuffer(confirmation)
        }
        pacing.wrote()
        channel?.writeAndFlush(bytes, promise: nil)
        reportInFlight()
    }

    private func reportInFlight() {
        let count = state.callsInFlight
        metrics.addInFlight(count - reportedInFlight)
        reportedInFlight = count
        metrics.addLate(state.lateCalls - reportedLate)
        reportedLate = state.lateCalls
    }

    private func armDeadline() {
        guard deadlineTimer == nil, let deadline = state.nextDeadline(heardAt: heardAt) else { return }
        let now = clock.monotonicNanoseconds()
        let wait = deadline > now ? Int64(deadline - now) : 0
        deadlineTimer = eventLoop.scheduleTask(in: .nanoseconds(wait)) { self.deadlineReached() }
    }

    private func deadlineReached() {
        deadlineTimer = nil
        let why = "no answer within \(configuration.deadlineMilliseconds) ms"
        switch state.late(now: clock.monotonicNanoseconds(), heardAt: heardAt) {
        case .none: armDeadline()
        case .slow(let calls):
            armDeadline()
            reportInFlight()
            for call in calls {
                metrics.timedOut()
                call.done(.failure(StoreError(.unknown, "Redis is too slow: \(why)")))
            }
            if isClosed, state.isSettled { lose(.unreachable("closed")) }
        case .silent:
            metrics.timedOut()
            lose(.unreachable(why))
        }
    }
}

// MARK: Receiving

extension RedisConnection {
    func channelIsActive(_ channel: any Channel, attempt: Int) {
        guard !isClosed, attempt == self.attempt else { return channel.close(promise: nil) }
        self.channel = channel
        heardAt = clock.monotonicNanoseconds()
        for bytes in state.connected(now: clock.monotonicNanoseconds()) { write(bytes) }
    }

    /// Bytes came; the replies in them follow. What waited leaves first: the server works on it while they are dealt with.
    func heard(on channel: any Channel) {
        guard channel === self.channel else { return }
        heardAt = clock.monotonicNanoseconds()
        pacing.heard()
        writeOut()
    }

    /// - Returns: Whether the channel is still in use.
    func received(_ reply: RedisReply, on channel: any Channel) -> Bool {
        guard channel === self.channel else { return false }
        let now = clock.monotonicNanoseconds()
        let reception = state.received(reply, now: now)
        for bytes in reception.write { write(bytes) }
        if reception.unconfirmed > 0 { metrics.unconfirmed(reception.unconfirmed) }
        for (call, result) in reception.answered {
            metrics.answered(afterNanoseconds: now &- call.startedAt)
            call.done(result)
        }
        for (call, error) in reception.refused { call.done(.failure(error)) }
        switch reception.next {
        case .goOn: break
        case .ready(let digests):
            backoff.reset()
            isUp = true
            appendMark?.connected()
            onChange(.ready(digests))
        case .close(let error): channelFailed(channel, error)
        }
        followConfirmation()
        return channel === self.channel
    }

    /// Strict durability: tells whether writes are refused, and looks again and again whether a replica answers.
    private func followConfirmation() {
        if state.isSuspended != reportedSuspended {
            reportedSuspended = state.isSuspended
            metrics.refuses(reportedSuspended)
        }
        guard state.isSuspended, probeTimer == nil else { return }
        let pause = Int64(Limits.redisReplicaProbeMilliseconds)
        probeTimer = eventLoop.scheduleTask(in: .milliseconds(pause)) {
            self.probeTimer = nil
            if let bytes = self.state.probe(now: self.clock.monotonicNanoseconds()) { self.write(bytes) }
            self.followConfirmation()
        }
    }

    func readCompleted() { reportInFlight() }

    /// The channel ended, or must.
    func channelFailed(_ channel: any Channel, _ error: RedisStartError) {
        if channel === self.channel {
            lose(error)
        } else {
            channel.close(promise: nil)
        }
    }
}

// MARK: Connecting

extension RedisConnection {
    /// From now on the server is this one. What is in flight to another one has no answer that counts: had the old master
    /// still taken a write, it would lose it as soon as it follows the new one.
    func follow(_ address: RedisAddress) {
        eventLoop.execute {
            guard !self.isClosed, address != self.address else { return }
            self.address = address
            if self.channel != nil { self.lose(.unreachable("the master is \(address) now")) }
            self.reconnectTimer?.cancel()
            self.backoff.reset()
            self.connect()
        }
    }

    private func connect() {
        guard !isClosed, channel == nil, let address else { return }
        attempt += 1
        let attempt = attempt
        ClientBootstrap(group: eventLoop)
            .connectTimeout(.milliseconds(Int64(configuration.deadlineMilliseconds)))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls = self.tls {
                        try channel.pipeline.syncOperations.addHandler(RedisTLS.handler(tls, host: address.host))
                    }
                    try channel.pipeline.syncOperations.addHandler(RedisChannelHandler(self, attempt: attempt))
                }
            }
            .connect(host: address.host, port: address.port)
            .whenFailure { error in self.attemptFailed(.unreachable("cannot connect: \(Self.text(error))"), attempt) }
    }

    private func attemptFailed(_ error: RedisStartError, _ attempt: Int) {
        guard !isClosed, attempt == self.attempt else { return }
        _ = state.lost(error.problem)
        onChange(.failed(error))
        reconnectLater()
    }

    /// Lets go of the channel and tells everyone who waits.
    private func lose(_ error: RedisStartError) {
        let wasUp = isUp
        isUp = false
        let failed = state.lost(error.problem)
        let channel = channel
        self.channel = nil
        outgoing = nil
        pacing.reset()
        pacingTimer?.cancel()
        pacingTimer = nil
        deadlineTimer?.cancel()
        deadlineTimer = nil
        channel?.close(promise: nil)
        probeTimer?.cancel()
        probeTimer = nil
        followConfirmation()
        reportInFlight()
        if isClosed {
            drained?.succeed()
        } else {
            reconnectLater()
            onChange(wasUp ? .lost(why: error.problem) : .failed(error))
        }
        for (call, error) in failed { call.done(.failure(error)) }
    }

    private func reconnectLater() {
        var generator = SystemRandomNumberGenerator()
        let pause = backoff.next(using: &generator)
        reconnectTimer = eventLoop.scheduleTask(in: .milliseconds(Int64(pause))) { self.connect() }
    }

    private static func text(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let dns = error.dnsAError ?? error.dnsAAAAError, error.connectionErrors.isEmpty {
                return "the host's name is unknown (\(dns))"
            }
            return error.connectionErrors.last.map { "\($0.error)" } ?? "no address"
        case let error as IOError: return error.description
        default: return "\(error)"
        }
    }
}
