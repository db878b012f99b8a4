import Core
import Logging
import NIOCore
import Synchronization

/// What all loops of a node share of a Cluster: the map, which is kept true, and whether everything is there.
final class ClusterKeeper: @unchecked Sendable {
    // SAFETY: `refresh`, `question` and `loops` are read and written on `eventLoop` only; the rest is constant or behind
    // a lock.

    private struct Status {
        var health: ClusterHealth
        var digests: [RedisScript: [UInt8]] = [:]
        /// Set until `start` has succeeded or failed.
        var starting: EventLoopPromise<Void>?
        var lastFailure: RedisStartError?
        var isClosed = false
        var onReconnect: (@Sendable () -> Void)?
    }

    let eventLoop: any EventLoop
    private let configuration: RedisConfiguration
    private let connect: ClusterLoop.Connect
    private let clock: any TimeSource
    private let metrics: RedisMetrics
    private let logger: Logger
    private let status: Shared<Status>
    private let isDoubted = Atomic(false)

    private var refresh = MapRefresh(pauseMilliseconds: Limits.redisMapPauseMilliseconds)
    private var question: ClusterQuestion?
    private var loops: [ClusterLoop] = []

    /// - Parameter connect: Makes the connections over which the map is asked for.
    init(
        configuration: RedisConfiguration, eventLoop: any EventLoop, loops: Int, clock: any TimeSource, logger: Logger,
        metrics: RedisMetrics, connect: @escaping ClusterLoop.Connect
    ) {
        self.configuration = configuration
        self.eventLoop = eventLoop
        self.clock = clock
        self.logger = logger
        self.metrics = metrics
        self.connect = connect
        status = Shared(Status(health: ClusterHealth(loops: loops)))
    }

    var isSettled: Bool { status.lock { $0.health.isSettled && !$0.isClosed } }
    var masters: [RedisAddress] { status.lock { $0.health.map?.masters ?? [] } }
    func digest(of script: RedisScript) -> [UInt8]? { status.lock { $0.digests[script] } }
    func onReconnect(_ action: @escaping @Sendable () -> Void) { status.lock { $0.onReconnect = action } }
}

// MARK: Beginning and ending

extension ClusterKeeper {
    /// Learns the map and lets every loop connect.
    /// - Returns: Done when everything is there; fails at once when a server refuses, otherwise never by itself.
    func start(_ loops: [ClusterLoop]) -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        status.lock { $0.starting = promise }
        eventLoop.execute {
            self.loops = loops
            self.doubt()
        }
        return promise.futureResult
    }

    /// Ends a start that is not done, with the last thing that went wrong.
    func giveUp(after time: TimeAmount) {
        let (promise, last) = status.lock { status in
            defer { status.starting = nil }
            return (status.starting, status.lastFailure)
        }
        promise?.fail(last ?? .unreachable("no answer within \(time.nanoseconds / 1_000_000_000) s"))
    }

    func close() -> EventLoopFuture<Void> {
        status.lock { $0.isClosed = true }
        return eventLoop.flatSubmit {
            self.question?.cancel()
            self.question = nil
            let closing = self.loops.map { $0.close("closed") }
            self.loops = []
            return .andAllComplete(closing, on: self.eventLoop)
        }
    }

    private func failed(_ server: RedisAddress, _ error: RedisStartError) {
        var error = error
        error.problem = "\(server): \(error.problem)"
        let starting = status.lock { status in
            status.lastFailure = error
            guard error.isFinal else { return nil as EventLoopPromise<Void>? }
            defer { status.starting = nil }
            return status.starting
        }
        starting?.fail(error)
    }
}

// MARK: What the loops report

extension ClusterKeeper {
    func heard(_ event: ClusterLoop.Event, loop: Int) {
        switch event {
        case .up(let server, let digests):
            let change = status.lock { status in
                status.digests = digests
                return status.health.isUp(server, loop: loop)
            }
            tell(change, "")
        case .lost(let server, let why):
            tell(status.lock { $0.health.isDown(server, loop: loop) }, "\(server): \(why)")
            doubt()
        case .failed(let server, let error):
            failed(server, error)
            doubt()
        case .left(let server): tell(status.lock { $0.health.isDown(server, loop: loop) }, "")
        case .doubt: doubt()
        }
    }

    private func tell(_ change: ClusterHealth.Change, _ why: String) {
        switch change {
        case .none: break
        case .started:
            let starting = status.lock { status in
                defer { status.starting = nil }
                return status.starting
            }
            starting?.succeed()
        case .lost:
            guard !status.lock({ $0.isClosed }) else { return }
            metrics.lost()
            logger.warning("Redis is lost, reconnecting", metadata: ["reason": "\(why)"])
        case .back:
            logger.notice("Redis is back")
            status.lock { $0.onReconnect }?()
        }
    }
}

// MARK: The map

extension ClusterKeeper {
    /// Something does not fit the map. Many may say so at once: one hop is enough.
    private func doubt() {
        guard !isDoubted.exchange(true, ordering: .relaxed) else { return }
        eventLoop.execute {
            self.isDoubted.store(false, ordering: .relaxed)
            // Not before the start, nor after the end.
            guard !self.loops.isEmpty else { return }
            self.follow(self.refresh.doubted(self.candidates))
        }
    }

    private func candidates() -> [RedisAddress] {
        status.lock { status in
            var generator = SystemRandomNumberGenerator()
            return status.health.candidates(seeds: configuration.seeds, using: &generator)
        }
    }

    private func follow(_ step: MapRefresh.Step) {
        guard !status.lock({ $0.isClosed }) else { return }
        switch step {
        case .nothing: break
        case .pause(let milliseconds):
            eventLoop.scheduleTask(in: .milliseconds(Int64(milliseconds))) {
                self.follow(self.refresh.pauseIsOver(isSettled: self.isSettled, self.candidates))
            }
        case .ask(let server):
            question = ClusterQuestion(server, connect: connect, on: eventLoop, clock: clock) { answer in
                self.answered(server, answer)
            }
        }
    }

    private func answered(_ server: RedisAddress, _ answer: ClusterQuestion.Answer) {
        question = nil
        var generator = SystemRandomNumberGenerator()
        switch answer {
        case .success(let map):
            learned(map, from: server)
            follow(refresh.answered(using: &generator))
        case .failure(let error):
            failed(server, error)
            follow(refresh.failed(using: &generator))
        }
    }

    private func learned(_ map: SlotMap, from server: RedisAddress) {
        let (before, change) = status.lock { status in
            (status.health.map, status.health.learned(map))
        }
        if let missing = map.missing.first {
            let text = "the slots \(missing.lowerBound) to \(missing.upperBound) have no master"
            failed(server, RedisStartError(.unsuitable, text, fix: "look at redis-cli --cluster check, and mend it"))
            tell(change, text)
        } else {
            tell(change, "")
        }
        if let before, Set(before.masters) != Set(map.masters) {
            let names = map.masters.map(\.description).sorted().joined(separator: " ")
            logger.notice("the masters of the Redis Cluster have changed", metadata: ["masters": "\(names)"])
        }
        for loop in loops { loop.adopt(map) }
    }
}
