import Core
import NIOCore

/// One event loop's connections to the masters of a Cluster, and which slot goes over which.
///
/// Performs what `SlotTraffic` decides. One input after another: what a completion calls comes after what led to it.
final class ClusterLoop: @unchecked Sendable {
    // SAFETY: every `var` is read and written on `eventLoop` only; `send`, `ask`, `adopt` and `close` hop there first.

    /// What all loops share hears of.
    enum Event {
        case up(RedisAddress, [RedisScript: [UInt8]])
        case lost(RedisAddress, why: String)
        case failed(RedisAddress, RedisStartError)
        /// Its connection was closed because nothing is sent there any more.
        case left(RedisAddress)
        /// Something does not fit the map.
        case doubt
    }

    /// A connection to one server.
    private final class Link {
        enum Phase { case connecting, up, down }

        let address: RedisAddress
        let connection: RedisConnection
        var phase = Phase.connecting
        /// A redirection led there since the last map, which may not know it: a new master before its first slot.
        var isWanted = false

        init(_ address: RedisAddress, _ connection: RedisConnection) {
            (self.address, self.connection) = (address, connection)
        }
    }

    private enum Input {
        case call(ClusterCall)
        case answer(ClusterCall, from: RedisAddress, Result<RedisReply, StoreError>)
        case look
    }

    typealias Connect =
        @Sendable (
            RedisAddress, any EventLoop, @escaping @Sendable (RedisConnection.Change) -> Void
        ) -> RedisConnection

    let eventLoop: any EventLoop
    private let configuration: RedisConfiguration
    private let metrics: RedisMetrics
    private let clock: any TimeSource
    private let connect: Connect
    private let report: @Sendable (Event) -> Void

    /// By slot.
    private var owners = [Link?](repeating: nil, count: RedisSlot.count)
    private var links: [RedisAddress: Link] = [:]
    private var traffic: SlotTraffic
    private var inputs = CircularBuffer<Input>()
    private var isBusy = false
    private var timer: Scheduled<Void>?
    private var closed: String?

    init(
        eventLoop: any EventLoop, configuration: RedisConfiguration, metrics: RedisMetrics, clock: any TimeSource,
        connect: @escaping Connect, report: @escaping @Sendable (Event) -> Void
    ) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.metrics = metrics
        self.clock = clock
        self.connect = connect
        self.report = report
        traffic = SlotTraffic(configuration: configuration)
    }

    private func onLoop(_ body: @escaping @Sendable () -> Void) {
        if eventLoop.inEventLoop { body() } else { eventLoop.execute(body) }
    }
}

// MARK: From other threads

extension ClusterLoop {
    /// Sends these, in that order; on the loop without a hop.
    func send(_ calls: [ClusterCall]) {
        onLoop { for call in calls { self.take(.call(call)) } }
    }

    /// Asks one server something that has no key.
    func ask(_ server: RedisAddress, _ call: RedisCall) {
        onLoop {
            guard let link = self.links[server] else {
                return call.done(.failure(StoreError(.notStored, "Redis is not connected: no master is at \(server)")))
            }
            link.connection.send([call])
        }
    }

    /// From now on the slots are where the map says.
    func adopt(_ map: SlotMap) {
        onLoop { self.use(map) }
    }

    /// Takes nothing more and closes all connections when what is in flight is answered.
    func close(_ why: String) -> EventLoopFuture<Void> {
        eventLoop.flatSubmit {
            self.closed = why
            for (call, result) in self.traffic.close(why) { call.finish(result) }
            let closing = self.links.values.map { $0.connection.close() }
            return EventLoopFuture.andAllComplete(closing, on: self.eventLoop).always { _ in
                self.links = [:]
                self.owners = Array(repeating: nil, count: RedisSlot.count)
            }
        }
    }
}

// MARK: One input after another

extension ClusterLoop {
    private func take(_ input: Input) {
        guard !isBusy else { return inputs.append(input) }
        isBusy = true
        perform(input)
        while let input = inputs.popFirst() { perform(input) }
        isBusy = false
        armTimer()
    }

    private func perform(_ input: Input) {
        switch input {
        case .call(let call): admit(call)
        case .answer(let call, let server, let result): answered(call, server, result)
        case .look: look()
        }
    }

    private func admit(_ call: ClusterCall) {
        guard closed == nil, let owner = owners[call.slot] else {
            if closed == nil { report(.doubt) }
            let why = closed ?? (links.isEmpty ? "not connected yet" : "no master has slot \(call.slot)")
            return call.finish(.failure(StoreError(.notStored, "Redis is not connected: \(why)")))
        }
        switch owner.phase == .connecting ? traffic.hold(call) : traffic.submit(call) {
        case .send: dispatch(call, call.bytes, to: owner, startedAt: call.startedAt)
        case .wait: release(call.slot)
        case .refuse(let error): call.finish(.failure(error))
        }
    }

