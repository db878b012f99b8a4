import Core
import NIOCore
import Notifications
import Timelines
import Wire

/// What a client asks for after `hello`. To add an operation: a case in `Operation`, its doing here.
extension Shard {
    func received(_ connection: Connection<Shard>, _ output: FrameDecoder.Output) {
        let slot = connection.slot
        guard slot >= 0, sessions[slot].phase != .closing else { return }
        sessions[slot].lastSign = nowTick
        switch output {
        case .text(let frame): request(frame, slot)
        case .ping:
            if !sessions[slot].pings.take(nowMilliseconds: nowMilliseconds) { close(slot, .tooManyRequests) }
        case .failure(let code, _):
            node.metrics.closed(code.rawValue)
            ended(slot)
        case .close: ended(slot)
        case .pong, .binary: break
        }
    }

    private func request(_ frame: [UInt8], _ slot: Int32) {
        let request = ClientRequest.parse(frame)
        node.metrics.framesIn.increment()
        switch sessions[slot].limiter.take(nowMilliseconds: nowMilliseconds) {
        case .pass: break
        case .flood: return close(slot, .tooManyRequests)
        case .refuse(let retry):
            let error = ApusError(
                .rateLimited, "more than \(Limits.operationsPerSecond) operations per second", retryMilliseconds: retry)
            return send(json: ServerFrames.error(request.id, error), to: slot)
        }
        switch request.operation {
        case .success(let operation):
            sessions[slot].badRequestsInARow = 0
            perform(operation, request.id, slot)
        case .failure(let error):
            send(json: ServerFrames.error(request.id, error), to: slot)
            guard error.code == .badRequest else { return }
            sessions[slot].badRequestsInARow += 1
            if sessions[slot].badRequestsInARow >= Limits.badRequestsInARowMax { close(slot, .badProtocol) }
        }
    }

    private func perform(_ operation: Operation, _ id: [UInt8]?, _ slot: Int32) {
        if case .hello(let hello) = operation { return self.hello(hello, id, slot) }
        guard sessions[slot].phase == .live, let user = sessions[slot].user else {
            let error = ApusError(.unauthenticated, "say hello first")
            return send(json: ServerFrames.error(id, error), to: slot)
        }
        switch operation {
        case .hello: break
        case .ping: ping(user, id, slot)
        case .auth(let token): renew(token, id, slot)
        case .sync(let sync): self.sync(sync, user, id, slot)
        case .inbox(let query): inbox(query, user, id, slot)
        case .inboxRead(let read): inboxRead(read, user, id, slot)
        case .subscribe(let topic): subscribe(topic, id, slot)
        case .unsubscribe(let topic):
            if let at = sessions[slot].topics.firstIndex(of: topic) {
                sessions[slot].topics.remove(at: at)
                leaveTopic(topic, slot)
            }
            ok(id, ServerFrames.topic(topic), slot)
        case .presenceWatch(let users): watchPresence(users, user, id, slot)
        case .presenceUnwatch(let users): unwatchPresence(users, id, slot)
        case .chat(let operation): chat(operation, user, id, slot)
        }
    }

    // MARK: Answers

    func ok(_ id: [UInt8]?, _ body: @autoclosure () -> [UInt8], _ slot: Int32) {
        if let id { send(json: ServerFrames.ok(id, body()), to: slot) }
    }

    func refuse(_ id: [UInt8]?, _ error: ApusError, _ slot: Int32) {
        send(json: ServerFrames.error(id, error), to: slot)
    }

