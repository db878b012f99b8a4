import Foundation

/// Conversations as arrays: simple enough to be believed.
struct ChatModel {
    struct Message {
        var id: String
        var from: String
        /// nil once it was recalled.
        var text: String?
        var cid: String
    }

    struct Conversation {
        var id: String
        var members: [String]
        var messages: [Message] = []
        var read: [String: Int] = [:]
    }

    private(set) var conversations: [String: Conversation] = [:]
    private var muted: Set<String> = []
    private var blocked: Set<String> = []

    mutating func add(_ id: String, members: [String]) {
        conversations[id] = Conversation(id: id, members: members)
    }

    subscript(_ id: String) -> Conversation { conversations[id] ?? Conversation(id: id, members: []) }

    /// Puts a conversation back to what it was: a store that lost its tail.
    mutating func restore(_ conversation: Conversation) { conversations[conversation.id] = conversation }

    mutating func append(_ message: Message, to id: String) { conversations[id]?.messages.append(message) }
    mutating func setText(_ text: String?, of n: Int, in id: String) { conversations[id]?.messages[n - 1].text = text }

    /// - Returns: Where the cursor stands then.
    mutating func read(_ n: Int, force: Bool, by user: String, in id: String) -> Int {
        let now = conversations[id]?.read[user] ?? 0
        let next = force ? n : max(n, now)
        conversations[id]?.read[user] = next
        return next
    }

    /// Messages of others behind the cursor, counted one by one.
    func unread(_ user: String, in id: String) -> Int {
        let conversation = self[id]
        let read = conversation.read[user] ?? 0
        return conversation.messages.enumerated().count { $0.offset + 1 > read && $0.element.from != user }
    }

    func total(_ user: String) -> Int {
        conversations.values.filter { $0.members.contains(user) && !isMuted($0.id, by: user) }
            .reduce(0) { $0 + unread(user, in: $1.id) }
    }

    func isMuted(_ id: String, by user: String) -> Bool { muted.contains("\(user) \(id)") }
    mutating func mute(_ id: String, _ on: Bool, by user: String) {
        if on { muted.insert("\(user) \(id)") } else { muted.remove("\(user) \(id)") }
    }

    func blocks(_ user: String, _ other: String) -> Bool { blocked.contains("\(user) \(other)") }
    mutating func block(_ other: String, _ on: Bool, by user: String) {
        if on { blocked.insert("\(user) \(other)") } else { blocked.remove("\(user) \(other)") }
    }

    /// Whether a message of `user` is refused.
    func isRefused(_ user: String, in id: String) -> Bool {
        let members = self[id].members
        guard id.hasPrefix("d:"), let other = members.first(where: { $0 != user }) else { return false }
        return blocks(user, other) || blocks(other, user)
    }
}
