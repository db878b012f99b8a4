import Chat
import Core
import NIOCore
import Wire

/// What a client asks for in conversations. To add an operation: a case in `ChatOperation`, its doing here.
extension Shard {
    var messenger: Messenger { Messenger(node: node) }

    func chat(_ operation: ChatOperation, _ user: UserID, _ id: [UInt8]?, _ slot: Int32) {
        switch operation {
        case .send(let send): self.send(send, user, id, slot)
        case .history(let history): self.history(history, user, id, slot)
        case .conversations(let cursor, let limit): conversations(cursor, limit, user, id, slot)
        case .read(let conversation, let n, let force): read(conversation, n, force, user, id, slot)
        case .delivered(let conversation, let n):
            tellOthers(.delivered(n: n), onlyOnce: true, conversation, user, id, slot) {
                ChatFrames.delivered(user, in: conversation, n: $0.deliveredN ?? n)
            }
        case .typing(let conversation, let on):
            tellOthers(.typing, onlyOnce: false, conversation, user, id, slot) { _ in
                ChatFrames.typing(user, in: conversation, on: on)
            }
        case .edit(let conversation, let n, let body):
            change(.edit(n: n, body: body), conversation, user, id, slot)
        case .recall(let conversation, let n): change(.recall(n: n), conversation, user, id, slot)
        case .react(let conversation, let n, let key, let on):
            change(.react(n: n, key: key, on: on), conversation, user, id, slot)
        case .mute(let conversation, let on): mute(conversation, on, user, id, slot)
        case .block(let other, let on): block(other, on, user, id, slot)
        case .blocks: blocks(user, id, slot)
        default: group(operation, user, id, slot)
        }
    }

    private func group(_ operation: ChatOperation, _ user: UserID, _ id: [UInt8]?, _ slot: Int32) {
        switch operation {
        case .groupCreate(let title, let members, let cid):
            let conversation = cid.map { ConversationID.group(madeBy: user, cid: $0) } ?? .newGroup()
            changeGroup(.create(title: title, members: members), conversation, user, id, slot)
        case .groupUpdate(let conversation, let title):
            changeGroup(.update(title: title), conversation, user, id, slot)
        case .groupAdd(let conversation, let users): changeGroup(.add(users), conversation, user, id, slot)
        case .groupRemove(let conversation, let users): changeGroup(.remove(users), conversation, user, id, slot)
        case .groupLeave(let conversation): change(.leave, conversation, user, id, slot)
        default: break
        }
    }

    // MARK: Messages

    private func send(_ send: ChatOperation.Send, _ user: UserID, _ id: [UInt8]?, _ slot: Int32) {
        let conversation: ConversationID
        switch send.target {
        case .conversation(let given): conversation = given
        case .user(let other):
            guard let made = ConversationID(between: user, and: other) else {
                return refuse(id, .badRequest("to: is yourself"), slot)
            }
            conversation = made
        }
        let messenger = messenger
        ask(
            slot, id, { messenger.commit(.send(cid: send.cid, body: send.body), to: conversation, by: user, $0) }
        ) { shard, slot, outcome in
            switch outcome {
            case .appended(let commit): shard.ok(id, commit.sent(in: conversation), slot)
            case .duplicate(let commit): shard.ok(id, commit.sent(in: conversation, duplicate: true), slot)
            case .refused(let error): shard.refuse(id, error, slot)
            case .noted, .cursor: shard.ok(id, JSONWriter.object { _ in }, slot)
            }
        }
    }

    /// A change that is answered with `{}`.
    private func change(
        _ change: ConversationChange, _ conversation: ConversationID, _ user: UserID, _ id: [UInt8]?, _ slot: Int32
    ) {
        let messenger = messenger
        ask(slot, id, { messenger.commit(change, to: conversation, by: user, $0) }) { shard, slot, outcome in
            if case .refused(let error) = outcome { return shard.refuse(id, error, slot) }
            shard.ok(id, JSONWriter.object { _ in }, slot)
        }
    }

    /// A change of which the others' sessions hear now and never again. - Parameter onlyOnce: Not when it changed nothing.
    private func tellOthers(
        _ change: ConversationChange, onlyOnce: Bool, _ conversation: ConversationID, _ user: UserID, _ id: [UInt8]?,
        _ slot: Int32,
        _ frame: @escaping @Sendable (CommitOutcome.Audience) -> [UInt8]
    ) {
        let messenger = messenger
        let commit = { (done: @escaping Completion<CommitOutcome>) in
            messenger.commit(change, to: conversation, by: user) { result in
                done(result)
                guard case .success(.noted(let audience)) = result, audience.changed || !onlyOnce else { return }
                self.afterReply { messenger.tell(audience.members.filter { $0 != user }, frame(audience)) }
            }
        }
        ask(slot, id, commit) { shard, slot, outcome in
            if case .refused(let error) = outcome { return shard.refuse(id, error, slot) }
            shard.ok(id, JSONWriter.object { _ in }, slot)
        }
    }

