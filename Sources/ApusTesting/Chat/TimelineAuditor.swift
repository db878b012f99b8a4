import Chat
import Core
import Notifications
import Timelines

/// Holds one user's timeline against what was committed, event by event: that each is the next one of its conversation,
/// that nothing comes twice, and that every byte of the frame is right, totals included. Unread messages are counted one
/// by one here, not derived from cursors as stores do.
///
/// It knows conversations whose members follow the log; not groups beyond `StoreLimits.groupFanOut`, nor resets.
public struct TimelineAuditor: Sendable {
    /// What does not fit, in words.
    public struct Problem: Error, CustomStringConvertible {
        public let description: String
    }

    /// An event that stands in no log.
    public enum Personal: Sendable {
        case mute(ConversationID, on: Bool)
        case block(UserID, on: Bool)
        /// The user's own cursor, moved aside of the log.
        case cursor(ConversationID, LogEntry, force: Bool)
        case notification(Notification)
    }

    /// How the conversation looks to somebody who has read the timeline.
    struct Seat: Sendable {
        /// The last entry of the log that is in the timeline.
        var number: Int64 = 0
        var isListed = false
        var isMuted = false
        var readN: Int64 = 0
        /// Messages of others since the user came, by their `n`.
        var others: [Int64] = []
        var activity: Int64 = 0

        var unread: Int { others.filter { $0 > readN }.count }
    }

    public let user: UserID
    private(set) var seats: [ConversationID: Seat] = [:]
    private(set) var blocks: [UserID] = []
    /// The timeline as it must stand now, from `seq` 1 on.
    public private(set) var timeline: [TimelineEntry] = []
    private var personal: [String: (event: Personal, nowMilliseconds: Int64)] = [:]
    private var notifications = 0
    private var seenRecalls: [ConversationID: Set<Int64>] = [:]
    private var bodies: [ConversationID: [Int64: [Int]]] = [:]

    public init(_ user: UserID) { self.user = user }

    var messages: Int { seats.values.filter { $0.isListed && !$0.isMuted }.reduce(0) { $0 + $1.unread } }
    private var unread: Unread { Unread(messages: messages, notifications: notifications) }

    func seat(_ conversation: ConversationID) -> Seat { seats[conversation] ?? Seat() }

    /// The conversations in the list, newest activity first.
    var list: [ConversationID] {
        seats.filter(\.value.isListed).sorted { $0.value.activity > $1.value.activity }.map(\.key)
    }

    /// Tells of an event that may come now; it must not come again after it was seen.
    public mutating func expect(_ event: Personal, id: String, nowMilliseconds: Int64) {
        personal[id] = (event, nowMilliseconds)
    }

    /// Looks at the next events of the timeline.
    public mutating func observe(_ entries: [TimelineEntry], of record: ChatRecord) throws {
        for entry in entries {
            guard entry.seq == Int64(timeline.count) + 1 else {
                throw Problem(description: "\(user) has seq \(entry.seq) after \(timeline.count)")
            }
            let frames = try expected(entry, record)
            guard frames.contains(entry.frame) else {
                let wanted = frames.map(\.text).joined(separator: "\n or ")
                throw Problem(description: "\(user) has\n    \(entry.frame.text)\nand not\n    \(wanted)")
            }
            timeline.append(entry)
        }
    }

    /// The frames that may stand there; the state is that after the event.
    private mutating func expected(_ entry: TimelineEntry, _ record: ChatRecord) throws -> [[UInt8]] {
        if let (event, now) = personal.removeValue(forKey: entry.id) {
            return [try expected(event, entry.seq, entry.id, now)]
        }
        guard let place = record.place(of: entry.id) else {
            throw Problem(description: "\(user) has an event that nobody made: \(entry.frame.text)")
        }
        return try take(record.log(place.conversation)[Int(place.number) - 1], place.conversation, entry.seq, record)
    }

    private mutating func take(
        _ entry: LogEntry, _ conversation: ConversationID, _ seq: Int64, _ record: ChatRecord
    ) throws -> [[UInt8]] {
        var seat = seat(conversation)
        let number = entry.position.number
        let joins = Self.joins(entry, user)
        guard number == seat.number + 1 && (seat.isListed || !conversation.isGroup) || joins && number > seat.number
        else {
            throw Problem(
                description: "\(user) has entry \(number) of \(conversation) after \(seat.number), \(entry.content)")
        }
        let before = unread
        seat.number = number
        var recallSeen: Int64?
        switch entry.content {
        case .message:
            seat.isListed = true
            seat.activity = seq
            if entry.author != user { seat.others.append(entry.messages) }
            recallSeen = entry.messages
        case .edited(let n, _): recallSeen = n
        case .recalled(let n):
            seenRecalls[conversation, default: []].insert(n)
            for index in bodies[conversation]?[n] ?? [] {
                timeline[index].frame = ChatFrames.withoutBody(timeline[index].frame)
            }
        case .read(let n, _) where entry.author == user: seat.readN = n
        case .read, .reaction: break
        case .group(let change) where change.users.contains(user):
            if joins {
                seat.isListed = true
                seat.activity = seq
                (seat.others, seat.readN) = ([], entry.messages)
            } else {
                seat.isListed = false
            }
        case .group: break
        }
        seats[conversation] = seat
        if let n = recallSeen { bodies[conversation, default: [:]][n, default: []].append(Int(seq) - 1) }
        return frames(entry, conversation, seq, before, record, n: recallSeen)
    }

    private func frames(
        _ entry: LogEntry, _ conversation: ConversationID, _ seq: Int64, _ before: Unread, _ record: ChatRecord,
        n: Int64?
    ) -> [[UInt8]] {
        let isRecallSeen = n.map { seenRecalls[conversation]?.contains($0) ?? false } ?? false
        var isOwnRead = false
        if case .read = entry.content { isOwnRead = entry.author == user }
        return record.contents(of: entry, in: conversation, isRecallSeen: isRecallSeen).map { content in
            var entry = entry
            entry.content = content
            return ChatFrames.event(
                seq: seq, entry, in: conversation, for: user, unread: before == unread ? nil : unread,
                conversationUnread: isOwnRead ? seat(conversation).unread : nil)
        }
    }

    private static func joins(_ entry: LogEntry, _ user: UserID) -> Bool {
        guard case .group(let change) = entry.content else { return false }
        return (change.kind == .created || change.kind == .added) && change.users.contains(user)
    }

    private mutating func expected(
        _ event: Personal, _ seq: Int64, _ id: String, _ now: Int64
    ) throws -> [UInt8] {
        switch event {
        case .mute(let conversation, let on):
            seats[conversation, default: Seat()].isMuted = on
            return ChatFrames.mute(
                seq: seq, id: id, timestamp: now, conversation: conversation, on: on, unread: unread)
        case .block(let other, let on):
            if on { blocks.append(other) } else { blocks.removeAll { $0 == other } }
            return ChatFrames.block(seq: seq, id: id, timestamp: now, user: other, on: on)
        case .notification(let notification):
            notifications += 1
            return EventFrames.notification(
                seq: seq, notification, item: notification.id.text, updated: false, unread: unread)
        case .cursor(let conversation, let entry, let force):
            var seat = seat(conversation)
            guard case .read(let n, _) = entry.content, force || n > seat.readN else {
                throw Problem(description: "\(user)'s cursor of \(conversation) went back to \(entry.content)")
            }
            let before = unread
            seat.readN = n
            seats[conversation] = seat
            return ChatFrames.event(
                seq: seq, entry, in: conversation, for: user, unread: before == unread ? nil : unread,
                conversationUnread: seat.unread)
        }
    }
}
