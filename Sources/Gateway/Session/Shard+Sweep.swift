import Core
import NIOCore
import Timelines
import Wire

/// One timer per loop watches every deadline (DESIGN §5): handshakes, `hello`, pings, silence, tokens, slow readers.
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
        let wallSeconds = node.time.wallMilliseconds() / 1000
        for slot in sessions.slots where sessions.isUsed(slot) {
            switch sessions[slot].phase {
            case .connecting: if tick > sessions[slot].deadline { handshakeTimedOut(slot) }
            case .greeting, .opening:
                if tick > sessions[slot].deadline { close(slot, .helloTimeout) }
            case .closing: if tick > sessions[slot].deadline { sessions[slot].connection.abort() }
            case .live: watch(slot, wallSeconds)
            }
        }
    }

    private func handshakeTimedOut(_ slot: Int32) {
        sessions[slot].deadline = tick + UInt32(Limits.closeTimeoutSeconds)
        sessions[slot].phase = .closing
        sessions[slot].connection.answer(
            .error(408, "bad_request", "the request did not arrive within \(Limits.handshakeTimeoutSeconds) s"))
    }

    private func watch(_ slot: Int32, _ wallSeconds: Int64) {
        if let token = sessions[slot].token, wallSeconds >= token.expiresAtSeconds {
            return close(slot, .unauthenticated)
        }
        let ping = UInt32(node.configuration.pingSeconds)
        if tick > sessions[slot].lastSign + UInt32(Double(ping) * Limits.silentPingIntervals) {
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
            sessions[slot].nextPing = tick + ping
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
