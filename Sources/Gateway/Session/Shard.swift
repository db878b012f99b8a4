import Core
import Dispatch
import NIOCore
import Presence
import Timelines
import Wire

/// The sessions of one event loop.
///
/// Everything here is touched on that loop only; other threads hand over work with `loop.execute`
/// (docs/loops-and-locks.md). The files of this folder divide it by subject: connecting and `hello`, operations,
/// delivery, and the sweep that watches deadlines.
final class Shard: WebSocketApplication, @unchecked Sendable {
    // SAFETY: every mutable member is confined to `loop`; the functions that are called from elsewhere hop there first.

    let loop: any EventLoop
    let node: NodeContext
    /// Shared by the shards of the node.
    let admission: Admission
    let frames = FrameDecoder.Options()
    /// Filled by any thread.
    let deliveries = DeliveryQueue()
    /// Room for what is taken out of it next.
    var spareDeliveries: [Delivery] = []

    var sessions = SlotMap<Session>()
    /// The first session of each user; the others follow by `nextOfUser`.
    var users: [UserID: Int32] = [:]
    var topics: [Topic: Set<Int32>] = [:]
    var watches = ShardWatches()
    /// Slots with bytes written and not flushed.
    var dirty: [Int32] = []
    /// Seconds since the shard began, counted by the sweep.
    var tick: UInt32 = 0
    /// When sessions are looked at.
    var deadlines = DeadlineWheel()
    /// Wall clock less `nowMilliseconds` at the first sweep or since the clock was set.
    var wallOffset: Int64?
    /// From the moment at which the node is asked to stop: nobody begins here any more.
    var isDraining = false
    /// Over how long sessions are sent away, once that has begun; for those that get their welcome after it.
    var drainSpreadMilliseconds: Int?
    var sweeping: RepeatedTask?
    private var isFlushScheduled = false
    private let origin: UInt64

    init(loop: any EventLoop, node: NodeContext, admission: Admission) {
        self.loop = loop
        self.node = node
        self.admission = admission
        origin = node.time.monotonicNanoseconds()
    }

    var nowMilliseconds: UInt64 { (node.time.monotonicNanoseconds() - origin) / 1_000_000 }
    var nowTick: UInt32 { UInt32(truncatingIfNeeded: nowMilliseconds / 1000) }

    // MARK: Connections

    func connected(_ connection: Connection<Shard>) {
        let now = nowTick
        let slot = sessions.insert(
            Session(connection, now: now, deadline: now + UInt32(Limits.handshakeTimeoutSeconds)))
        connection.slot = slot
        watch(slot)
        node.connectionCount.add()
        node.metrics.connections.increment()
    }

    func closed(_ connection: Connection<Shard>) {
        let slot = connection.slot
        guard slot >= 0 else { return }
        connection.slot = -1
        leaveHub(slot)
        if let address = sessions[slot].address { node.addresses.release(address) }
        _ = sessions.remove(slot)
        node.connectionCount.subtract()
    }

    /// Takes a session out of everything that could reach it, and out of the directory.
    func leaveHub(_ slot: Int32) {
        guard let user = sessions[slot].user, let record = sessions[slot].record else { return }
        unlink(slot, user)
        for topic in sessions[slot].topics { leaveTopic(topic, slot) }
        sessions[slot].topics = []
        unwatchAll(slot)
        sessions[slot].record = nil
        node.sessionCount.subtract()
        node.directory.remove(record.session, of: user)
    }

    func link(_ slot: Int32, _ user: UserID) {
        sessions[slot].nextOfUser = users[user] ?? -1
        users[user] = slot
    }

    private func unlink(_ slot: Int32, _ user: UserID) {
        guard var at = users[user] else { return }
        let next = sessions[slot].nextOfUser
        sessions[slot].nextOfUser = -1
        if at == slot {
            users[user] = next == -1 ? nil : next
            return
        }
        while at != -1 {
            let following = sessions[at].nextOfUser
            if following == slot {
                sessions[at].nextOfUser = next
                return
            }
            at = following
        }
    }

    func leaveTopic(_ topic: Topic, _ slot: Int32) {
        topics[topic]?.remove(slot)
        if topics[topic]?.isEmpty == true { topics[topic] = nil }
    }

    /// Hands over the slots of a user's sessions in this shard, one after another; `body` may end the session.
    func forEachSession(of user: UserID, _ body: (Int32) -> Void) {
        var next = users[user] ?? -1
        while next != -1, sessions.isUsed(next) {
            let slot = next
            next = sessions[slot].nextOfUser
            body(slot)
        }
    }

    /// The slots of a user's sessions in this shard.
    func slots(of user: UserID) -> [Int32] {
        var slots: [Int32] = []
        var at = users[user] ?? -1
        while at != -1 {
            slots.append(at)
            at = sessions[at].nextOfUser
        }
        return slots
    }

    // MARK: Output

    /// Writes a frame; it is sent at the end of this turn of the loop, with whatever else is written until then.
    func send(_ frame: ByteBuffer, to slot: Int32) {
        sessions[slot].connection.write(frame)
        guard !sessions[slot].isDirty else { return }
        sessions[slot].isDirty = true
        dirty.append(slot)
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        loop.execute { self.flush() }
    }

    func send(json: [UInt8], to slot: Int32) { send(FrameEncoder.text(json), to: slot) }

    private func flush() {
        isFlushScheduled = false
        let slots = dirty
        dirty.removeAll(keepingCapacity: true)
        for slot in slots where sessions.isUsed(slot) && sessions[slot].isDirty {
            sessions[slot].isDirty = false
            sessions[slot].connection.flush()
        }
    }

    /// Sends a close frame and gives the peer some seconds to answer it.
    func close(_ slot: Int32, _ code: CloseCode, reason: String? = nil) {
        close(slot, code.rawValue, reason ?? code.reason)
    }

    func close(_ slot: Int32, _ code: UInt16, _ reason: String) {
        guard sessions[slot].phase != .closing else { return }
        sessions[slot].phase = .closing
        sessions[slot].deadline = nowTick + UInt32(Limits.closeTimeoutSeconds)
        watch(slot)
        node.metrics.closed(code)
        leaveHub(slot)
        sessions[slot].connection.close(code, reason)
    }

    /// The connection failed or the peer closed it, and our close frame is on its way: it gets no more than the time to
    /// be taken.
    func ended(_ slot: Int32) {
        sessions[slot].phase = .closing
        sessions[slot].deadline = nowTick + UInt32(Limits.closeTimeoutSeconds)
        watch(slot)
        leaveHub(slot)
    }

    // MARK: Answers from elsewhere

    func key(_ slot: Int32) -> SessionKey { SessionKey(slot: slot, generation: sessions.generation(slot)) }

    /// Runs `body` on the loop if the session is still there.
    func resume(_ key: SessionKey, _ body: @escaping @Sendable (Shard, Int32) -> Void) {
        onLoop { shard in
            if shard.sessions.isUsed(key.slot), shard.sessions.generation(key.slot) == key.generation {
                body(shard, key.slot)
            }
        }
    }

    /// Runs `body` on the loop: at once when called there.
    func onLoop(_ body: @escaping @Sendable (Shard) -> Void) {
        if loop.inEventLoop { body(self) } else { loop.execute { body(self) } }
    }
}
