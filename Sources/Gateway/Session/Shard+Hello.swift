import Core
import NIOCore
import Presence
import Timelines
import Wire

/// From the upgrade to `welcome`.
extension Shard {
    func isSocket(_ request: RequestHead) -> Bool { request.path == "/ws" }

    func bodyBytesMax(of request: RequestHead) -> Int { node.site.bodyBytesMax(of: request) }

    func request(_ connection: Connection<Shard>, _ request: RequestHead, body: [UInt8]) {
        let key = key(connection.slot)
        decide(connection.slot)
        node.site.answer(request, body: body, node: node) { answer in
            self.resume(key) { shard, slot in shard.sessions[slot].connection.answer(answer) }
        }
    }

    // MARK: Upgrade

    func upgrade(_ connection: Connection<Shard>, _ head: RequestHead) {
        let slot = connection.slot
        decide(slot)
        let request: UpgradeRequest
        do throws(UpgradeRequest.Refusal) {
            request = try UpgradeRequest(head, origins: node.origins, queryToken: node.configuration.auth.queryToken)
        } catch {
            return connection.answer(.error(error.status, "bad_request", error.message, fields: error.fields))
        }
        let forwarded = head.list("x-forwarded-for").map(String.init)
        switch admission.decide(nowNanoseconds: node.time.monotonicNanoseconds()) {
        case .enter: enter(slot, request, forwarded: forwarded)
        case .wait(let milliseconds):
            node.metrics.connectsDelayed.increment()
            let key = key(slot)
            loop.scheduleTask(in: .milliseconds(Int64(milliseconds))) {
                self.resume(key) { shard, slot in shard.enter(slot, request, forwarded: forwarded) }
            }
        case .refuse(let seconds):
            node.metrics.refused("admission")
            connection.answer(
                .error(
                    503, "unavailable", "too many sessions begin at this moment", fields: ["Retry-After: \(seconds)"]))
        }
    }

    /// The request came in time: from here on it is the node that may be slow.
    private func decide(_ slot: Int32) {
        sessions[slot].phase = .deciding
        sessions[slot].deadline = nowTick + UInt32(Limits.answerTimeoutSeconds)
    }

    /// It is the turn of this one.
    private func enter(_ slot: Int32, _ request: UpgradeRequest, forwarded: [String]) {
        let connection = sessions[slot].connection
        guard !isDraining else {
            return connection.answer(.error(503, "unavailable", "this node is draining", fields: ["Retry-After: 1"]))
        }
        let address = node.clientAddress(peer: connection.peerAddress ?? "", forwarded: forwarded)
        guard node.addresses.acquire(address) else {
            node.metrics.refused("address_limit")
            return connection.answer(
                .error(503, "unavailable", "too many sessions from this address", fields: ["Retry-After: 5"]))
        }
        sessions[slot].address = address
        guard let token = request.token else { return greet(slot, subprotocol: request.offersApus) }
        verify(token, slot) { shard, slot, result in
            guard shard.sessions[slot].phase == .deciding else { return }
            switch result {
            case .success(let token):
                shard.sessions[slot].token = token
                shard.sessions[slot].isTokenOfHandshake = true
                shard.greet(slot, subprotocol: request.offersApus)
            case .failure(let failure): shard.refuse(slot, failure)
            }
        }
    }

    private func refuse(_ slot: Int32, _ failure: AuthFailure) {
        node.metrics.hello(failure.reason.rawValue)
        sessions[slot].connection.answer(
            failure.isTemporary
                ? .error(503, "unavailable", "tokens cannot be checked now", fields: ["Retry-After: 2"])
                : .error(401, "unauthenticated", CloseCode.unauthenticated.reason, fields: ["WWW-Authenticate: Bearer"])
        )
    }

    private func greet(_ slot: Int32, subprotocol: Bool) {
        let now = nowTick
        sessions[slot].phase = .greeting
        sessions[slot].deadline = now + UInt32(Limits.helloTimeoutSeconds)
        sessions[slot].lastSign = now
        sessions[slot].nextPing = now + UInt32.random(in: 1...UInt32(node.configuration.pingSeconds))
        watch(slot)
        sessions[slot].connection.accept(subprotocol: subprotocol)
    }

