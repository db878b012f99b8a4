import Core
import Testing

@testable import Gateway

@Suite("What nodes tell each other of presence")
struct PresenceMessageTests {
    private let sender: Incarnation
    private let users: [UserID]

    init() throws {
        sender = try #require(Incarnation(newOf: "gw-1"))
        users = try (0..<200).map { try #require(UserID("u-\($0)")) }
    }

    private var changes: [PresenceChange] {
        [
            PresenceChange(user: users[0], kind: .online(sinceMilliseconds: 1_760_000_000_000)),
            PresenceChange(user: users[1], kind: .ended),
            PresenceChange(user: users[2], kind: .blocked(users[3], on: true)),
            PresenceChange(user: users[4], kind: .blocked(users[5], on: false)),
        ]
    }

    @Test("A message is read as it was written; what is cut off or of another version is not read")
    func codec() {
        let message = PresenceMessage(sender: sender, number: 7, changes: changes)
        let bytes = message.encoded()
        #expect(PresenceMessage(bytes) == message)
        let heartbeat = PresenceMessage(sender: sender, number: 7, isHeartbeat: true)
        #expect(PresenceMessage(heartbeat.encoded()) == heartbeat)
        for length in bytes.indices { #expect(PresenceMessage(Array(bytes[..<length])) == nil, "\(length) bytes") }
        #expect(PresenceMessage([2] + bytes.dropFirst()) == nil)
    }

    @Test("Changes are gathered by bucket, numbered without holes, and the last number is repeated three times")
    func outbox() {
        var outbox = PresenceOutbox(own: sender)
        #expect(outbox.takeAll().isEmpty)
        #expect(outbox.heartbeats().isEmpty)
        for user in users { outbox.add(PresenceChange(user: user, kind: .ended)) }
        let messages = outbox.takeAll()
        #expect(messages.count == Limits.presenceBuckets, "200 users are in all buckets")
        #expect(messages.allSatisfy { $0.message.number == 1 })
        for (bucket, message) in messages {
            #expect(message.changes.allSatisfy { PresenceChange.bucket(of: $0.user) == bucket })
        }
        #expect(outbox.takeAll().isEmpty)
        for _ in 0..<PresenceOutbox.heartbeatsMax { #expect(outbox.heartbeats().count == Limits.presenceBuckets) }
        #expect(outbox.heartbeats().isEmpty)
        for _ in 0...PresenceOutbox.changesPerMessageMax {
            outbox.add(PresenceChange(user: users[0], kind: .ended))
        }
        #expect(outbox.takeAll().map(\.message.number) == [2, 3])
        #expect(outbox.heartbeats().map(\.message.number) == [3])
    }

    @Test("A missing message is noticed by the next one or by a heartbeat, in its own bucket only")
    func holes() {
        var inbound = InboundPresence()
        func isHole(_ number: UInt64, heartbeat: Bool = false, bucket: Int = 3) -> Bool {
            inbound.isHole(
                before: PresenceMessage(sender: sender, number: number, isHeartbeat: heartbeat), in: bucket)
        }
        #expect(!isHole(1))
        #expect(!isHole(2))
        #expect(!isHole(2, heartbeat: true))
        #expect(isHole(4), "3 is missing")
        #expect(!isHole(5))
        #expect(isHole(6, heartbeat: true), "6 is missing")
        #expect(!isHole(7))
        #expect(!isHole(5, heartbeat: true), "an old one")
        #expect(!isHole(1, bucket: 4))
        #expect(isHole(9, bucket: 5), "what came before this node listened")
        inbound.forget([sender])
        #expect(isHole(8))
    }
}
