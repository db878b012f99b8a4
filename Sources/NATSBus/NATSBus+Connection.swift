import Bus
import Core
import Dispatch
import Logging
import Metrics
import Synchronization

/// Getting connected, staying so, and ending.
extension NATSBus {
    /// Connects, checks the server, and makes the streams that are absent.
    /// - Throws: `NATSBusError` that names `APUS_NATS_URL` and the fix: at once for what waiting cannot mend, otherwise
    ///   after `startMilliseconds`. `CancellationError` when the task is cancelled. The bus is closed then.
    public func connect() async throws {
        let isFirst = state.withLock { state in
            guard state.phase == .new else { return false }
            state.phase = .running
            return true
        }
        guard isFirst else { throw NATSBusError(.misuse, "connect is called once") }
        let deadline = ContinuousClock.now + .milliseconds(configuration.startMilliseconds)
        var attempt = 0
        while true {
            do throws(NATSBusError) {
                if !isConnected { try await establish(try await Dialler.dial(self)) }
                try await jetStream.ensureStreams()
                break
            } catch {
                guard !error.isPermanent, ContinuousClock.now < deadline else {
                    await close()
                    throw error
                }
            }
            attempt += 1
            do {
                try await Task.sleep(for: min(pause(attempt), deadline - .now))
            } catch {
                await close()
                throw error
            }
        }
        let tasks = [Task { await self.reconnect() }, Task { await self.keepHouse() }]
        state.withLock { $0.tasks = tasks }
    }

    /// Stops taking messages, sends what was published, and ends the connection. No handler is called afterwards.
    /// Do not wait for it inside a handler: it waits for the handlers that run.
    public func close() async {
        let (wasOpen, subscriptions, consumer, tasks) = state.withLock { state in
            defer { state.phase = .closed }
            return (state.phase != .closed, state.subscriptions, state.consumer, state.tasks)
        }
        guard wasOpen else { return }
        for task in tasks { task.cancel() }
        lostLinks.continuation.finish()
        consumer?.stop()
        let last = state.withLock { $0.isReady ? $0.link : nil }
        let milliseconds = configuration.writeMilliseconds
        await blocking {
            last?.drain(subscriptions, milliseconds: milliseconds)
            for subscription in subscriptions { subscription.end() }
        }
        consumer?.giveBack()
        await outbox.flush(milliseconds: configuration.writeMilliseconds)
        let link = state.withLock { state in
            defer {
                state.link = nil
                state.isReady = false
                state.subscriptions = []
                state.consumer = nil
            }
            return state.link
        }
        outbox.use(nil)
        requests.failAll(StoreError(.unknown, "the bus was closed before an answer came"))
        await blocking {
            link?.close()
            // An event that is being told now is waited for.
            self.events.sync {}
        }
        connectedGauge.record(0)
    }

    // MARK: Links

    /// Puts a new link to use: subscribes everything, and lets publishing begin.
    func establish(_ dialled: Dialler.Dialled) async throws(NATSBusError) {
        let link = dialled.link
        let subscriptions = state.withLock { state -> [Subscription]? in
            guard state.phase == .running else { return nil }
            state.linkNumber = dialled.number
            state.link = link
            return state.subscriptions
        }
        guard let subscriptions else {
            await blocking { link.close() }
            throw Self.closedError
        }
        let inbox = Subscription(requests.inbox + ".*") { [requests] in requests.answer($0) }
        var isUp = link.subscribe(inbox)
        for subscription in subscriptions { isUp = isUp && link.subscribe(subscription) }
        let milliseconds = configuration.connectMilliseconds
        if isUp { isUp = await blocking { link.flush(milliseconds: milliseconds) } }
        if isUp { isUp = begin(dialled.number) }
        guard isUp, !link.isClosed else {
            linkLost(dialled.number)
            await blocking { link.close() }
            throw NATSBusError(.unreachable, "NATS at \(configuration.redacted) fell silent during the start")
        }
    }

