import Core
import NIOCore
import Timelines
import Wire

/// From hints to bytes on sockets.
extension Shard {
    /// Takes a batch from any thread. Batches keep their order.
    func deliver(_ batch: some Collection<Delivery>) {
        let mustTell = deliveries.add(batch)
        if loop.inEventLoop { deliverWaiting() } else if mustTell { loop.execute { self.deliverWaiting() } }
    }

    private func deliverWaiting() {
        var runs = TopicRuns()
        // Taken out of the shard while it is worked on: a delivery may end a session and so lead to another one.
        var taken: [Delivery] = []
        swap(&taken, &spareDeliveries)
        deliveries.takeAll(into: &taken)
        for delivery in taken {
            if case .liveTopic(let topic, let frame) = delivery {
                if topics[topic] != nil { runs.add(topic, frame) }
            } else {
                // Only topics are gathered, and nothing overtakes them.
                if !runs.isEmpty { deliver(&runs) }
                deliver(delivery)
            }
        }
        deliver(&runs)
        if taken.capacity <= Self.sparesMax {
            taken.removeAll(keepingCapacity: true)
            spareDeliveries = taken
        }
    }

    /// Room for more after a burst is given back.
    private static let sparesMax = 4096

    private func deliver(_ runs: inout TopicRuns) {
        for run in runs.takeAll() {
            for slot in topics[run.topic] ?? [] { live(run.frames, slot, count: run.count) }
        }
    }

    private func deliver(_ delivery: Delivery) {
        switch delivery {
        case .event(let user, let seq, let previous, let id, let accepted, let frame):
            forEachSession(of: user) { event(seq, previous, id, accepted, frame, $0) }
        case .head(let user, let epoch, let seq, let id):
            for slot in slots(of: user) { head(epoch, seq, id, slot) }
        case .liveUser(let user, let frame):
            forEachSession(of: user) { live(frame, $0) }
        case .liveUsers(let users, let frame):
            for user in users { forEachSession(of: user) { live(frame, $0) } }
        case .liveTopic(let topic, let frame):
            for slot in topics[topic] ?? [] { live(frame, slot) }
        case .liveAll(let frame):
            for slot in sessions.slots where sessions.isUsed(slot) { live(frame, slot) }
        case .disconnect(let user, let session, let code, let reason):
            for slot in slots(of: user) where session == nil || sessions[slot].record?.session == session {
                close(slot, code, reason)
            }
        }
    }

    // MARK: Durable events

    private func event(
        _ seq: Int64, _ previous: UInt64, _ id: UInt64, _ accepted: Int64, _ frame: ByteBuffer, _ slot: Int32
    ) {
        guard sessions[slot].phase == .live, sessions[slot].stream != nil else {
            return sessions[slot].openingHint = max(sessions[slot].openingHint, seq)
        }
        if !hasRoom(slot) {
            guard sessions.isUsed(slot) else { return }
            goBehind(slot, head: seq)
        }
        switch sessions[slot].stream?.hint(seq: seq, previous: previous, id: id) {
        case .deliver:
            send(frame, to: slot)
            node.metrics.delivered(acceptedMicroseconds: accepted, nowMilliseconds: node.time.wallMilliseconds())
        case .read: read(slot)
        case .ignore, nil: break
        }
    }

    /// Whether more may wait for a session. What this turn wrote may only wait for its end: a burst does not make a
    /// reader slow. A failed flush ends the connection at once.
    private func hasRoom(_ slot: Int32) -> Bool {
        if sessions[slot].connection.isWritable { return true }
        sessions[slot].connection.flush()
        return sessions.isUsed(slot) && sessions[slot].connection.isWritable
    }

    private func head(_ epoch: UInt64?, _ seq: Int64, _ id: UInt64, _ slot: Int32) {
        guard sessions[slot].phase == .live, sessions[slot].stream != nil else {
            return sessions[slot].openingHint = max(sessions[slot].openingHint, seq)
        }
        let action =
            epoch == nil && id == 0
            ? sessions[slot].stream?.reaches(seq: seq) : sessions[slot].stream?.head(epoch: epoch, seq: seq, id: id)
        if action == .read {
            node.metrics.repairs.increment()
            read(slot)
        }
    }