    private func history(_ history: ChatOperation.History, _ user: UserID, _ id: [UInt8]?, _ slot: Int32) {
        let conversation = history.conversation
        guard !conversation.excludes(user) else { return refuse(id, .notFound(conversation), slot) }
        let range: HistoryRange =
            switch history.range {
            case .before(let n): .before(n)
            case .after(let n): .after(n)
            }
        ask(
            slot, id, isLarge: true,
            { node.conversations.history(of: conversation, for: user, range, limit: history.limit, $0) }
        ) { shard, slot, page in
            guard let page else { return shard.refuse(id, .notFound(conversation), slot) }
            shard.ok(id, ChatFrames.history(page.part(range, bytesMax: Limits.answerBytesMax), for: user), slot)
        }
    }

    private func conversations(
        _ cursor: String?, _ limit: Int, _ user: UserID, _ id: [UInt8]?, _ slot: Int32
    ) {
        let listing = ConversationListing(node: node, user: user)
        ask(slot, id, isLarge: true, { listing.page(before: cursor, limit: limit, $0) }) { shard, slot, page in
            shard.ok(id, page, slot)
        }
    }

    // MARK: Cursors

    private func read(
        _ conversation: ConversationID, _ n: Int64, _ force: Bool, _ user: UserID, _ id: [UInt8]?, _ slot: Int32
    ) {
        let (messenger, node) = (messenger, node)
        ask(
            slot, id,
            { messenger.commitAndSettle(.read(n: n, force: force), to: conversation, by: user, $0) }
        ) { shard, slot, answer in
            if case .refused(let error) = answer.outcome { return shard.refuse(id, error, slot) }
            if let state = answer.state { return shard.ok(id, state.readReply(conversation), slot) }
            // Somebody else was faster with this step: what came of it is asked for.
            let now = node.time.wallMilliseconds()
            shard.ask(slot, id, { node.memberships.state(of: user, in: conversation, nowMilliseconds: now, $0) }) {
                shard, slot, state in
                guard let state else { return shard.refuse(id, .notFound(conversation), slot) }
                shard.ok(id, state.readReply(conversation), slot)
            }
        }
    }

    // MARK: Groups

    /// A change that is answered with the conversation, once the author's own list knows of it.
    private func changeGroup(
        _ change: ConversationChange, _ conversation: ConversationID, _ user: UserID, _ id: [UInt8]?, _ slot: Int32
    ) {
        let messenger = messenger
        let listing = ConversationListing(node: node, user: user)
        ask(slot, id, { messenger.commitAndSettle(change, to: conversation, by: user, $0) }) { shard, slot, answer in
            if case .refused(let error) = answer.outcome { return shard.refuse(id, error, slot) }
            shard.ask(slot, id, { listing.one(conversation, $0) }) { shard, slot, found in
                guard let found else { return shard.refuse(id, .notFound(conversation), slot) }
                shard.ok(id, found, slot)
            }
        }
    }

    // MARK: What a user decides for oneself

    private func mute(
        _ conversation: ConversationID, _ on: Bool, _ user: UserID, _ id: [UInt8]?, _ slot: Int32
    ) {
        let mute = { (done: @escaping Completion<Applied?>) in
            self.apply(.mute(conversation, on: on), user) {
                done($0)
                if case .success(let muted?) = $0 { muted.tell() }
            }
        }
        ask(slot, id, mute) { shard, slot, muted in
            guard muted != nil else { return shard.refuse(id, .notFound(conversation), slot) }
            shard.ok(id, JSONWriter.object { _ in }, slot)
        }
    }

    private func block(_ other: UserID, _ on: Bool, _ user: UserID, _ id: [UInt8]?, _ slot: Int32) {
        guard let conversation = ConversationID(between: user, and: other) else {
            return refuse(id, .badRequest("user: is yourself"), slot)
        }
        ask(
            slot, id, { on ? block(other, conversation, user, $0) : unblock(other, conversation, user, $0) }
        ) { shard, slot, refusal in
            if let refusal { return shard.refuse(id, refusal, slot) }
            shard.ok(id, JSONWriter.object { _ in }, slot)
        }
    }

