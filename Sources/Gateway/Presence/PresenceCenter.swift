import Bus
import Core
import Logging
import NIOCore
import Presence
import Wire

/// Presence on this node: tells other nodes of its own sessions, and its sessions of the users they watch (ADR 16).
///
/// The thin shell around `PresenceWatch`. Everything here is touched on one loop only. What it says of a user leaves in one
/// order to each shard, replies and events alike, so a session is never told something older after something newer.
final class PresenceCenter: @unchecked Sendable {
    // SAFETY: every mutable member is confined to `loop`; the functions that are called from elsewhere hop there first.

    /// Answers what a session asked to watch, in the order of its users.
    typealias Watched = Completion<[(user: UserID, state: PresenceState)]>
    typealias Asked = @Sendable (PresenceCenter, Result<Void, StoreError>) -> Void

    /// How long changes are gathered before they are told to other nodes.
    private static let gatherInterval = TimeAmount.milliseconds(20)
    private static let tickInterval = TimeAmount.milliseconds(250)
    private static let usersPerQuestion = 500
    /// While the bus is away nobody is heard: the directory is asked this often.
    private static let recheckWithoutBusMilliseconds: UInt64 = 10_000

    let loop: any EventLoop
    private let own: Incarnation
    private let store: any PresenceStore
    private let bus: any Bus
    private let subjects: Subjects
    private let hub: Hub
    private let roster: NodeRoster
    private let metrics: GatewayMetrics
    private let time: any TimeSource
    private let logger: Logger

    private var watch = PresenceWatch()
    private var outbox: PresenceOutbox
    private var inbound = InboundPresence()
    private var isSendScheduled = false
    private var ticking: RepeatedTask?
    private var recheckedAt: UInt64 = 0
    /// Buckets that this node listens to; it begins when somebody watches one of their users, and does not end.
    private var joined: Set<Int> = []
    private var joining: Set<Int> = []
    private var waitingToJoin: [(buckets: Set<Int>, then: @Sendable (PresenceCenter) -> Void)] = []

    init(
        loop: any EventLoop, own: Incarnation, store: any PresenceStore, bus: any Bus, subjects: Subjects, hub: Hub,
        roster: NodeRoster, metrics: GatewayMetrics, time: any TimeSource, logger: Logger
    ) {
        self.loop = loop
        self.own = own
        self.store = store
        self.bus = bus
        self.subjects = subjects
        self.hub = hub
        self.roster = roster
        self.metrics = metrics
        self.time = time
        self.logger = logger
        outbox = PresenceOutbox(own: own)
    }

    func start() {
        onLoop { center in
            center.ticking = center.loop.scheduleRepeatedTask(
                initialDelay: Self.tickInterval, delay: Self.tickInterval
            ) { [weak center] _ in center?.tick() }
        }
    }

