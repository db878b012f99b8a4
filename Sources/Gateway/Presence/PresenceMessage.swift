import Core
import NIOCore

/// Something that happened to one user's presence: a hint, which may be lost. The directory is the truth.
struct PresenceChange: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        /// A visible session was put into the directory.
        case online(sinceMilliseconds: Int64)
        /// A visible session was taken out of it.
        case ended
        /// The user's list of blocked users changed.
        case blocked(UserID, on: Bool)
    }

    var user: UserID
    var kind: Kind

    /// The subject that tells of a user: `apus.presence.<bucket>`.
    static func bucket(of user: UserID) -> Int { Int(Fingerprint.of(user.text.utf8) % UInt64(Limits.presenceBuckets)) }
}

/// What one node tells all others of one bucket in one bus message:
/// `version, sender, number, heartbeat, count, changes…`, big-endian.
///
/// `number` counts the messages of this sender in this bucket; a hole means that hints were lost.
struct PresenceMessage: Hashable, Sendable {
    static let version: UInt8 = 1

    var sender: Incarnation
    /// 1, 2, 3 … for messages with changes; the last one again for a heartbeat.
    var number: UInt64
    var isHeartbeat = false
    var changes: [PresenceChange] = []

    private enum Code: UInt8 { case online = 1, ended, blocked, unblocked }

    func encoded() -> [UInt8] {
        var out = ByteBuffer()
        out.writeInteger(Self.version)
        out.writeShort(sender.text)
        out.writeInteger(number)
        out.writeInteger(isHeartbeat ? 1 : 0, as: UInt8.self)
        out.writeInteger(UInt32(changes.count))
        for change in changes { Self.write(change, to: &out) }
        return Array(out.readableBytesView)
    }

    private static func write(_ change: PresenceChange, to out: inout ByteBuffer) {
        switch change.kind {
        case .online(let since):
            out.writeInteger(Code.online.rawValue)
            out.writeShort(change.user.text)
            out.writeInteger(since)
        case .ended:
            out.writeInteger(Code.ended.rawValue)
            out.writeShort(change.user.text)
        case .blocked(let other, let on):
            out.writeInteger((on ? Code.blocked : .unblocked).rawValue)
            out.writeShort(change.user.text)
            out.writeShort(other.text)
        }
    }

    /// - Returns: nil for what is not of this version or cut off.
    init?(_ bytes: [UInt8]) {
        var input = ByteBuffer(bytes: bytes)
        guard input.readInteger(as: UInt8.self) == Self.version,
            let sender = input.readShort().flatMap({ Incarnation(text: $0) }),
            let number = input.readInteger(as: UInt64.self), let heartbeat = input.readInteger(as: UInt8.self),
            let count = input.readInteger(as: UInt32.self)
        else { return nil }
        self.init(sender: sender, number: number, isHeartbeat: heartbeat == 1)
        for _ in 0..<count {
            guard let change = Self.change(&input) else { return nil }
            changes.append(change)
        }
    }

    private static func change(_ input: inout ByteBuffer) -> PresenceChange? {
        guard let code = input.readInteger(as: UInt8.self).flatMap(Code.init),
            let user = input.readShort().flatMap({ UserID($0) })
        else { return nil }
        switch code {
        case .online:
            return input.readInteger(as: Int64.self).map {
                PresenceChange(user: user, kind: .online(sinceMilliseconds: $0))
            }
        case .ended: return PresenceChange(user: user, kind: .ended)
        case .blocked, .unblocked:
            return input.readShort().flatMap { UserID($0) }.map {
                PresenceChange(user: user, kind: .blocked($0, on: code == .blocked))
            }
        }
    }

    init(sender: Incarnation, number: UInt64, isHeartbeat: Bool = false, changes: [PresenceChange] = []) {
        self.sender = sender
        self.number = number
        self.isHeartbeat = isHeartbeat
        self.changes = changes
    }
}

/// Numbers and gathers what this node tells the others.
struct PresenceOutbox: Sendable {
    private struct Bucket: Sendable {
        var waiting: [PresenceChange] = []
        var number: UInt64 = 0
        /// Heartbeats since the last change.
        var heartbeats = 0
    }

    /// How often the last number of a bucket is repeated: each of them may be lost.
    static let heartbeatsMax = 3
    /// A message stays far below what NATS takes (1 MiB by default).
    static let changesPerMessageMax = 1000

    private let own: Incarnation
    private var buckets = [Bucket](repeating: Bucket(), count: Limits.presenceBuckets)

    init(own: Incarnation) { self.own = own }

    mutating func add(_ change: PresenceChange) {
        buckets[PresenceChange.bucket(of: change.user)].waiting.append(change)
    }

    /// Everything that waits, by bucket.
    mutating func takeAll() -> [(bucket: Int, message: PresenceMessage)] {
        var messages: [(bucket: Int, message: PresenceMessage)] = []
        for index in buckets.indices {
            let waiting = buckets[index].waiting
            buckets[index].waiting = []
            for start in stride(from: 0, to: waiting.count, by: Self.changesPerMessageMax) {
                buckets[index].number += 1
                buckets[index].heartbeats = 0
                let part = Array(waiting[start..<min(start + Self.changesPerMessageMax, waiting.count)])
                messages.append(
                    (index, PresenceMessage(sender: own, number: buckets[index].number, changes: part)))
            }
        }
        return messages
    }

    /// Repeats the last number where something was told a short time ago, so that a lost last message is noticed.
    mutating func heartbeats() -> [(bucket: Int, message: PresenceMessage)] {
        var messages: [(bucket: Int, message: PresenceMessage)] = []
        for index in buckets.indices
        where buckets[index].number > 0 && buckets[index].heartbeats < Self.heartbeatsMax {
            buckets[index].heartbeats += 1
            messages.append(
                (index, PresenceMessage(sender: own, number: buckets[index].number, isHeartbeat: true)))
        }
        return messages
    }
}

/// Watches the numbers of what other nodes tell, bucket by bucket.
struct InboundPresence: Sendable {
    private struct Line: Hashable {
        var sender: Incarnation
        var bucket: Int
    }

    private var last: [Line: UInt64] = [:]

    /// - Returns: Whether something before this message is missing. What a sender said before this node listened is missing
    ///   too: nobody knows whether it came before the first question or after it.
    mutating func isHole(before message: PresenceMessage, in bucket: Int) -> Bool {
        let line = Line(sender: message.sender, bucket: bucket)
        let known = last[line] ?? 0
        last[line] = max(known, message.number)
        return message.number > (message.isHeartbeat ? known : known + 1)
    }

    mutating func forget(_ nodes: Set<Incarnation>) { last = last.filter { !nodes.contains($0.key.sender) } }
}
