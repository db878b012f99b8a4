import Core
import Timelines

extension ScriptCall where Answer == TimelineOpening {
    /// `open.lua`
    static func open(_ user: UserID, at cursor: Cursor?, limit: Int, now: Int64) -> Self {
        var arguments = RedisArguments()
        arguments.add(now)
        arguments.add(RandomToken.make(length: 8))
        arguments.add(limit)
        arguments.add(stated(cursor?.epoch))
        arguments.add(cursor?.seq ?? 0)
        arguments.add(stated(cursor?.last))
        return ScriptCall(.open, keys: .of(user, ["m", "t", "u", "x", "w"]), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            let head = try fields.head()
            let unread = try fields.unread()
            let verdict: ResumeVerdict =
                switch try fields.text() {
                case "fresh": .fresh
                case "resumed": .resumed
                case let reason: .resync(try fields.reason(reason))
                }
            let entries = try fields.entries(after: cursor?.seq ?? 0, of: user)
            return TimelineOpening(head: head, unread: unread, verdict: verdict, entries: entries)
        }
    }
}

extension ScriptCall where Answer == TimelinePage {
    /// `read.lua`
    static func read(_ user: UserID, after seq: Int64, last: String?, epoch: String?, limit: Int) -> Self {
        var arguments = RedisArguments()
        arguments.add(limit)
        arguments.add(stated(epoch))
        arguments.add(seq)
        arguments.add(stated(last))
        return ScriptCall(.read, keys: .of(user, ["m", "t"]), arguments: arguments) {
            fields throws(ReplyFields.Malformed) in
            let head = try fields.head()
            let verdict = try fields.text()
            let resync = verdict == "resumed" ? nil : try fields.reason(verdict)
            return TimelinePage(head: head, resync: resync, entries: try fields.entries(after: seq, of: user))
        }
    }
}

extension ReplyFields {
    fileprivate mutating func head() throws(Malformed) -> TimelineHead {
        TimelineHead(epoch: try text(), seq: try integer(), last: try text())
    }

    fileprivate func reason(_ text: String) throws(Malformed) -> ResyncReason {
        guard let reason = ResyncReason(rawValue: text) else { throw Malformed() }
        return reason
    }

    /// The events that are left, numbered from `seq` + 1.
    fileprivate mutating func entries(after seq: Int64, of user: UserID) throws(Malformed) -> [TimelineEntry] {
        var entries: [TimelineEntry] = []
        for event in try rest() {
            let seq = seq + Int64(entries.count) + 1
            if let record = TimelineRecord(event) {
                let (id, frame) = try record.expanded(seq: seq, for: user)
                entries.append(TimelineEntry(seq: seq, id: id, frame: frame))
            } else {
                guard let id = FrameID.find(in: event) else { throw Malformed() }
                entries.append(TimelineEntry(seq: seq, id: id, frame: event))
            }
        }
        return entries
    }
}

/// Finds the id of an event without a parser: frames begin `{"ev":"…","seq":N,"id":"…"`, and ids have no quotes.
enum FrameID {
    private static let mark = Array(",\"id\":\"".utf8)

    static func find(in frame: [UInt8]) -> String? {
        var at = 0
        while at + mark.count < frame.count {
            if frame[at] == mark[0], frame[at..<(at + mark.count)].elementsEqual(mark) {
                let id = frame[(at + mark.count)...].prefix { $0 != UInt8(ascii: "\"") }
                return String(decoding: id, as: UTF8.self)
            }
            at += 1
        }
        return nil
    }
}

/// An epoch or id that a client stated, for scripts to which '' means that there is none: neither is ever empty, so one who
/// says so has a position that cannot be ours.
private func stated(_ name: String?) -> String { name.map { $0.isEmpty ? "-" : $0 } ?? "" }
