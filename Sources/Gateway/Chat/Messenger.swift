import Chat
import Core
import NIOCore
import Wire

/// Takes what happens in conversations from its author to every member: commit in the conversation, then advance each
/// member (ADR 12). Sessions, backends and the sweeper all go through it.
struct Messenger: Sendable {
    let node: NodeContext

    // MARK: Commit

    /// Applies a change and answers as soon as it is decided; bringing it to the members goes on after that.
    func commit(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID,
        _ done: @escaping Completion<CommitOutcome>
    ) {
        apply(change, to: conversation, by: author) { result in
            done(result)
            if case .success(let outcome) = result { follow(outcome, of: change, by: author, in: conversation, nil) }
        }
    }

    /// The same; the answer waits until the author's own timeline is advanced, and tells where the author stands then.
    func commitAndSettle(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID,
        _ done: @escaping Completion<(outcome: CommitOutcome, state: MembershipState?)>
    ) {
        apply(change, to: conversation, by: author) { result in
            switch result {
            case .failure(let error): done(.failure(error))
            case .success(let outcome):
                follow(outcome, of: change, by: author, in: conversation) { state in done(state.map { (outcome, $0) }) }
            }
        }
    }

    private func apply(
        _ change: ConversationChange, to conversation: ConversationID, by author: UserID,
        _ done: @escaping Completion<CommitOutcome>
    ) {
        guard !conversation.excludes(author) else { return done(.success(.refused(.notFound(conversation)))) }
        let now = node.time.wallMilliseconds()
        CrashPoint.reach("commit.before")
        node.conversations.commit(
            change, to: conversation, by: author, id: .short(), nowMilliseconds: now
        ) { result in
            CrashPoint.reach("commit.after")
            if case .success(let outcome) = result { count(outcome) }
            done(result)
        }
    }

    private func count(_ outcome: CommitOutcome) {
        switch outcome {
        case .appended(let commit):
            node.metrics.entries.increment()
            if case .message = commit.entry.content { node.metrics.messages.increment() }
        case .duplicate: node.metrics.duplicates.increment()
        case .refused(let error): node.metrics.messageRefused(error.code)
        case .noted, .cursor: break
        }
    }

    // MARK: Fan-out

    /// Does what an outcome asks for. `settled` hears of the author's own side.
    private func follow(
        _ outcome: CommitOutcome, of change: ConversationChange, by author: UserID, in conversation: ConversationID,
        _ settled: Completion<MembershipState?>?
    ) {
        switch outcome {
        case .appended(let commit), .duplicate(let commit): fanOut(commit, by: author, settled)
        case .cursor(let n, let own):
            let read = LogEntry.Content.read(n: n, own: own)
            var isForced = false
            if case .read(_, let force) = change { isForced = force }
            moveCursor(read, isForced: isForced, of: author, in: conversation, settled)
        case .noted, .refused: settled?(.success(nil))
        }
    }

    private func fanOut(_ commit: Commit, by author: UserID, _ settled: Completion<MembershipState?>?) {
        let conversation = commit.ticket.conversation
        guard commit.isFannedOut else {
            sendLive(commit, in: conversation)
            settled?(.success(nil))
            return
        }
        let round = FanOutRound(node: node, ticket: commit.ticket, members: commit.members.count)
        let now = node.time.wallMilliseconds()
        for member in commit.members {
            let (machine, action) = FanOut.begin(commit, for: member, nowMilliseconds: now)
            let settled = member == author ? settled : nil
            round.run(machine, action, for: member) { settled?($0) }
        }
        if !commit.members.contains(author) { settled?(.success(nil)) }
    }

    /// A group that is too large for its members' timelines: whoever is connected hears of it, everybody reads the log.
    private func sendLive(_ commit: Commit, in conversation: ConversationID) {
        let frame = FrameEncoder.text(ChatFrames.live(commit.entry, in: conversation))
        node.router.broadcast([.liveUsers(commit.members, frame: frame)])
    }

    /// The author's cursor alone: nobody else hears of it.
    private func moveCursor(
        _ read: LogEntry.Content, isForced: Bool, of user: UserID, in conversation: ConversationID,
        _ settled: Completion<MembershipState?>?
    ) {
        let now = node.time.wallMilliseconds()
        let entry = LogEntry(
            position: EntryPosition(number: 0, id: EventID.short().text), timestampMilliseconds: now, author: user,
            messages: 0, content: read)
        let step = AdvanceStep(mode: .aside(force: isForced), from: .start, entries: [entry])
        node.memberships.advance(user, in: conversation, by: step, nowMilliseconds: now) { result in
            switch result {
            case .success(.advanced(let advance)):
                node.router.route(advance.entries, of: user, to: advance.routes)
                settled?(.success(advance.state))
            case .success: settled?(.success(nil))
            case .failure(let error):
                if error.outcome == .unknown { node.router.uncertain(user) }
                settled?(.failure(error))
            }
        }
    }

    // MARK: Live

    /// Sends a live event to other users' sessions, wherever they are; nothing is kept for who is away.
    ///
    /// A few are looked up. For many it goes to every node: one client of a large group could have the store look up
    /// thousands with each frame, and nobody else would be served.
    func tell(_ users: [UserID], _ frame: [UInt8]) {
        guard !users.isEmpty else { return }
        let buffer = FrameEncoder.text(frame)
        guard users.count <= Limits.receiptMembersMax else {
            return node.router.broadcast([.liveUsers(users, frame: buffer)])
        }
        node.presence.lookup(users) { result in
            guard case .success(let found) = result else { return }
            for (user, sessions) in zip(users, found) {
                let routes = sessions.sessions.map { SessionRoute(session: $0.session.text, holder: $0.holder) }
                node.router.routeLive(buffer, of: user, to: routes)
            }
        }
    }
}

extension ApusError {
    /// For strangers and for what is not there alike: who is no member learns nothing.
    static func notFound(_ conversation: ConversationID) -> ApusError {
        ApusError(.notFound, "conv: there is no such conversation of yours")
    }
}
