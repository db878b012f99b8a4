import Core
import Presence
import Testing

@Suite("A user's presence")
struct PresenceStateTests {
    private let living: Incarnation
    private let dead: Incarnation

    init() throws {
        living = try #require(Incarnation(newOf: "gw-1"))
        dead = try #require(Incarnation(newOf: "gw-1"))
    }

    private func found(_ sessions: [(Incarnation, Int64)], lastSeen: Int64? = nil) -> UserSessions {
        UserSessions(
            sessions: sessions.map {
                SessionRecord(session: .new(), holder: $0.0, device: nil, sinceMilliseconds: $0.1)
            }, lastSeenMilliseconds: lastSeen)
    }

    @Test("is online since the oldest session on a living node")
    func online() {
        let sessions = found([(living, 30), (living, 20), (dead, 10)], lastSeen: 5)
        #expect(PresenceState(sessions, alive: [living]) == .online(sinceMilliseconds: 20, sessions: 2))
    }

    @Test("is offline when only dead nodes hold sessions, an earlier start of the same node among them")
    func deadNodes() {
        #expect(PresenceState(found([(dead, 10)], lastSeen: 5), alive: [living]) == .offline(lastSeenMilliseconds: 5))
        #expect(PresenceState(found([(living, 10)]), alive: []) == .offline(lastSeenMilliseconds: nil))
    }

    @Test("is offline without sessions, with when it was last seen")
    func offline() {
        #expect(PresenceState(found([], lastSeen: 7), alive: [living]) == .offline(lastSeenMilliseconds: 7))
        #expect(PresenceState(found([]), alive: [living]) == .offline(lastSeenMilliseconds: nil))
    }
}
