import Chat
import Core
import GRDB

// Messages, what happens to them, and how far they were read.
extension ConversationWriter {
    func send(_ cid: ClientMessageID, _ body: [UInt8], _ at: inout Standing) throws -> CommitOutcome {
        let fingerprint = Int64(bitPattern: Fingerprint.of(body))
        let horizon = now - limits.dedupMilliseconds
        // Before anything is refused: who repeats a request must not hear that nothing was stored.
        if let known = try log.known(cid, by: at.me.user, at.row.key, horizon: horizon) {
            guard known.fingerprint == fingerprint else {
                return .refused(ApusError(.conflict, "cid: another message was sent with it"))
            }
            guard let number = try messages.number(known.n, at.row.key) else { return .refused(.noMessage) }
            return try duplicate(ofEntry: number, at)
        }
        guard at.me.removed == nil else { return .refused(.noConversation) }
        if try conversations.isBlocked(at.row) { return .refused(.blocked) }
        let commit = try append(.message(cid: cid.text, body: body), &at)
        let n = commit.entry.messages
        guard let kept = try bodies.keep(body, of: n, at.row.key) else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a new message was recalled")
        }
        at.me.own += 1
        try messages.insert(
            commit.entry, sender: at.me.user, own: at.me.own, cid: cid.text, body: kept, at.row.key)
        try conversations.save(at.me, of: at.row.key)
        try log.remember(
            cid, n: n, fingerprint: fingerprint, by: at.me.user, at.row.key, now: now, horizon: horizon)
        return .appended(commit)
    }

    func edit(_ n: Int64, _ body: [UInt8], _ at: inout Standing) throws -> CommitOutcome {
        guard let message = try visible(n, at) else { return .refused(.noMessage) }
        guard message.sender == at.me.user else { return .refused(.notTheSender("edit")) }
        guard !message.isRecalled else { return .refused(.noMessage) }
        if try conversations.isBlocked(at.row) { return .refused(.blocked) }
        guard now - message.at <= limits.editMilliseconds else {
            let hours = limits.editMilliseconds / 3_600_000
            return .refused(ApusError(.forbidden, "n: a message may be edited for \(hours) hours; send another one"))
        }
        guard message.edits < Limits.editsPerMessageMax else {
            return .refused(
                ApusError(.tooLarge, "n: a message may be edited \(Limits.editsPerMessageMax) times; send another one"))
        }
        guard let kept = try bodies.keep(body, of: n, at.row.key) else { return .refused(.noMessage) }
        if kept == message.body { return try noted(at, changed: false) }
        let commit = try append(.edited(n: n, body: body), &at, body: kept)
        try messages.edit(n, body: kept, at: commit.entry.timestampMilliseconds, at.row.key)
        return .appended(commit)
    }

    func recall(_ n: Int64, _ at: inout Standing) throws -> CommitOutcome {
        guard let message = try visible(n, at) else { return .refused(.noMessage) }
        guard message.sender == at.me.user else { return .refused(.notTheSender("recall")) }
        if message.isRecalled { return try noted(at, changed: false) }
        try bodies.wipe(n, at.row.key)
        return .appended(try append(.recalled(n: n), &at))
    }

    func react(_ n: Int64, _ key: String, on: Bool, _ at: inout Standing) throws -> CommitOutcome {
        guard let message = try visible(n, at), !message.isRecalled else { return .refused(.noMessage) }
        if try conversations.isBlocked(at.row) { return .refused(.blocked) }
        guard try messages.hasReaction(key, by: at.me.user, to: n, at.row.key) != on else {
            return try noted(at, changed: false)
        }
        if on, try messages.reactions(to: n, at.row.key) >= Limits.reactionsPerMessageMax {
            return .refused(
                ApusError(.tooLarge, "n: a message has at most \(Limits.reactionsPerMessageMax) reactions"))
        }
        let commit = try append(.reaction(n: n, key: key, on: on), &at)
        try messages.setReaction(
            key, on: on, by: at.me.user, to: n, number: commit.entry.position.number, at.row.key)
        return .appended(commit)
    }

    func read(_ n: Int64, force: Bool, _ at: inout Standing) throws -> CommitOutcome {
        // Nobody has read what is not there yet, or what is not shown.
        let n = min(max(n, at.me.hidden), at.row.messages)
        guard force ? n != at.me.readN : n > at.me.readN else {
            return .cursor(n: at.me.readN, own: at.me.readOwn)
        }
        at.me.readN = n
        at.me.readOwn = try messages.own(by: at.me.user, upTo: n, since: at.me.hidden, at.row.key)
        try conversations.save(at.me, of: at.row.key)
        guard at.row.members <= min(Limits.receiptMembersMax, limits.groupFanOut) else {
            return .cursor(n: n, own: at.me.readOwn)
        }
        return .appended(try append(.read(n: n, own: at.me.readOwn), &at))
    }

    func delivered(_ n: Int64, _ at: inout Standing) throws -> CommitOutcome {
        let n = min(n, at.row.messages)
        guard n > at.me.deliveredN else { return try noted(at, changed: false, deliveredN: at.me.deliveredN) }
        at.me.deliveredN = n
        try conversations.save(at.me, of: at.row.key)
        return try noted(at, changed: true, deliveredN: n)
    }

    func block(on: Bool, _ at: inout Standing) throws -> CommitOutcome {
        guard !at.row.id.isGroup else { return .refused(.onlyDirect) }
        guard at.me.blocks != on else { return try noted(at, changed: false) }
        at.me.blocks = on
        try conversations.save(at.me, of: at.row.key)
        return try noted(at, changed: true)
    }

    private func visible(_ n: Int64, _ at: Standing) throws -> MessageRow? {
        n > at.me.hidden ? try messages.find(n, at.row.key) : nil
    }
}

extension ApusError {
    fileprivate static func notTheSender(_ what: String) -> ApusError {
        ApusError(.forbidden, "n: only its sender may \(what) a message")
    }

    fileprivate static let onlyDirect = ApusError(
        .badRequest, "conv: only the partner of a direct conversation can be blocked")
}