    /// Checks a token: from memory when that is possible, else by asking for keys.
    func verify(
        _ token: String, _ slot: Int32,
        _ done: @escaping @Sendable (Shard, Int32, Result<VerifiedToken, AuthFailure>) -> Void
    ) {
        let now = node.time.wallMilliseconds()
        if let result = node.verifier.verifyNow(token, nowMilliseconds: now) { return done(self, slot, result) }
        let key = key(slot)
        let verifier = node.verifier
        // The one Task that a connection may cost: its key is not in memory, so the network decides how long it takes.
        Task {
            let result: Result<VerifiedToken, AuthFailure>
            do throws(AuthFailure) { result = .success(try await verifier.verify(token, nowMilliseconds: now)) } catch {
                result = .failure(error)
            }
            self.resume(key) { shard, slot in done(shard, slot, result) }
        }
    }

    // MARK: hello

    func hello(_ hello: Operation.Hello, _ id: [UInt8]?, _ slot: Int32) {
        guard sessions[slot].phase == .greeting else {
            return send(json: ServerFrames.error(id, .badRequest("hello: was said before")), to: slot)
        }
        guard !isDraining else { return close(slot, .draining) }
        sessions[slot].phase = .opening
        sessions[slot].deadline = nowTick + UInt32(Limits.answerTimeoutSeconds)
        sessions[slot].connection.pause(.hello)
        if let token = sessions[slot].token { return open(hello, id, slot, token) }
        guard let token = hello.token else {
            return refuseHello(id, slot, AuthFailure(.malformed, "no token"))
        }
        verify(token, slot) { shard, slot, result in
            guard shard.sessions[slot].phase == .opening else { return }
            switch result {
            case .success(let token): shard.open(hello, id, slot, token)
            case .failure(let failure): shard.refuseHello(id, slot, failure)
            }
        }
    }

    private func refuseHello(_ id: [UInt8]?, _ slot: Int32, _ failure: AuthFailure) {
        node.metrics.hello(failure.reason.rawValue)
        if failure.isTemporary { return retryHello(id, slot, .unavailable("tokens cannot be checked now")) }
        send(json: ServerFrames.error(id, ApusError(.unauthenticated, CloseCode.unauthenticated.reason)), to: slot)
        close(slot, .unauthenticated)
    }

    /// Says that it did not work and waits for another `hello`; the socket stays up.
    private func retryHello(_ id: [UInt8]?, _ slot: Int32, _ error: ApusError) {
        guard !isDraining else { return close(slot, .draining) }
        sessions[slot].phase = .greeting
        sessions[slot].deadline = nowTick + UInt32(Limits.helloTimeoutSeconds)
        watch(slot)
        send(json: ServerFrames.error(id, error), to: slot)
        sessions[slot].connection.resume(.hello)
    }

    /// Joins the hub first and asks the store after, so that no event can fall between the two; hints that come while
    /// the store is asked are noted in `openingHint`.
    private func open(_ hello: Operation.Hello, _ id: [UInt8]?, _ slot: Int32, _ token: VerifiedToken) {
        guard isInForce(token) else { return refuseHello(id, slot, Self.expired) }
        let record = SessionRecord(
            session: .new(), holder: node.incarnation, device: hello.device,
            sinceMilliseconds: node.time.wallMilliseconds(), isInvisible: hello.invisible)
        sessions[slot].token = token
        sessions[slot].record = record
        sessions[slot].stream = nil
        sessions[slot].openingHint = 0
        link(slot, token.user)
        node.sessionCount.add()
        let key = key(slot)
        let opening = Opening(shard: self, key: key, id: id, record: record, user: token.user)
        node.directory.register(record, of: token.user) { opening.registered($0) }
        node.timelines.open(token.user, at: hello.resume, limit: Limits.replayPageMax) { opening.opened($0) }
    }

    /// A token may have been checked a while ago: with the handshake, or before keys were fetched and the store asked.
    private func isInForce(_ token: VerifiedToken) -> Bool {
        token.expiresAtSeconds * 1000 > node.time.wallMilliseconds()
    }