    private func answered(_ call: ClusterCall, _ server: RedisAddress, _ result: Result<RedisReply, StoreError>) {
        var finished: [SlotTraffic.Finished]
        let now = clock.monotonicNanoseconds()
        if case .success(.error(let message)) = result {
            if let redirection = Redirection(message, from: server) {
                metrics.redirected(redirection.kind)
                follow(redirection, call)
                finished = traffic.redirected(call, redirection, message, now: now)
            } else {
                if message.hasPrefix("CLUSTERDOWN") || message.hasPrefix("MOVED") { report(.doubt) }
                finished = traffic.answered(call, .failure(RedisErrors.storeError(message)), now: now)
            }
        } else {
            finished = traffic.answered(call, result, now: now)
        }
        release(call.slot)
        for (call, result) in finished { call.finish(result) }
    }

    private func follow(_ redirection: Redirection, _ call: ClusterCall) {
        guard redirection.kind == .moved, let server = redirection.server else { return }
        owners[call.slot] = wanted(server)
        report(.doubt)
    }

    /// Time has passed, or a connection has come or gone.
    private func look() {
        let finished = traffic.expire(now: clock.monotonicNanoseconds())
        for slot in traffic.closedSlots { release(slot) }
        for (call, result) in finished { call.finish(result) }
    }

    private func armTimer() {
        guard traffic.needsTime, timer == nil else { return }
        timer = eventLoop.scheduleTask(in: .milliseconds(10)) {
            self.timer = nil
            self.take(.look)
        }
    }
}

// MARK: Sending

extension ClusterLoop {
    private static let asking = RedisArguments("ASKING").encoded()

    private func release(_ slot: Int) {
        guard !traffic.isOpen else { return }
        let now = clock.monotonicNanoseconds()
        for (call, target) in traffic.release(slot, now: now, canSend: { link(at: $0, slot)?.phase != .connecting }) {
            guard let link = link(at: target, slot) else {
                take(.answer(call, from: configuration.address, .failure(call.notStored("no master has its slot"))))
                continue
            }
            let isAsking = target != .owner
            var bytes = isAsking ? Self.asking : ByteBuffer()
            bytes.writeImmutableBuffer(call.bytes)
            dispatch(call, bytes, to: link, isAsking: isAsking, startedAt: now)
        }
    }

    private func link(at target: SlotTraffic.Target, _ slot: Int) -> Link? {
        switch target {
        case .owner: owners[slot]
        case .asking(let server): wanted(server)
        }
    }

    private func wanted(_ server: RedisAddress) -> Link {
        let link = link(server)
        link.isWanted = true
        return link
    }

    private func dispatch(
        _ call: ClusterCall, _ bytes: ByteBuffer, to link: Link, isAsking: Bool = false, startedAt: UInt64
    ) {
        // Also one that is sent again is given the whole time by its connection, which is closed when that is over: the
        // call has a deadline of its own (`SlotTraffic.expire`), and others would be lost with the connection.
        let server = link.address
        let sent = RedisCall(
            bytes: bytes, startedAt: startedAt, deadline: configuration.deadline(startedAt), isAsking: isAsking,
            takesErrors: true, isConfirmed: call.isConfirmed, isVital: call.isVital
        ) { result in
            self.take(.answer(call, from: server, result))
        }
        link.connection.send([sent])
    }
}

// MARK: Connections

extension ClusterLoop {
    /// The connection to a server, made when there is none yet.
    private func link(_ server: RedisAddress) -> Link {
        if let link = links[server] { return link }
        let connection = connect(server, eventLoop) { change in self.changed(server, change) }
        let link = Link(server, connection)
        links[server] = link
        if closed == nil { connection.start() }
        return link
    }

    private func changed(_ server: RedisAddress, _ change: RedisConnection.Change) {
        switch change {
        case .ready(let digests):
            links[server]?.phase = .up
            report(.up(server, digests))
        case .lost(let why):
            links[server]?.phase = .down
            report(.lost(server, why: why))
        case .failed(let error):
            links[server]?.phase = .down
            report(.failed(server, error))
        }
        take(.look)
    }

    private func use(_ map: SlotMap) {
        guard closed == nil else { return }
        let masters = map.masters.map { link($0) }
        for link in masters { link.isWanted = false }
        for (server, link) in links where !map.masters.contains(server) {
            guard !link.isWanted else {
                link.isWanted = false
                continue
            }
            links[server] = nil
            report(.left(server))
            _ = link.connection.close()
        }
        var new = [Link?](repeating: nil, count: RedisSlot.count)
        for part in map.parts { for slot in part.slots { new[slot] = masters[part.master] } }
        for slot in new.indices where new[slot] !== owners[slot] { traffic.ownerChanged(slot) }
        owners = new
        take(.look)
    }
}