    /// The session itself learned the head, by `ping`.
    func noteHead(_ head: TimelineHead, _ slot: Int32) {
        self.head(Fingerprint.of(head.epoch.utf8), head.seq, Fingerprint.of(head.last.utf8), slot)
    }

    /// The session pulled everything up to the head.
    func caughtUp(_ head: TimelineHead, _ slot: Int32) {
        if sessions[slot].stream?.caughtUp(to: head) == .read { read(slot) }
    }

    /// Reads what follows the session's position. One read of a session is under way at a time.
    func read(_ slot: Int32) {
        guard let user = sessions[slot].user, let stream = sessions[slot].stream else { return }
        let key = key(slot)
        sessions[slot].readNumber &+= 1
        let number = sessions[slot].readNumber
        node.timelines.read(
            user, after: stream.readAfter, last: nil, epoch: nil, limit: Limits.replayPageMax + 1
        ) { result in
            self.resume(key) { shard, slot in shard.page(result, of: number, slot) }
        }
    }

    private func page(_ result: Result<TimelinePage, StoreError>, of number: UInt32, _ slot: Int32) {
        guard sessions[slot].phase == .live, sessions[slot].stream?.phase == .reading,
            sessions[slot].readNumber == number
        else { return }
        guard case .success(let page) = result else {
            // The sweep asks again; the socket stays up meanwhile (G11).
            sessions[slot].stream?.readFailed()
            return watch(slot)
        }
        var part = page
        part.entries = Self.firstPart(of: page.entries)
        CrashPoint.reach("replay.page")
        switch sessions[slot].stream?.page(part) {
        case .deliver(let entries, let next):
            for entry in entries { send(json: entry.frame, to: slot) }
            if next == .read { readOn(slot) }
        case .lost(let reason):
            node.metrics.resync(reason)
            close(slot, .positionLost)
        case nil: break
        }
    }

    /// A long replay waits for the socket instead of filling memory.
    private func readOn(_ slot: Int32) {
        sessions[slot].connection.flush()
        // A failed flush ends the connection at once.
        guard sessions.isUsed(slot) else { return }
        if sessions[slot].connection.isWritable { return read(slot) }
        sessions[slot].stream?.readFailed()
        watch(slot)
    }

    /// As many of the entries as may wait for one session (G9): at least two, since the first of a read may be known.
    static func firstPart(of entries: [TimelineEntry]) -> [TimelineEntry] {
        var bytes = 0
        let rest = entries.firstIndex { entry in
            bytes += entry.frame.count
            return bytes > Limits.outputBytesMax
        }
        return rest.map { Array(entries.prefix(max($0, 2))) } ?? entries
    }

    // MARK: Live events

    /// - Parameter frames: `count` of them.
    func live(_ frames: ByteBuffer, _ slot: Int32, count: Int = 1) {
        // Callers go through lists, and a flush that fails ends a connection: what is listed may be gone.
        guard sessions.isUsed(slot), sessions[slot].phase == .live, sessions[slot].stream != nil else { return }
        guard hasRoom(slot) else {
            node.metrics.liveDropped.increment(by: count)
            return
        }
        send(frames, to: slot)
    }

    // MARK: Slow sessions

    private func goBehind(_ slot: Int32, head: Int64) {
        guard sessions[slot].stream?.overflow() == true else { return }
        node.metrics.slow.increment()
        send(json: ServerFrames.behind(head: head), to: slot)
    }

    func writabilityChanged(_ connection: Connection<Shard>, _ isWritable: Bool) {
        let slot = connection.slot
        guard slot >= 0 else { return }
        if isWritable {
            sessions[slot].slowSince = nil
            if sessions[slot].stream?.retry() == true { read(slot) }
            // A request is answered only as fast as answers are taken. Last of all: what waits may end the session.
            if sessions[slot].phase == .live { connection.resume(.output) }
        } else {
            sessions[slot].slowSince = nowTick
            watch(slot)
            if sessions[slot].phase == .live { connection.pause(.output) }
        }
    }
}