    private static let expired = AuthFailure(.expired, "the token has expired since it was checked")

    /// Both answers are there.
    fileprivate func welcome(_ found: TimelineOpening, _ opening: Opening, _ slot: Int32) {
        guard sessions[slot].phase == .opening, let token = sessions[slot].token else { return }
        guard isInForce(token) else { return refuseHello(opening.id, slot, Self.expired) }
        node.metrics.hello(found.verdict == .resumed ? "resumed" : "ok")
        var resync: ResyncReason?
        if case .resync(let reason) = found.verdict {
            resync = reason
            node.metrics.resync(reason)
        }
        let welcome = ServerFrames.Welcome(
            user: token.user, session: opening.record.session, node: node.incarnation.node, epoch: found.head.epoch,
            seq: found.head.seq, last: found.head.last, resumed: found.verdict == .resumed, resync: resync,
            unread: found.unread, pingMilliseconds: node.configuration.pingSeconds * 1000)
        sessions[slot].phase = .live
        watch(slot)
        send(json: ServerFrames.welcome(opening.id, welcome), to: slot)
        let entries = Self.firstPart(of: found.entries)
        let replayed = entries.last.map { ($0.seq, $0.id) } ?? (found.head.seq, found.head.last)
        for entry in entries { send(json: entry.frame, to: slot) }
        sessions[slot].stream = SessionStream(
            epoch: found.head.epoch, seq: replayed.0, last: replayed.1, headSeq: found.head.seq)
        if sessions[slot].stream?.phase == .reading { read(slot) }
        // What was appended while the store was asked may have been hinted before there was a stream to take the hint.
        let hint = sessions[slot].openingHint
        if sessions[slot].stream?.reaches(seq: hint) == .read { read(slot) }
        if let spread = drainSpreadMilliseconds { sendAway(slot, spread) }
        // Last of all: among the frames that wait may be the one that ends the session.
        sessions[slot].connection.resume(.hello)
    }

    fileprivate func openingFailed(_ error: StoreError, _ opening: Opening, _ slot: Int32) {
        guard sessions[slot].phase == .opening else { return }
        node.metrics.hello("unavailable")
        leaveHub(slot)
        // The next `hello` may bring a newer one, which then counts.
        if !sessions[slot].isTokenOfHandshake { sessions[slot].token = nil }
        retryHello(opening.id, slot, error.forClient)
    }
}

/// Two answers that `welcome` waits for: the directory's and the timeline's. Asked at once, in one round trip.
private final class Opening: @unchecked Sendable {
    // SAFETY: the mutable members are touched on the shard's loop only: both answers hop there first.

    let shard: Shard
    let key: SessionKey
    let id: [UInt8]?
    let record: SessionRecord
    let user: UserID
    private var registration: Result<Void, StoreError>?
    private var found: Result<TimelineOpening, StoreError>?

    init(shard: Shard, key: SessionKey, id: [UInt8]?, record: SessionRecord, user: UserID) {
        self.shard = shard
        self.key = key
        self.id = id
        self.record = record
        self.user = user
    }

    func registered(_ result: Result<[SessionRecord], StoreError>) {
        // They are out of the directory, so they must go even when this session is gone or fails: nothing would reach
        // them any more.
        CrashPoint.reach("hello.registered")
        if case .success(let evicted) = result {
            for record in evicted { shard.node.router.disconnect(user, record, .tooManySessions) }
        }
        shard.resume(key) { _, slot in
            self.registration = result.map { _ in }
            self.finish(slot)
        }
    }

    func opened(_ result: Result<TimelineOpening, StoreError>) {
        shard.resume(key) { _, slot in
            self.found = result
            self.finish(slot)
        }
    }

    private func finish(_ slot: Int32) {
        guard let registration, let found else { return }
        switch (registration, found) {
        case (.success, .success(let found)): shard.welcome(found, self, slot)
        case (.failure(let error), _), (_, .failure(let error)): shard.openingFailed(error, self, slot)
        }
    }
}
