import Core
import Logging
import NIOCore

/// Asks the sentinels who is the master, again and again, and tells who must follow.
///
/// All of them are asked once a second, and more often while something is amiss: an answer is a few hundred bytes, and a
/// node that waited for a subscription's message would not notice that the message, or the sentinel, is gone.
final class SentinelKeeper: @unchecked Sendable {
    // SAFETY: every `var` is read and written on `eventLoop` only; `master` is behind a lock.

    private final class Link {
        let address: RedisAddress
        let connection: RedisConnection
        var isUp = false
        /// Its answers are outstanding.
        var isAsked = false

        init(_ address: RedisAddress, _ connection: RedisConnection) {
            (self.address, self.connection) = (address, connection)
        }
    }

    /// What is done with what it learns; called on its loop.
    struct Actions: Sendable {
        /// This one is the master now.
        var follow: @Sendable (RedisAddress) -> Void
        /// A sentinel cannot be used.
        var failed: @Sendable (RedisStartError) -> Void
        /// Whether every connection to the master is there, so that there is no hurry.
        var isSettled: @Sendable () -> Bool
    }

    private let eventLoop: any EventLoop
    private let configuration: RedisConfiguration
    private let sentinel: RedisSentinel
    private let clock: any TimeSource
    private let logger: Logger
    private let connect: ClusterLoop.Connect
    private let known = Shared<RedisAddress?>(nil)

    private var votes: SentinelVotes
    private var links: [Link] = []
    /// Sentinels that cannot be used, however long one waits.
    private var refusing: Set<RedisAddress> = []
    private var actions: Actions?
    private var timer: Scheduled<Void>?
    private var isClosed = false

    /// - Parameter connect: Makes the connections to the sentinels.
    init(
        _ sentinel: RedisSentinel, of configuration: RedisConfiguration, eventLoop: any EventLoop,
        clock: any TimeSource, logger: Logger, connect: @escaping ClusterLoop.Connect
    ) {
        self.sentinel = sentinel
        self.configuration = configuration
        self.eventLoop = eventLoop
        self.clock = clock
        self.logger = logger
        self.connect = connect
        votes = SentinelVotes(sentinels: configuration.seeds.count)
    }

    /// The master, as it is known now.
    var master: RedisAddress? { known.lock { $0 } }

    func start(_ actions: Actions) {
        eventLoop.execute {
            guard !self.isClosed else { return }
            self.actions = actions
            for address in self.configuration.seeds {
                let connection = self.connect(address, self.eventLoop) { change in self.changed(address, change) }
                self.links.append(Link(address, connection))
                connection.start()
            }
            self.wait()
        }
    }

    func close() -> EventLoopFuture<Void> {
        eventLoop.flatSubmit {
            self.isClosed = true
            self.timer?.cancel()
            self.actions = nil
            let closing = self.links.map { $0.connection.close() }
            self.links = []
            return .andAllComplete(closing, on: self.eventLoop)
        }
    }

    /// Something is wrong with the master: asks at once.
    func doubt() {
        eventLoop.execute { self.ask() }
    }
}

// MARK: Asking

extension SentinelKeeper {
    private func wait() {
        guard !isClosed else { return }
        let settled = actions?.isSettled() ?? false
        let longest =
            settled ? Limits.redisSentinelPollMilliseconds : Limits.redisSentinelHurriedPollMilliseconds
        // So that the nodes of a fleet do not ask in step.
        let pause = Int64(Int.random(in: longest / 2...longest))
        timer = eventLoop.scheduleTask(in: .milliseconds(pause)) {
            self.ask()
            self.wait()
        }
    }

    private func ask() {
        for link in links where link.isUp && !link.isAsked { ask(link) }
    }

    private func ask(_ link: Link) {
        link.isAsked = true
        let (address, now) = (link.address, clock.monotonicNanoseconds())
        let deadline = now + UInt64(Limits.redisMapQuestionMilliseconds) * 1_000_000
        let questions = SentinelAnswer.questions(sentinel.master)
        let batch = RedisBatch(count: questions.count) { result in
            self.link(address)?.isAsked = false
            if case .success(let replies) = result { self.answered(address, replies) }
        }
        link.connection.send(
            questions.enumerated().map { index, question in
                RedisCall(bytes: question.encoded(), startedAt: now, deadline: deadline, takesErrors: true) {
                    batch.answered(index, $0)
                }
            })
    }

    private func answered(_ address: RedisAddress, _ replies: [RedisReply]) {
        guard !isClosed else { return }
        do {
            let vote = try SentinelAnswer.vote(details: replies[0], address: replies[1], of: sentinel.master)
            let before = votes.master
            guard let master = votes.heard(vote, from: address, now: clock.monotonicNanoseconds()) else { return }
            known.lock { $0 = master }
            if let before {
                let names: Logger.Metadata = ["from": "\(before)", "to": "\(master)", "epoch": "\(vote.epoch)"]
                logger.notice("Redis Sentinel has another master", metadata: names)
            }
            actions?.follow(master)
        } catch {
            failed(address, error)
        }
    }
}

// MARK: The connections to the sentinels

extension SentinelKeeper {
    private func changed(_ address: RedisAddress, _ change: RedisConnection.Change) {
        guard let link = link(address) else { return }
        switch change {
        case .ready:
            link.isUp = true
            refusing.remove(address)
            ask(link)
        case .lost(let why):
            link.isUp = false
            failed(address, .unreachable(why))
        case .failed(var error):
            link.isUp = false
            if error.kind == .refused { error.fix = SentinelAnswer.loginFix }
            failed(address, error)
        }
    }

    private func link(_ address: RedisAddress) -> Link? { links.first { $0.address == address } }

    private func failed(_ address: RedisAddress, _ error: RedisStartError) {
        var error = error
        error.problem = "sentinel \(address): \(error.problem)"
        // One that refuses is no reason to give up as long as another one may answer.
        if error.isFinal { refusing.insert(address) }
        if error.isFinal, refusing.count < links.count { error.kind = .unsuitable }
        if error.kind == .unreachable { error.fix = "start the sentinels there, or correct their hosts and ports" }
        actions?.failed(error)
    }
}
