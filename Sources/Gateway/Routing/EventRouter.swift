import Bus
import Core
import NIOCore
import Notifications
import Presence
import Synchronization
import Timelines
import Wire

/// Sends what was appended to the nodes that hold the user's sessions (DESIGN §4).
///
/// What it sends is a hint: the store has the event already. It goes to the own hub directly and to each other node in
/// one message per turn, however many events wait for it.
final class EventRouter: Sendable {
    private let own: Incarnation
    private let bus: any Bus
    private let subjects: Subjects
    private let hub: Hub
    private let roster: NodeRoster
    private let directory: SessionDirectory
    private let links = Mutex<[Incarnation: NodeLink]>([:])
    private let uncertain = Mutex(UncertainUsers())
    private let loops = Mutex<(any EventLoopGroup)?>(nil)

    init(
        own: Incarnation, bus: any Bus, subjects: Subjects, hub: Hub, roster: NodeRoster,
        directory: SessionDirectory
    ) {
        self.own = own
        self.bus = bus
        self.subjects = subjects
        self.hub = hub
        self.roster = roster
        self.directory = directory
    }

    func start(on group: any EventLoopGroup) { loops.withLock { $0 = group } }

    // MARK: Durable events

    /// Sends events to the holders of the user's sessions. - Returns: how many sessions there are on nodes that are not dead.
    @discardableResult
    func route(
        _ entries: [AppendedEntry], of user: UserID, to routes: [SessionRoute], acceptedMicroseconds: Int64 = 0
    ) -> Int {
        let deliveries = entries.map { entry in
            Delivery.event(
                user: user, seq: entry.seq, previous: Fingerprint.of(entry.previous.utf8),
                id: Fingerprint.of(entry.id.utf8), acceptedMicroseconds: acceptedMicroseconds,
                frame: FrameEncoder.text(entry.frame))
        }
        return send(deliveries, of: user, to: routes)
    }

    /// Tells the holders where the head is, when the event itself is not at hand: they read what they miss.
    @discardableResult
    func routeHead(_ seq: Int64, of user: UserID, to routes: [SessionRoute]) -> Int {
        send([.head(user: user, epoch: nil, seq: seq, id: 0)], of: user, to: routes)
    }

    /// Sends a live event to the holders of the user's sessions.
    func routeLive(_ frame: ByteBuffer, of user: UserID, to routes: [SessionRoute]) {
        _ = send([.liveUser(user, frame: frame)], of: user, to: routes)
    }

    private func send(_ deliveries: [Delivery], of user: UserID, to routes: [SessionRoute]) -> Int {
        var holders = Set<Incarnation>()
        var sessions = 0
        for route in routes {
            guard roster.standing(of: route.holder) != .dead else {
                if let session = SessionID(route.session) {
                    directory.prune(session, of: user, atMilliseconds: roster.lastSign(of: route.holder))
                }
                continue
            }
            sessions += 1
            holders.insert(route.holder)
        }
        for holder in holders {
            if holder == own { hub.deliver(deliveries) } else { link(holder).add(deliveries) }
        }
        return sessions
    }

    // MARK: Unknown outcomes

    /// An append for this user may have happened without an answer, so nobody was told of it.
    func uncertain(_ user: UserID) { uncertain.withLock { $0.add(user) } }

    /// A beat: looks where those users' timelines stand now and tells every node, some at a time.
    func settle(_ timelines: any TimelineStore, _ time: any TimeSource) {
        let mayBeLate = timelines.mayBeLate
        let users = uncertain.withLock { $0.beginLook(mayBeLate: mayBeLate) }
        guard !users.isEmpty else { return }
        settle(users[...], HeadPacing(users: users.count), timelines, time)
    }

    private func settle(
        _ users: ArraySlice<UserID>, _ pacing: HeadPacing, _ timelines: any TimelineStore, _ time: any TimeSource
    ) {
        guard !users.isEmpty, let loop = loops.withLock({ $0?.any() }) else {
            return uncertain.withLock { $0.endLook() }
        }
        let (part, asked) = (Array(users.prefix(HeadPacing.usersPerQuestion)), time.monotonicNanoseconds())
        timelines.reachableHeads(part) { result in
            let heads = (try? result.get()) ?? part.map { _ in nil }
            let known = zip(part, heads).compactMap { user, head in head.map { Delivery(head: $0, of: user) } }
            if !known.isEmpty { self.broadcast(known) }
            for (user, head) in zip(part, heads) where head == nil { self.uncertain(user) }
            loop.scheduleTask(in: pacing.pause(afterNanoseconds: time.monotonicNanoseconds() - asked)) {
                self.settle(users.dropFirst(part.count), pacing, timelines, time)
            }
        }
    }

    // MARK: To every node

