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
        // Last seen is when the dead node gave its last sign, or at least when the session began.
        #expect(PresenceState(found([(dead, 10)], lastSeen: 5), alive: [living]) == .offline(lastSeenMilliseconds: 10))
        #expect(PresenceState(found([(dead, 10)], lastSeen: 15), alive: [living]) == .offline(lastSeenMilliseconds: 15))
        let finding = PresenceFinding(found([(dead, 10)], lastSeen: 15)) { _ in .dead(atMilliseconds: 20) }
        #expect(finding.state == .offline(lastSeenMilliseconds: 20))
        #expect(finding.left.map(\.atMilliseconds) == [20])
    }

    @Test("does not show invisible sessions, and they say nothing of when the user was seen")
    func invisible() {
        func record(_ holder: Incarnation, _ since: Int64, isInvisible: Bool) -> SessionRecord {
            SessionRecord(
                session: .new(), holder: holder, device: nil, sinceMilliseconds: since, isInvisible: isInvisible)
        }
        let hidden = record(living, 0, isInvisible: true)
        #expect(hidden.isInvisible && hidden.sinceMilliseconds == 0)
        let alone = UserSessions(
            sessions: [hidden, record(dead, 50, isInvisible: true)], lastSeenMilliseconds: 5)
        #expect(PresenceState(alone, alive: [living]) == .offline(lastSeenMilliseconds: 5))
        let both = UserSessions(sessions: [hidden, record(living, 30, isInvisible: false)], lastSeenMilliseconds: 5)
        #expect(PresenceState(both, alive: [living]) == .online(sinceMilliseconds: 30, sessions: 1))
    }

    @Test("keeps a session's record as small as it was: every idle session has one")
    func size() {
        #expect(MemoryLayout<SessionRecord>.size == 72)
    }

    @Test("is offline without sessions, with when it was last seen")
    func offline() {
        #expect(PresenceState(found([], lastSeen: 7), alive: [living]) == .offline(lastSeenMilliseconds: 7))
        #expect(PresenceState(found([]), alive: [living]) == .offline(lastSeenMilliseconds: nil))
    }
}
