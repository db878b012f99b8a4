import Core
import Wire

/// Operations of conversations as the vectors write them. Bodies stand there as text: they are carried as they came.
enum ChatVector {
    static func members(_ operation: ChatOperation) -> [String: JSONTree?] {
        switch operation {
        case .send(let send): Self.send(send)
        case .history(let history): Self.history(history)
        case .conversations(let cursor, let limit):
            ["op": .text("conversations"), "cursor": cursor.map { .text($0) }, "limit": .integer(Int64(limit))]
        case .read(let conv, let n, let force): message("read", conv, n, ["force": .bool(force)])
        case .delivered(let conv, let n): message("delivered", conv, n)
        case .typing(let conv, let on): ["op": .text("typing"), "conv": .text(conv.text), "on": .bool(on)]
        case .edit(let conv, let n, let body): message("edit", conv, n, ["body": text(body)])
        case .recall(let conv, let n): message("recall", conv, n)
        case .react(let conv, let n, let key, let on):
            message("react", conv, n, ["key": .text(key), "on": .bool(on)])
        case .mute(let conv, let on): ["op": .text("mute"), "conv": .text(conv.text), "on": .bool(on)]
        case .block(let user, let on): ["op": .text(on ? "block" : "unblock"), "user": .text(user.text)]
        case .blocks: ["op": .text("blocks")]
        default: group(operation)
        }
    }

    private static func group(_ operation: ChatOperation) -> [String: JSONTree?] {
        switch operation {
        case .groupCreate(let title, let members, let cid):
            [
                "op": .text("group.create"), "title": title.map { .text($0) }, "members": users(members),
                "cid": cid.map { .text($0.text) },
            ]
        case .groupUpdate(let conv, let title):
            ["op": .text("group.update"), "conv": .text(conv.text), "title": .text(title)]
        case .groupAdd(let conv, let members):
            ["op": .text("group.add"), "conv": .text(conv.text), "members": users(members)]
        case .groupRemove(let conv, let members):
            ["op": .text("group.remove"), "conv": .text(conv.text), "members": users(members)]
        case .groupLeave(let conv): ["op": .text("group.leave"), "conv": .text(conv.text)]
        default: [:]
        }
    }

    private static func send(_ send: ChatOperation.Send) -> [String: JSONTree?] {
        var members: [String: JSONTree?] = [
            "op": .text("send"), "cid": .text(send.cid.text), "body": text(send.body),
        ]
        switch send.target {
        case .user(let user): members["to"] = .text(user.text)
        case .conversation(let conv): members["conv"] = .text(conv.text)
        }
        return members
    }

    private static func history(_ history: ChatOperation.History) -> [String: JSONTree?] {
        var members: [String: JSONTree?] = [
            "op": .text("history"), "conv": .text(history.conversation.text), "limit": .integer(Int64(history.limit)),
        ]
        switch history.range {
        case .before(let n): members["before"] = n.map { .integer($0) }
        case .after(let n): members["after"] = .integer(n)
        }
        return members
    }

    private static func message(
        _ op: String, _ conv: ConversationID, _ n: Int64, _ more: [String: JSONTree?] = [:]
    ) -> [String: JSONTree?] {
        more.merging(["op": .text(op), "conv": .text(conv.text), "n": .integer(n)]) { first, _ in first }
    }

    private static func text(_ body: [UInt8]) -> JSONTree { .text(String(decoding: body, as: UTF8.self)) }
    private static func users(_ users: [UserID]) -> JSONTree { .array(users.map { .text($0.text) }) }
}