    /// Publishing begins on the link of that number; false when it is gone already.
    private func begin(_ number: UInt64) -> Bool {
        let (isCurrent, consumer) = state.withLock { state -> (Bool, PullConsumer?) in
            guard state.linkNumber == number, let link = state.link, state.phase == .running else {
                return (false, nil)
            }
            outbox.use(link)
            state.isReady = true
            tell(.connected)
            if state.wasConnected { tell(.messagesLost) }
            state.wasConnected = true
            return (true, state.consumer)
        }
        guard isCurrent else { return false }
        connectedGauge.record(1)
        consumer?.linked()
        return true
    }

    /// The link of that number is gone. Called by the library's thread, and when a link fails while it is put to use.
    func linkLost(_ number: UInt64) {
        // The link is let go outside the lock: ending a connection may wait.
        let (link, wasReady, consumer) = state.withLock { state -> (NATSLink?, Bool, PullConsumer?) in
            guard state.linkNumber == number, let link = state.link, state.phase == .running else {
                return (nil, false, nil)
            }
            state.link = nil
            outbox.use(nil)
            defer { state.isReady = false }
            if state.isReady {
                state.droppedBefore = outbox.droppedTotal
                tell(.disconnected)
            }
            return (link, state.isReady, state.consumer)
        }
        defer { withExtendedLifetime(link) {} }
        guard wasReady else { return }
        connectedGauge.record(0)
        outages.increment()
        consumer?.unlinked()
        requests.failAll(StoreError(.unknown, "the connection to NATS was lost before an answer came"))
        logger.warning("lost NATS, reconnecting", metadata: ["servers": "\(configuration.redacted)"])
        lostLinks.continuation.yield()
    }

    /// The library dropped messages because a handler was slow.
    func subscriptionWasSlow() {
        guard isConnected else { return }
        logger.warning("NATS messages were dropped: a handler of this node was too slow")
        tell(.messagesLost)
    }

    /// Something the server would not do, such as a subject without permission.
    func serverReported(_ error: String) {
        logger.error("NATS reported an error", metadata: ["reason": "\(error)"])
    }

    func noteDiscovered(_ servers: [String]) {
        guard !servers.isEmpty else { return }
        state.withLock { $0.discovered = servers }
    }

    /// Runs until `close`: after each loss, tries until there is a link again.
    private func reconnect() async {
        for await _ in lostLinks.stream {
            let lostAt = ContinuousClock.now
            var attempt = 0
            var reason = ""
            while !isConnected, !Task.isCancelled {
                do throws(NATSBusError) {
                    try await establish(try await Dialler.dial(self))
                    let dropped = outbox.droppedTotal - state.withLock { $0.droppedBefore }
                    logger.notice(
                        "NATS is back",
                        metadata: ["after": "\(ContinuousClock.now - lostAt)", "dropped": "\(dropped)"])
                } catch {
                    attempt += 1
                    // Each new reason once: refused credentials must be seen, but not at every attempt.
                    let level: Logger.Level = error.message == reason ? .debug : .warning
                    reason = error.message
                    logger.log(level: level, "NATS is still away", metadata: ["reason": "\(error)"])
                    try? await Task.sleep(for: pause(attempt))
                }
            }
        }
    }

    /// 100 ms, doubling up to the configured longest, and up to a quarter more so that nodes do not come in step.
    private func pause(_ attempt: Int) -> Duration {
        let base = min(100 << min(max(attempt - 1, 0), 10), configuration.reconnectMillisecondsMax)
        return .milliseconds(base + Int.random(in: 0...(base / 4)))
    }

    // MARK: Housekeeping

    /// Runs until `close`: once a second looks after the consumer, every five measures the round trip and the backlog.
    private func keepHouse() async {
        var seconds = 0
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(1))
            seconds += 1
            let (link, consumer) = state.withLock { ($0.isReady ? $0.link : nil, $0.consumer) }
            consumer?.tick()
            guard seconds % 5 == 0, let link else { continue }
            let sentAt = time.monotonicNanoseconds()
            let milliseconds = configuration.writeMilliseconds
            if await blocking({ link.flush(milliseconds: milliseconds) }) {
                roundTrip.recordNanoseconds(Int64(time.monotonicNanoseconds() - sentAt))
            }
            guard consumer != nil, let pending = try? await jetStream.noteProgress() else { continue }
            pendingGauge.record(pending)
        }
    }
}
