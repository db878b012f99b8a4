import Core
import NIOCore
import Wire

/// Something that is to reach sessions, wherever they are: what nodes send each other, and what a shard takes.
///
/// A frame is built once, header included; all sessions of all shards share its bytes.
package enum Delivery: Sendable {
    /// A durable event. Fingerprints of its id and of the one before; when it was accepted, for the latency figure.
    case event(user: UserID, seq: Int64, previous: UInt64, id: UInt64, acceptedMicroseconds: Int64, frame: ByteBuffer)
    /// The head of a user's timeline: whoever is not there reads. Without epoch and with id 0 only the number is known.
    case head(user: UserID, epoch: UInt64?, seq: Int64, id: UInt64)
    case liveUser(UserID, frame: ByteBuffer)
    /// One frame for many users, such as the members of a large group.
    case liveUsers([UserID], frame: ByteBuffer)
    case liveTopic(Topic, frame: ByteBuffer)
    case liveAll(frame: ByteBuffer)
    /// Closes one session, or all of the user's.
    case disconnect(user: UserID, session: SessionID?, code: UInt16, reason: String)
}

/// What one node sends to another in one bus message: `version, sender, link, number, heartbeat, count, deliveries…`, big-endian.
///
/// `number` counts the messages from this sender to this receiver; a hole means that hints were lost (DESIGN §4).
/// A heartbeat is a message without deliveries that repeats the last number.
struct NodeMessage: Sendable {
    static let version: UInt8 = 1

    var sender: Incarnation
    /// Names the numbering; 0 on subjects that are not numbered.
    var link: UInt32
    /// 1, 2, 3 … for messages with deliveries; the last one again for a heartbeat; 0 on subjects that are not numbered.
    var number: UInt64
    var isHeartbeat: Bool
    var deliveries: [Delivery]

    func encoded() -> [UInt8] {
        var out = ByteBuffer()
        out.writeInteger(Self.version)
        out.writeShort(sender.text)
        out.writeInteger(link)
        out.writeInteger(number)
        out.writeInteger(isHeartbeat ? 1 : 0, as: UInt8.self)
        out.writeInteger(UInt32(deliveries.count))
        for delivery in deliveries { delivery.write(to: &out) }
        return Array(out.readableBytesView)
    }

    /// - Returns: nil for what is not of this version or cut off; a mixed fleet falls back to repair.
    init?(_ bytes: [UInt8]) {
        var input = ByteBuffer(bytes: bytes)
        guard input.readInteger(as: UInt8.self) == Self.version,
            let sender = input.readShort().flatMap({ Incarnation(text: $0) }),
            let link = input.readInteger(as: UInt32.self),
            let number = input.readInteger(as: UInt64.self),
            let heartbeat = input.readInteger(as: UInt8.self),
            let count = input.readInteger(as: UInt32.self)
        else { return nil }
        (self.sender, self.link, self.number, isHeartbeat) = (sender, link, number, heartbeat == 1)
        deliveries = []
        for _ in 0..<count {
            guard let delivery = Delivery(&input) else { return nil }
            deliveries.append(delivery)
        }
    }

    init(sender: Incarnation, link: UInt32, number: UInt64, isHeartbeat: Bool = false, deliveries: [Delivery]) {
        self.sender = sender
        self.link = link
        self.number = number
        self.isHeartbeat = isHeartbeat
        self.deliveries = deliveries
    }
}

extension Delivery {
    fileprivate enum Kind: UInt8 { case event = 1, head, liveUser, liveTopic, liveAll, disconnect, liveUsers }

    /// About how many bytes it takes in a message.
    var size: Int {
        switch self {
        case .event(_, _, _, _, _, let frame), .liveUser(_, let frame), .liveTopic(_, let frame), .liveAll(let frame):
            frame.readableBytes + 160
        case .liveUsers(let users, let frame): frame.readableBytes + users.count * (Limits.userBytesMax + 1) + 160
        case .head, .disconnect: 320
        }
    }