    /// Calls a store and brings its answer back to the session. Too many at once stop the reading of the socket.
    ///
    /// `done` is for the reply alone: it is not called when the session has ended by then. What others have to hear is
    /// done in `call`, behind the reply (`afterReply`).
    ///
    /// - Parameters:
    ///   - isLarge: The answer may be as large as all that may wait for a session. Nothing is read behind such a request
    ///     until it is answered, so that one is all that can be held over `Limits.outputBytesMax` (G9). It only reads.
    ///   - isRead: It only reads, too.
    func ask<Value: Sendable>(
        _ slot: Int32, _ id: [UInt8]?, isLarge: Bool = false, isRead: Bool = false,
        _ call: (@escaping Completion<Value>) -> Void,
        _ done: @escaping @Sendable (Shard, Int32, Value) -> Void
    ) {
        let (key, user) = (key(slot), sessions[slot].user)
        sessions[slot].operationsInFlight += 1
        if sessions[slot].operationsInFlight >= Limits.operationsInFlightMax {
            sessions[slot].connection.pause(.operations)
        }
        if isLarge { sessions[slot].connection.pause(.largeAnswer) }
        call { result in
            // It may have been done all the same: whoever else holds the user is told to look.
            if case .failure(let error) = result, error.outcome == .unknown, !isLarge, !isRead, let user {
                self.node.router.uncertain(user)
            }
            self.resume(key) { shard, slot in
                shard.sessions[slot].operationsInFlight -= 1
                guard shard.sessions[slot].phase == .live else { return }
                switch result {
                case .success(let value): done(shard, slot, value)
                case .failure(let error):
                    shard.node.metrics.storeFailures.increment()
                    shard.send(json: ServerFrames.error(id, error.forClient), to: slot)
                }
                shard.answered(slot, isLarge)
            }
        }
    }

    /// Runs `body` on the loop, behind a reply that was given to `ask` before: whether the session is still there or not.
    func afterReply(_ body: @escaping @Sendable () -> Void) { onLoop { _ in body() } }

    /// Reads what waited for an answer. Last of all: it may end the session.
    private func answered(_ slot: Int32, _ isLarge: Bool) {
        guard sessions.isUsed(slot) else { return }
        var over: PauseReasons = isLarge ? .largeAnswer : []
        if sessions[slot].operationsInFlight == Limits.operationsInFlightMax - 1 { over.insert(.operations) }
        guard !over.isEmpty else { return }
        // Behind TLS the output is over its mark only when it is flushed. A failed flush ends the connection at once.
        if isLarge { sessions[slot].connection.flush() }
        if sessions.isUsed(slot) { sessions[slot].connection.resume(over) }
    }

    // MARK: Operations

    private func ping(_ user: UserID, _ id: [UInt8]?, _ slot: Int32) {
        ask(slot, id, isRead: true, { node.timelines.heads([user], $0) }) { shard, slot, heads in
            guard let head = heads.first else { return }
            shard.ok(id, ServerFrames.ping(head: head.seq), slot)
            shard.noteHead(head, slot)
        }
    }

    private func renew(_ token: String, _ id: [UInt8]?, _ slot: Int32) {
        verify(token, slot) { shard, slot, result in
            guard shard.sessions[slot].phase == .live, let user = shard.sessions[slot].user else { return }
            switch result {
            case .success(let token) where token.user == user:
                shard.sessions[slot].token = token
                shard.watch(slot)
                shard.ok(id, ServerFrames.expires(token.expiresAtSeconds), slot)
            case .success:
                shard.send(json: ServerFrames.error(id, ApusError(.forbidden, "token: is another user's")), to: slot)
            case .failure(let failure):
                let error: ApusError =
                    failure.isTemporary
                    ? .unavailable("tokens cannot be checked now")
                    : ApusError(.unauthenticated, "token: invalid or expired; the present one stays in force")
                shard.send(json: ServerFrames.error(id, error), to: slot)
            }
        }
    }

    private func sync(_ sync: Operation.Sync, _ user: UserID, _ id: [UInt8]?, _ slot: Int32) {
        ask(
            slot, id, isLarge: true,
            { node.timelines.read(user, after: sync.after, last: sync.last, epoch: sync.epoch, limit: sync.limit, $0) }
        ) { shard, slot, page in
            var page = page
            page.entries = Shard.firstPart(of: page.entries)
            shard.ok(
                id,
                ServerFrames.page(
                    epoch: page.head.epoch, events: page.entries.map(\.frame), head: page.head.seq, more: page.more,
                    resync: page.resync), slot)
            if page.resync == nil, !page.more { shard.caughtUp(page.head, slot) }
        }
    }