    /// Answers with why it is refused, or nil. The conversation is what refuses the other's messages, the list is what
    /// the user sees. A list that is full refuses, so it comes first; when a block is taken away, it comes last: what is
    /// in force is always in the list. Neither step waits for the session.
    private func block(
        _ other: UserID, _ conversation: ConversationID, _ user: UserID, _ done: @escaping Completion<ApusError?>
    ) {
        let messenger = messenger
        apply(.block(other, on: true), user) { result in
            switch result {
            case .failure(let error): done(.failure(error))
            case .success(nil):
                let full = "user: at most \(Limits.blocksMax) users can be blocked"
                done(.success(ApusError(.tooLarge, full)))
            case .success(let listed?):
                messenger.commit(.block(on: true), to: conversation, by: user) {
                    done($0.map { $0.refusal })
                    listed.tell()
                }
            }
        }
    }

    private func unblock(
        _ other: UserID, _ conversation: ConversationID, _ user: UserID, _ done: @escaping Completion<ApusError?>
    ) {
        messenger.commit(.block(on: false), to: conversation, by: user) { result in
            switch result {
            case .failure(let error): done(.failure(error))
            case .success(.refused(let error)): done(.success(error))
            case .success:
                self.apply(.block(other, on: false), user) {
                    done($0.map { _ in nil })
                    if case .success(let unlisted?) = $0 { unlisted.tell() }
                }
            }
        }
    }

    /// A setting that was changed.
    private struct Applied: Sendable {
        /// Lets the user's other devices, and whoever watches the user, hear of it; called behind the reply.
        let tell: @Sendable () -> Void
    }

    /// Changes a setting; nil when what it is about is not there.
    private func apply(_ change: PersonalChange, _ user: UserID, _ done: @escaping Completion<Applied?>) {
        let node = node
        node.memberships.apply(
            change, of: user, id: .short(), nowMilliseconds: node.time.wallMilliseconds()
        ) { result in
            let applied = result.map { outcome in
                outcome.map { outcome in
                    Applied {
                        guard let entry = outcome.entry else { return }
                        self.afterReply {
                            if case .block(let other, let on) = change {
                                let kind = PresenceChange.Kind.blocked(other, on: on)
                                node.presenceCenter.changed(PresenceChange(user: user, kind: kind))
                            }
                            node.router.route([entry], of: user, to: outcome.routes)
                        }
                    }
                }
            }
            done(applied)
        }
    }

    private func blocks(_ user: UserID, _ id: [UInt8]?, _ slot: Int32) {
        ask(slot, id, isRead: true, { node.memberships.blocks(of: user, $0) }) { shard, slot, users in
            shard.ok(
                id,
                JSONWriter.object {
                    $0.member("users", array: { list in users.forEach { list.element(text: $0.text) } })
                }, slot)
        }
    }
}

extension CommitOutcome {
    fileprivate var refusal: ApusError? { if case .refused(let error) = self { error } else { nil } }
}

extension Commit {
    /// `{"conv","n","id","ts"}`
    func sent(in conversation: ConversationID, duplicate: Bool = false) -> [UInt8] {
        JSONWriter.object { writeSent(in: conversation, to: &$0, duplicate: duplicate) }
    }

    func writeSent(in conversation: ConversationID, to writer: inout JSONWriter, duplicate: Bool) {
        writer.member("conv", conversation.text)
        writer.member("n", entry.messages)
        writer.member("id", entry.position.id)
        writer.member("ts", entry.timestampMilliseconds)
        if duplicate { writer.member("dup", true) }
    }
}

extension MembershipState {
    /// `{"conv","n","conv_unread","unread"}`
    func readReply(_ conversation: ConversationID) -> [UInt8] {
        JSONWriter.object {
            $0.member("conv", conversation.text)
            $0.member("n", readN)
            $0.member("conv_unread", conversationUnread)
            $0.member(unread: unread)
        }
    }
}

extension HistoryPage {
    /// As many messages as fit into one answer, at least one: those nearest to where the range begins.
    func part(_ range: HistoryRange, bytesMax: Int) -> HistoryPage {
        var bytes = 0
        func fits(_ message: StoredMessage) -> Bool {
            let reactions = message.reactions.reduce(0) { sum, reaction in
                sum + reaction.key.utf8.count + 8 + reaction.users.reduce(0) { $0 + $1.text.utf8.count + 3 }
            }
            bytes += (message.body?.count ?? 0) + reactions + 300
            return bytes <= bytesMax
        }
        let kept: [StoredMessage] =
            switch range {
            case .after: Array(messages.prefix(while: fits))
            case .before: messages.reversed().prefix(while: fits).reversed()
            }
        guard kept.count < messages.count else { return self }
        guard kept.isEmpty else { return HistoryPage(messages: kept, more: true) }
        let one = if case .after = range { messages.first } else { messages.last }
        return HistoryPage(messages: one.map { [$0] } ?? [], more: messages.count > 1 || more)
    }
}