    /// Live events and orders that concern every node; not numbered, may be lost.
    func broadcast(_ deliveries: [Delivery]) {
        hub.deliver(deliveries)
        let message = NodeMessage(sender: own, link: 0, number: 0, deliveries: deliveries)
        bus.publish(BusMessage(subject: subjects.nodesAll, payload: message.encoded()))
    }

    /// Closes one session wherever it is.
    func disconnect(_ user: UserID, _ record: SessionRecord, _ code: CloseCode) {
        let order = Delivery.disconnect(user: user, session: record.session, code: code.rawValue, reason: code.reason)
        if record.holder == own { hub.deliver([order]) } else { link(record.holder).add([order]) }
    }

    // MARK: Links

    private func link(_ node: Incarnation) -> NodeLink {
        links.withLock { links in
            if let link = links[node] { return link }
            let link = NodeLink(from: own, to: subjects.node(node), bus: bus, loop: loops.withLock { $0 }?.any())
            links[node] = link
            return link
        }
    }

    /// Repeats the last number to every node that was sent something, so that a lost last message is noticed; and tells
    /// all nodes that this one is there.
    ///
    /// - Parameter hasLease: As far as this node knows. Without one it does not vouch for itself: others count it out.
    func heartbeat(hasLease: Bool = true) {
        for link in links.withLock({ Array($0.values) }) { link.heartbeat() }
        guard hasLease else { return }
        let presence = NodeMessage(sender: own, link: 0, number: 0, isHeartbeat: true, deliveries: [])
        bus.publish(BusMessage(subject: subjects.nodesAll, payload: presence.encoded()))
    }

    /// Ends the links to nodes that are gone.
    func forget(_ gone: Set<Incarnation>) { links.withLock { links in for node in gone { links[node] = nil } } }
}

/// What this node sends to one other: numbered, and gathered while the loop is busy.
final class NodeLink: Sendable {
    private struct State {
        var waiting: [Delivery] = []
        var waitingBytes = 0
        var isScheduled = false
        var number: UInt64 = 0
    }

    /// NATS refuses messages over 1 MiB by default.
    private static let messageBytesMax = 256 * 1024

    /// Tells this numbering from one that began anew, after a node was taken for dead.
    private let id = UInt32.random(in: 1 ... .max)
    private let own: Incarnation
    private let subject: String
    private let bus: any Bus
    private let loop: (any EventLoop)?
    private let state = Mutex(State())

    init(from own: Incarnation, to subject: String, bus: any Bus, loop: (any EventLoop)?) {
        self.own = own
        self.subject = subject
        self.bus = bus
        self.loop = loop
    }

    func add(_ deliveries: [Delivery]) {
        let (full, mustSchedule) = state.withLock { state in
            state.waiting += deliveries
            state.waitingBytes += deliveries.reduce(0) { $0 + $1.size }
            let mustSchedule = !state.isScheduled
            state.isScheduled = true
            return (state.waitingBytes > Self.messageBytesMax, mustSchedule)
        }
        if full || loop == nil { send() } else if mustSchedule { loop?.execute { self.send() } }
    }

    private func send() {
        // Published under the lock: the numbers must leave in their order.
        state.withLock { state in
            state.isScheduled = false
            guard !state.waiting.isEmpty else { return }
            state.number += 1
            let message = NodeMessage(sender: own, link: id, number: state.number, deliveries: state.waiting)
            state.waiting = []
            state.waitingBytes = 0
            bus.publish(BusMessage(subject: subject, payload: message.encoded()))
        }
    }

    func heartbeat() {
        state.withLock { state in
            guard state.number > 0 else { return }
            let message = NodeMessage(sender: own, link: id, number: state.number, isHeartbeat: true, deliveries: [])
            bus.publish(BusMessage(subject: subject, payload: message.encoded()))
        }
    }
}

/// Watches the numbers of what other nodes send here, and says when something is missing.
struct InboundLinks: Sendable {
    private var last: [Incarnation: (link: UInt32, number: UInt64)] = [:]

    enum Finding: Hashable { case next, repeated, hole }

    /// Judges a numbered message or heartbeat. After a hole the count goes on from there. A numbering that began anew
    /// counts as a hole: what ended the old one may have cost its last messages.
    mutating func judge(_ message: NodeMessage) -> Finding {
        let before = last[message.sender]
        let isRenewed = before.map { $0.link != message.link } ?? false
        let known = isRenewed ? 0 : before?.number ?? 0
        let expected = message.isHeartbeat ? known : known + 1
        guard message.number >= expected else { return .repeated }
        last[message.sender] = (message.link, message.number)
        return message.number > expected || isRenewed ? .hole : .next
    }

    mutating func forget(_ nodes: Set<Incarnation>) { for node in nodes { last[node] = nil } }
}
