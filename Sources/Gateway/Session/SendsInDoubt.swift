import Chat
import Core
import NIOCore

/// Messages of one session of which nobody knows whether they are stored: the store did not answer, or no replica had them
/// in time (strict durability).
///
/// An error reply would say that nothing was stored (PROTOCOL §2.2), and the message may be there, or come when a frozen
/// store goes on. So there is no reply until it is known: the message is committed again by its `cid`, which finds the
/// first one if there is one. The session is not read meanwhile, so later messages stay behind.
struct SendsInDoubt {
    struct Message: Sendable {
        /// Of the request.
        var id: [UInt8]?
        var conversation: ConversationID
        var change: ConversationChange
    }

    /// In the order in which they were sent.
    var messages = CircularBuffer<Message>(initialCapacity: 4)
    /// When the first one was in doubt, in the shard's seconds.
    let since: UInt32
    /// The first one is being committed again.
    var isAsking = false

    init(since: UInt32) { self.since = since }
}

extension Shard {
    func doubt(_ message: SendsInDoubt.Message, _ slot: Int32) {
        doubts[key(slot), default: SendsInDoubt(since: nowTick)].messages.append(message)
        sessions[slot].connection.pause(.doubt)
    }

    /// Asks again for every session that has something in doubt; called by the sweep.
    func settleDoubts() {
        for (key, doubt) in doubts {
            guard sessions.isUsed(key.slot), sessions.generation(key.slot) == key.generation,
                sessions[key.slot].phase == .live, let user = sessions[key.slot].user
            else {
                doubts[key] = nil
                continue
            }
            if tick > doubt.since + UInt32(Limits.sendInDoubtSeconds) {
                doubts[key] = nil
                close(key.slot, .overloaded, reason: "a message's outcome is unknown, send it again")
            } else if !doubt.isAsking {
                settle(key, user)
            }
        }
    }

    /// Commits the first message again; those behind it follow when it is known.
    private func settle(_ key: SessionKey, _ user: UserID) {
        guard let message = doubts[key]?.messages.first else { return }
        doubts[key]?.isAsking = true
        Messenger(node: node).commit(message.change, to: message.conversation, by: user) { result in
            self.resume(key) { shard, slot in
                shard.doubts[key]?.isAsking = false
                guard shard.sessions[slot].phase == .live, case .success(let outcome) = result else { return }
                shard.sent(message, outcome, slot)
                _ = shard.doubts[key]?.messages.popFirst()
                guard shard.doubts[key]?.messages.isEmpty != false else { return shard.settle(key, user) }
                shard.doubts[key] = nil
                // Last of all: it may end the session.
                shard.sessions[slot].connection.resume(.doubt)
            }
        }
    }
}
