import Core
import Presence

extension ScriptCall where Answer == [SessionRecord] {
    /// `register.lua`
    static func register(_ record: SessionRecord, of user: UserID, limit: Int) -> Self {
        var arguments = RedisArguments(record.session.text, record.stored)
        arguments.add(limit)
        return ScriptCall(.register, keys: .of(user, ["d"]), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in try fields.sessionRecords()
        }
    }
}

extension ScriptCall where Answer == Void {
    /// `remove.lua`
    static func remove(_ sessions: [SessionID], of user: UserID, now: Int64) -> Self {
        var arguments = RedisArguments()
        arguments.add(now)
        for session in sessions { arguments.add(session.text) }
        return ScriptCall(.remove, keys: .of(user, ["m", "d"]), arguments: arguments) {
            _ throws(ReplyFields.Malformed) in
        }
    }
}

extension ScriptCall where Answer == LeaseRenewal {
    /// `renew_lease.lua`
    static func renewLease(_ node: NodeRecord, seconds: Int) -> Self {
        var arguments = RedisArguments(node.incarnation.text, node.stored)
        arguments.add(seconds * 1000)
        return ScriptCall(.renewLease, keys: RedisKeySet(RedisKeys.leases), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            let wasLost = try fields.text() == "1"
            var alive: [NodeRecord] = []
            while !fields.isAtEnd {
                guard let node = NodeRecord(incarnation: try fields.text(), stored: try fields.text()) else {
                    throw ReplyFields.Malformed()
                }
                alive.append(node)
            }
            return LeaseRenewal(alive: alive, wasLost: wasLost)
        }
    }
}

extension ReplyFields {
    /// `session, record` pairs to the end.
    mutating func sessionRecords() throws(Malformed) -> [SessionRecord] {
        var records: [SessionRecord] = []
        while !isAtEnd {
            guard let record = SessionRecord(session: try text(), stored: try text()) else { throw Malformed() }
            records.append(record)
        }
        return records
    }
}

extension SessionRecord {
    /// `holder|since|device`; none of their character sets has a bar. An exclamation mark before the device says that the
    /// session is invisible (`remove.lua` looks for it).
    var stored: String { "\(holder.text)|\(sinceMilliseconds)|\(isInvisible ? "!" : "")\(device?.text ?? "")" }

    init?(session: String, stored: String) {
        let parts = stored.split(separator: "|", omittingEmptySubsequences: false)
        guard parts.count == 3, let session = SessionID(session), let holder = Incarnation(text: parts[0]),
            let since = Int64(parts[1])
        else { return nil }
        let isInvisible = parts[2].hasPrefix("!")
        self.init(
            session: session, holder: holder, device: DeviceName(parts[2].dropFirst(isInvisible ? 1 : 0)),
            sinceMilliseconds: since, isInvisible: isInvisible)
    }
}

extension NodeRecord {
    /// `since|sessions|draining|roles|version`; the version comes last because nothing limits its characters.
    var stored: String {
        "\(sinceMilliseconds)|\(sessions)|\(draining ? 1 : 0)|\(roles.joined(separator: ","))|\(version)"
    }

    init?(incarnation: String, stored: String) {
        let parts = stored.split(separator: "|", maxSplits: 4, omittingEmptySubsequences: false)
        guard parts.count == 5, let incarnation = Incarnation(text: incarnation), let since = Int64(parts[0]),
            let sessions = Int(parts[1])
        else { return nil }
        self.init(
            incarnation: incarnation, sinceMilliseconds: since, sessions: sessions, draining: parts[2] == "1",
            version: String(parts[4]), roles: parts[3].split(separator: ",").map(String.init))
    }
}
