import Core
import NIOCore
import Timelines
import Wire

/// One timer per loop watches every deadline (DESIGN §5): handshakes, `hello`, pings, silence, tokens, slow readers.
///
/// It looks only at sessions whose time has come. Whoever gives a session an earlier deadline calls `watch`; one that is
/// put off needs nothing, the look finds it.
extension Shard {
    /// How often the sweep runs: half of the finest promise, a token's expiry within 2 s (G12).
    static let sweepInterval = TimeAmount.milliseconds(500)

    func startSweeping() {
        onLoop { shard in
            shard.sweeping = shard.loop.scheduleRepeatedTask(
                initialDelay: Self.sweepInterval, delay: Self.sweepInterval
            ) { [weak shard] _ in shard?.sweep() }
        }
    }

    func stopSweeping() { onLoop { $0.sweeping?.cancel() } }

    private func sweep() {
        tick = nowTick
        let wall = node.time.wallMilliseconds()
        if hasWallClockJumped(wall) {
            // Tokens expire by the wall clock: what was worked out with the old one is wrong.
            for slot in sessions.slots where sessions.isUsed(slot) {
                look(at: slot, wall / 1000)
                if sessions.isUsed(slot) { watch(slot) }
            }
        }
        for slot in deadlines.takeAll(upTo: tick) where sessions.isUsed(slot) && sessions[slot].nextLook <= tick {
            sessions[slot].nextLook = .max
            look(at: slot, wall / 1000)
            if sessions.isUsed(slot) { watch(slot) }
        }
    }

    /// Whether the wall clock was set since the last sweep.
    private func hasWallClockJumped(_ wall: Int64) -> Bool {
        let offset = wall - Int64(nowMilliseconds)
        guard let known = wallOffset, abs(known - offset) <= 500 else {
            defer { wallOffset = offset }
            return wallOffset != nil
        }
        return false
    }

    /// Sees to it that the session is looked at when its next deadline has passed.
    func watch(_ slot: Int32) {
        let due = nextDeadline(of: slot)
        guard due < sessions[slot].nextLook else { return }
        sessions[slot].nextLook = deadlines.add(slot, at: due)
    }

    /// The tick at which `look` has something to do, when nothing happens until then.
    private func nextDeadline(of slot: Int32) -> UInt32 {
        guard sessions[slot].phase == .live else { return sessions[slot].deadline + 1 }
        var due = min(sessions[slot].nextPing, sessions[slot].lastSign + silentTicksMax + 1)
        if let since = sessions[slot].slowSince { due = min(due, since + UInt32(Limits.slowSessionSeconds) + 1) }
        let now = nowTick
        if sessions[slot].stream?.phase == .stale { due = min(due, now + 1) }
        if let token = sessions[slot].token {
            let left = token.expiresAtSeconds - node.time.wallMilliseconds() / 1000
            due = min(due, now + UInt32(min(max(left, 0), 1_000_000)))
        }
        return due
    }

    private func look(at slot: Int32, _ wallSeconds: Int64) {
        switch sessions[slot].phase {
        case .connecting: if tick > sessions[slot].deadline { handshakeTimedOut(slot) }
        case .deciding: if tick > sessions[slot].deadline { answerTimedOut(slot) }
        case .greeting: if tick > sessions[slot].deadline { close(slot, .helloTimeout) }
        // `hello` came in time: it is the node, its store or the key server that is slow.
        case .opening: if tick > sessions[slot].deadline { close(slot, .overloaded) }
        case .closing: if tick > sessions[slot].deadline { sessions[slot].connection.abort() }
        case .live: lookAtLive(slot, wallSeconds)
        }
    }

    private func handshakeTimedOut(_ slot: Int32) {
        end(
            slot,
            with: .error(408, "bad_request", "the request did not arrive within \(Limits.handshakeTimeoutSeconds) s"))
    }

    private func answerTimedOut(_ slot: Int32) {
        end(
            slot,
            with: .error(
                503, "unavailable", "no answer within \(Limits.answerTimeoutSeconds) s", fields: ["Retry-After: 2"]))
    }

    private func end(_ slot: Int32, with answer: HTTPAnswer) {
        sessions[slot].deadline = tick + UInt32(Limits.closeTimeoutSeconds)
        sessions[slot].phase = .closing
        sessions[slot].connection.answer(answer)
    }

    /// How long a client may say nothing at all.
    private var silentTicksMax: UInt32 {
        UInt32(Double(node.configuration.pingSeconds) * Limits.silentPingIntervals)
    }

    private func lookAtLive(_ slot: Int32, _ wallSeconds: Int64) {
        if let token = sessions[slot].token, wallSeconds >= token.expiresAtSeconds {
            return close(slot, .unauthenticated)
        }
        if tick > sessions[slot].lastSign + silentTicksMax {
            return close(slot, .goingAway)
        }
        if let since = sessions[slot].slowSince, tick > since + UInt32(Limits.slowSessionSeconds) {
            return close(slot, .tooSlow)
        }
        if sessions[slot].stream?.phase == .stale, sessions[slot].connection.isWritable,
            sessions[slot].stream?.retry() == true
        {
            read(slot)
        }
        if tick >= sessions[slot].nextPing {
            sessions[slot].nextPing = tick + UInt32(node.configuration.pingSeconds)
            send(FrameEncoder.ping, to: slot)
        }
    }

    // MARK: Drain

    /// From now on upgrades are answered 503, which a balancer takes to another node, and `hello` with 4512. Whoever let
    /// them in until the listener stops would send them away again a moment later.
    func refuseNewcomers() { onLoop { $0.isDraining = true } }

    /// Tells every session when to go, spread over `spreadMilliseconds`, and closes it a moment after that (G10).
    func drain(spreadMilliseconds: Int) {
        onLoop { shard in
            shard.isDraining = true
            shard.drainSpreadMilliseconds = spreadMilliseconds
            for slot in shard.sessions.slots where shard.sessions.isUsed(slot) {
                // One that waits for its welcome is told with it.
                if shard.sessions[slot].phase != .opening { shard.sendAway(slot, spreadMilliseconds) }
            }
        }
    }

    /// Tells a session when to go, and sees to it that it goes.
    func sendAway(_ slot: Int32, _ spreadMilliseconds: Int) {
        let delay = Int.random(in: 0...max(1, spreadMilliseconds))
        if sessions[slot].phase == .live {
            send(json: ServerFrames.draining(reconnectMilliseconds: delay), to: slot)
        }
        leave(key(slot), afterMilliseconds: delay + 300, patience: 40)
    }

    /// Closes a session for the drain, as soon as what it asked for is answered; at most `patience` times 50 ms later.
    private func leave(_ key: SessionKey, afterMilliseconds delay: Int, patience: Int) {
        loop.scheduleTask(in: .milliseconds(Int64(delay))) {
            self.resume(key) { shard, slot in
                guard shard.sessions[slot].operationsInFlight > 0, patience > 0 else {
                    CrashPoint.reach("drain.close")
                    return shard.close(slot, .draining)
                }
                shard.sessions[slot].connection.pause(.draining)
                shard.leave(key, afterMilliseconds: 50, patience: patience - 1)
            }
        }
    }

    /// Ends what is left.
    func abortAll() {
        onLoop { shard in
            for slot in shard.sessions.slots where shard.sessions.isUsed(slot) {
                shard.sessions[slot].connection.abort()
            }
        }
    }
}