    private func inbox(_ query: Operation.Inbox, _ user: UserID, _ id: [UInt8]?, _ slot: Int32) {
        let query = InboxQuery(
            before: query.before, limit: query.limit, category: query.category, unreadOnly: query.unreadOnly)
        ask(slot, id, isLarge: true, { Self.inboxPage(query, of: user, node, $0) }) { shard, slot, page in
            let body = JSONWriter.object {
                $0.member("items", array: { list in page.items.forEach { list.element($0) } })
                if let cursor = page.cursor {
                    $0.member("cursor", cursor)
                } else {
                    $0.raw("cursor", Array("null".utf8))
                }
                $0.member(unread: page.counts.unread)
                $0.member(byCategory: page.counts.byCategory)
            }
            shard.ok(id, body, slot)
        }
    }

    /// A page that fits into one answer: of one that would not, as many items are asked for as do, so that the cursor
    /// is that of the last one.
    private static func inboxPage(
        _ query: InboxQuery, of user: UserID, _ node: NodeContext, _ done: @escaping Completion<InboxPage>
    ) {
        node.inbox.page(query, of: user, nowMilliseconds: node.time.wallMilliseconds()) { result in
            guard case .success(let page) = result, let fitting = page.count(within: Limits.answerBytesMax) else {
                return done(result)
            }
            var query = query
            query.limit = fitting
            Self.inboxPage(query, of: user, node, done)
        }
    }

    private func inboxRead(_ read: Operation.InboxRead, _ user: UserID, _ id: [UInt8]?, _ slot: Int32) {
        let selection: ReadSelection =
            switch read.selection {
            case .ids(let ids): .ids(ids)
            case .upTo(let id): .upTo(id)
            case .all: .all
            }
        ask(slot, id, { mark(selection, read.category, user, $0) }) { shard, slot, outcome in
            shard.ok(
                id,
                JSONWriter.object {
                    $0.member(unread: outcome.counts.unread)
                    $0.member(byCategory: outcome.counts.byCategory)
                }, slot)
        }
    }

    private func mark(
        _ selection: ReadSelection, _ category: String?, _ user: UserID, _ done: @escaping Completion<ReadOutcome>
    ) {
        let (node, now) = (node, node.time.wallMilliseconds())
        node.inbox.markRead(
            selection, category: category, of: user, id: .new(atMilliseconds: now), nowMilliseconds: now
        ) { result in
            // The reply first: the event that follows is what other devices get.
            done(result)
            guard case .success(let outcome) = result, let entry = outcome.entry else { return }
            self.afterReply { node.router.route([entry], of: user, to: outcome.routes) }
        }
    }

    private func subscribe(_ topic: Topic, _ id: [UInt8]?, _ slot: Int32) {
        if !sessions[slot].topics.contains(topic) {
            guard sessions[slot].topics.count < Limits.topicsPerSessionMax else {
                let error = ApusError(.tooLarge, "topic: at most \(Limits.topicsPerSessionMax) per session")
                return send(json: ServerFrames.error(id, error), to: slot)
            }
            sessions[slot].topics.append(topic)
            topics[topic, default: []].insert(slot)
        }
        ok(id, ServerFrames.topic(topic), slot)
    }
}

extension InboxPage {
    /// How many of the items fit into so many bytes, at least one; nil when all do.
    func count(within bytesMax: Int) -> Int? {
        var bytes = 0
        let over = items.firstIndex { item in
            bytes += item.count + 1
            return bytes > bytesMax
        }
        return items.count > 1 ? over.map { max($0, 1) } : nil
    }
}