    /// Tells what still waits to be told.
    func stop() async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            onLoop { center in
                center.ticking?.cancel()
                center.send()
                done.resume()
            }
        }
    }

    private func onLoop(_ body: @escaping @Sendable (PresenceCenter) -> Void) {
        if loop.inEventLoop { body(self) } else { loop.execute { body(self) } }
    }

    private var now: UInt64 { time.monotonicNanoseconds() / 1_000_000 }

    // MARK: Watching

    /// Begins to watch. - Parameter adding: Those of `users` whom nobody of the asking shard has watched until now.
    func watch(_ users: [UserID], adding: [UserID], viewer: UserID, _ done: @escaping Watched) {
        onLoop { center in
            for user in adding { center.watch.add(user) }
            center.metrics.presenceWatched.record(center.watch.count)
            // Listening first and asking after, so that no change falls between the two.
            center.join(Set(users.map(PresenceChange.bucket))) { center in
                let questions = users.map { center.watch.question($0) }
                center.ask(questions[...]) { center, result in
                    done(result.map { _ in center.states(of: users, for: viewer) })
                }
            }
        }
    }

    private func states(of users: [UserID], for viewer: UserID) -> [(user: UserID, state: PresenceState)] {
        users.map { user in
            (user, watch.state(of: user, for: viewer) ?? .offline(lastSeenMilliseconds: nil))
        }
    }

    /// Nobody of the asking shard watches these users any more.
    func unwatch(_ users: [UserID]) {
        guard !users.isEmpty else { return }
        onLoop { center in
            for user in users { center.watch.remove(user) }
            center.metrics.presenceWatched.record(center.watch.count)
        }
    }

    private func join(_ buckets: Set<Int>, _ then: @escaping @Sendable (PresenceCenter) -> Void) {
        let missing = buckets.subtracting(joined)
        guard !missing.isEmpty else { return then(self) }
        waitingToJoin.append((missing, then))
        for bucket in missing.subtracting(joining) {
            joining.insert(bucket)
            let (bus, subject) = (bus, subjects.presence(bucket))
            Task {
                do {
                    try await bus.subscribe(subject, queue: nil) { self.received($0.payload, in: bucket) }
                } catch { self.logger.warning("presence is not heard", metadata: ["error": "\(error)"]) }
                self.onLoop { $0.hasJoined(bucket) }
            }
        }
    }

    private func hasJoined(_ bucket: Int) {
        joined.insert(bucket)
        let ready = waitingToJoin.filter { $0.buckets.isSubset(of: joined) }
        waitingToJoin.removeAll { $0.buckets.isSubset(of: joined) }
        for waiting in ready { waiting.then(self) }
    }

    // MARK: Changes

    /// A session of this node was put into the directory or taken out, or one of its users changed a block.
    func changed(_ change: PresenceChange) {
        onLoop { center in
            center.metrics.presenceChanges.increment()
            center.apply(change)
            center.outbox.add(change)
            guard !center.isSendScheduled else { return }
            center.isSendScheduled = true
            center.loop.scheduleTask(in: Self.gatherInterval) { center.send() }
        }
    }

    private func send() {
        isSendScheduled = false
        for (bucket, message) in outbox.takeAll() { publish(message, bucket) }
    }

    /// Every few seconds.
    func beat() {
        onLoop { center in
            for (bucket, message) in center.outbox.heartbeats() { center.publish(message, bucket) }
        }
    }

    private func publish(_ message: PresenceMessage, _ bucket: Int) {
        bus.publish(BusMessage(subject: subjects.presence(bucket), payload: message.encoded()))
    }

    private func received(_ payload: [UInt8], in bucket: Int) {
        let message = PresenceMessage(payload)
        guard message?.sender != own else { return }
        onLoop { center in
            guard let message else { return center.recheck("an unreadable message") { $0 == bucket } }
            let isHole = center.inbound.isHole(before: message, in: bucket)
            for change in message.changes { center.apply(change) }
            if isHole { center.recheck("changes from \(message.sender) are missing") { $0 == bucket } }
        }
    }

    private func apply(_ change: PresenceChange) {
        switch change.kind {
        case .online(let since): tell(watch.online(change.user, sinceMilliseconds: since))
        case .ended: watch.ended(change.user, nowMilliseconds: now)
        case .blocked(let other, let on): tell(watch.blocked(change.user, other, on: on))
        }
    }

    // MARK: Questions

    private func tick() {
        let now = now
        ask(watch.due(nowMilliseconds: now)[...])
        if !bus.isConnected, watch.count > 0, now - recheckedAt >= Self.recheckWithoutBusMilliseconds {
            recheck("the bus is away")
        }
    }

    /// Hints may have been lost: asks the directory about everybody who is watched.
    func recheckAll(because reason: String, afterMilliseconds delay: Int64 = 0) {
        guard delay > 0 else { return onLoop { $0.recheck(reason) } }
        loop.scheduleTask(in: .milliseconds(delay)) { self.recheck(reason) }
    }

    private func recheck(_ reason: String, _ isMeant: (Int) -> Bool = { _ in true }) {
        recheckedAt = now
        let questions = watch.recheck(isFinal: false) { isMeant(PresenceChange.bucket(of: $0)) }
        guard !questions.isEmpty else { return }
        metrics.presenceRechecks.increment()
        logger.info("asking who is online", metadata: ["reason": "\(reason)", "users": "\(questions.count)"])
        ask(questions[...])
    }

    /// Nodes are gone. - Parameter leftBehind: Not all of them closed their sessions first. Who was there has had the time of
    /// a lease to come back, and nobody waits any longer.
    func gone(_ nodes: Set<Incarnation>, leftBehind: Bool) {
        onLoop { center in
            center.inbound.forget(nodes)
            guard leftBehind else { return center.recheck("a node left") }
            center.ask(center.watch.recheck(isFinal: true)[...])
        }
    }

    /// Asks the directory, some hundred users at a time.
    private func ask(_ questions: ArraySlice<PresenceWatch.Question>, _ then: @escaping Asked = { _, _ in }) {
        guard !questions.isEmpty else { return then(self, .success(())) }
        let part = Array(questions.prefix(Self.usersPerQuestion))
        let rest = questions.dropFirst(Self.usersPerQuestion)
        metrics.presenceLookups.increment(by: part.count)
        store.lookup(part.map(\.user), withBlocked: true) { result in
            self.onLoop { center in
                switch result {
                case .success(let found):
                    let again = center.answered(part, found)
                    center.ask((again + rest)[...], then)
                case .failure(let error):
                    center.metrics.storeFailures.increment()
                    for question in questions { center.watch.failed(question, nowMilliseconds: center.now) }
                    then(center, .failure(error))
                }
            }
        }
    }

    /// - Returns: Questions whose answers came too late to count.
    private func answered(
        _ questions: [PresenceWatch.Question], _ found: [UserSessions]
    ) -> [PresenceWatch.Question] {
        let now = now
        var again: [PresenceWatch.Question] = []
        for (question, sessions) in zip(questions, found) {
            let finding = PresenceFinding(sessions, standing: roster.presence)
            for left in finding.left { prune(left, of: question.user) }
            let (tellings, isAskedAgain) = watch.answered(question, finding, nowMilliseconds: now)
            tell(tellings)
            if isAskedAgain { again.append(watch.question(question.user, isFinal: question.isFinal)) }
        }
        return again
    }

    /// Takes out what a dead node left. Not repeated when it fails: whoever meets it next tries again.
    private func prune(_ left: PresenceFinding.Left, of user: UserID) {
        store.remove([left.session], of: user, nowMilliseconds: left.atMilliseconds) { _ in }
    }

    // MARK: Telling

    private func tell(_ tellings: [PresenceWatch.Telling]) {
        guard !tellings.isEmpty else { return }
        metrics.presenceEvents.increment(by: tellings.count)
        let notices = tellings.map { telling in
            PresenceNotice(
                user: telling.user, audience: telling.audience,
                frame: FrameEncoder.text(telling.state.frame(of: telling.user)))
        }
        for shard in hub.shards { shard.notice(notices) }
    }
}

/// A frame for the sessions that watch a user.
struct PresenceNotice: Sendable {
    var user: UserID
    var audience: PresenceWatch.Telling.Audience
    var frame: ByteBuffer
}

extension PresenceState {
    /// The event of this state.
    func frame(of user: UserID) -> [UInt8] {
        switch self {
        case .online(let since, _): ServerFrames.online(user, sinceMilliseconds: since)
        case .offline(let lastSeen): ServerFrames.offline(user, lastSeenMilliseconds: lastSeen)
        }
    }
}