    fileprivate func write(to out: inout ByteBuffer) {
        switch self {
        case .event(let user, let seq, let previous, let id, let accepted, let frame):
            out.writeKind(.event, user.text)
            out.writeMultipleIntegers(seq, previous, id, accepted)
            out.writeFrame(frame)
        case .head(let user, let epoch, let seq, let id):
            out.writeKind(.head, user.text)
            out.writeInteger(epoch == nil ? 0 : 1, as: UInt8.self)
            out.writeMultipleIntegers(epoch ?? 0, seq, id)
        case .liveUser(let user, let frame):
            out.writeKind(.liveUser, user.text)
            out.writeFrame(frame)
        case .liveUsers(let users, let frame):
            out.writeKind(.liveUsers, "")
            out.writeInteger(UInt32(users.count))
            for user in users { out.writeShort(user.text) }
            out.writeFrame(frame)
        case .liveTopic(let topic, let frame):
            out.writeKind(.liveTopic, topic.text)
            out.writeFrame(frame)
        case .liveAll(let frame):
            out.writeKind(.liveAll, "")
            out.writeFrame(frame)
        case .disconnect(let user, let session, let code, let reason):
            out.writeKind(.disconnect, user.text)
            out.writeShort(session?.text ?? "")
            out.writeInteger(code)
            out.writeShort(reason)
        }
    }

    fileprivate init?(_ input: inout ByteBuffer) {
        guard let kind = input.readInteger(as: UInt8.self).flatMap(Kind.init), let name = input.readShort() else {
            return nil
        }
        switch kind {
        case .event:
            guard let user = UserID(name),
                let (seq, previous, id, accepted) = input.readMultipleIntegers(as: (Int64, UInt64, UInt64, Int64).self),
                let frame = input.readFrame()
            else { return nil }
            self = .event(
                user: user, seq: seq, previous: previous, id: id, acceptedMicroseconds: accepted, frame: frame)
        case .head:
            guard let user = UserID(name), let hasEpoch = input.readInteger(as: UInt8.self),
                let (epoch, seq, id) = input.readMultipleIntegers(as: (UInt64, Int64, UInt64).self)
            else { return nil }
            self = .head(user: user, epoch: hasEpoch == 1 ? epoch : nil, seq: seq, id: id)
        case .liveUser:
            guard let user = UserID(name), let frame = input.readFrame() else { return nil }
            self = .liveUser(user, frame: frame)
        case .liveUsers:
            guard let count = input.readInteger(as: UInt32.self) else { return nil }
            var users: [UserID] = []
            for _ in 0..<count {
                guard let user = input.readShort().flatMap({ UserID($0) }) else { return nil }
                users.append(user)
            }
            guard let frame = input.readFrame() else { return nil }
            self = .liveUsers(users, frame: frame)
        case .liveTopic:
            guard let topic = Topic(name), let frame = input.readFrame() else { return nil }
            self = .liveTopic(topic, frame: frame)
        case .liveAll:
            guard let frame = input.readFrame() else { return nil }
            self = .liveAll(frame: frame)
        case .disconnect:
            guard let user = UserID(name), let session = input.readShort(),
                let code = input.readInteger(as: UInt16.self),
                let reason = input.readShort()
            else { return nil }
            self = .disconnect(user: user, session: SessionID(session), code: code, reason: reason)
        }
    }
}

extension ByteBuffer {
    fileprivate mutating func writeKind(_ kind: Delivery.Kind, _ name: String) {
        writeInteger(kind.rawValue)
        writeShort(name)
    }

    mutating func writeShort(_ text: String) {
        let bytes = text.utf8.prefix(255)
        writeInteger(UInt8(bytes.count))
        writeBytes(bytes)
    }

    mutating func readShort() -> String? {
        readInteger(as: UInt8.self).flatMap { readString(length: Int($0)) }
    }

    fileprivate mutating func writeFrame(_ frame: ByteBuffer) {
        writeInteger(UInt32(frame.readableBytes))
        writeImmutableBuffer(frame)
    }

    fileprivate mutating func readFrame() -> ByteBuffer? {
        guard let length = readInteger(as: UInt32.self), let bytes = readBytes(length: Int(length)) else { return nil }
        // A copy: sessions may hold it long after the message is gone.
        return ByteBuffer(bytes: bytes)
    }
}
