import Chat
import Core
import GRDB

// Who is in a group, and what it is called.
extension ConversationWriter {
    func create(
        _ conversation: ConversationID, title: String?, members: [UserID], by author: UserID
    ) throws -> CommitOutcome {
        guard conversation.isGroup else { return .refused(.onlyGroups) }
        if let row = try conversations.find(conversation), row.exists { return try again(row, by: author) }
        let users = Self.distinct([author] + members)
        guard users.count <= limits.groupMembers else { return .refused(tooMany) }
        var row = try conversations.findOrBegin(conversation)
        let keys = try users.map { try key(of: $0) }
        try conversations.join(keys, &row)
        row.owner = keys[0]
        row.title = title
        let me = MemberRow(
            user: keys[0], joined: 1, hidden: 0, own: 0, readN: 0, readOwn: 0, deliveredN: 0, blocks: false,
            removed: nil)
        var at = Standing(row: row, me: me, author: author)
        return .appended(
            try append(.group(GroupChange(kind: .created, title: title, users: users)), &at))
    }

    /// The group is there: who made it hears so again, also after having left it.
    private func again(_ row: ConversationRow, by author: UserID) throws -> CommitOutcome {
        let first = try log.entries(after: 0, upTo: 1, limit: 1, row.key).first
        guard first?.author == author, let me = try conversations.member(author, of: row.key) else {
            return .refused(ApusError(.conflict, "conv: there is another group with this id"))
        }
        return try duplicate(ofEntry: 1, Standing(row: row, me: me, author: author))
    }

    func update(title: String, _ at: inout Standing) throws -> CommitOutcome {
        guard at.row.id.isGroup else { return .refused(.onlyGroups) }
        guard at.row.title != title else { return try noted(at, changed: false) }
        at.row.title = title
        return .appended(try append(.group(GroupChange(kind: .updated, title: title)), &at))
    }

    func add(_ users: [UserID], _ at: inout Standing) throws -> CommitOutcome {
        guard at.row.id.isGroup else { return .refused(.onlyGroups) }
        let joining = try Self.distinct(users).filter { try !isMember($0, at) }
        guard !joining.isEmpty else { return try noted(at, changed: false) }
        guard at.row.members + joining.count <= limits.groupMembers else { return .refused(tooMany) }
        try conversations.join(try joining.map { try key(of: $0) }, &at.row)
        return .appended(try append(.group(GroupChange(kind: .added, users: joining)), &at))
    }

    func remove(_ users: [UserID], _ at: inout Standing) throws -> CommitOutcome {
        guard at.row.id.isGroup else { return .refused(.onlyGroups) }
        guard at.row.owner == at.me.user else {
            return .refused(ApusError(.forbidden, "conv: only the owner of a group may remove members"))
        }
        guard !users.contains(at.author) else {
            return .refused(.badRequest("members: the owner cannot be removed; an owner leaves with group.leave"))
        }
        let leaving = try Self.distinct(users).filter { try isMember($0, at) }
        guard !leaving.isEmpty else { return try noted(at, changed: false) }
        try conversations.remove(try leaving.map { try key(of: $0) }, &at.row)
        return .appended(
            try append(.group(GroupChange(kind: .removed, users: leaving)), &at, gone: leaving))
    }

    func leave(_ at: inout Standing) throws -> CommitOutcome {
        guard at.row.id.isGroup else { return .refused(.onlyGroups) }
        try conversations.remove([at.me.user], &at.row)
        if at.row.owner == at.me.user { at.row.owner = try conversations.eldest(of: at.row.key) }
        return .appended(
            try append(.group(GroupChange(kind: .left, users: [at.author])), &at, gone: [at.author]))
    }

    func isMember(_ user: UserID, _ at: Standing) throws -> Bool {
        guard let member = try conversations.member(user, of: at.row.key) else { return false }
        return member.removed == nil
    }

    private var tooMany: ApusError {
        ApusError(.tooLarge, "members: a group has at most \(limits.groupMembers) members")
    }

    /// Each user once, where it stands first.
    private static func distinct(_ users: [UserID]) -> [UserID] {
        var seen = Set<UserID>()
        return users.filter { seen.insert($0).inserted }
    }
}

extension ApusError {
    fileprivate static let onlyGroups = ApusError(.badRequest, "conv: this is for groups, and it is none")
}
