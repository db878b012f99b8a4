import Core
import Presence
import Testing

/// The machine with a clock of the test's own: a number.
@Suite("A watch on a user")
struct PresenceWatchTests {
    private let ann: UserID
    private let ben: UserID
    private let cleo: UserID
    private let holder: Incarnation

    init() throws {
        ann = try #require(UserID("ann"))
        ben = try #require(UserID("ben"))
        cleo = try #require(UserID("cleo"))
        holder = try #require(Incarnation(newOf: "gw-1"))
    }

    private static let online = PresenceState.online(sinceMilliseconds: 10, sessions: 1)
    private static let offline = PresenceState.offline(lastSeenMilliseconds: 77)

    private func finding(
        _ state: PresenceState, blocked: [UserID] = [], standing: HolderStanding = .alive
    ) -> PresenceFinding {
        var found = UserSessions(sessions: [], lastSeenMilliseconds: nil, blocked: blocked)
        switch state {
        case .online(let since, _):
            found.sessions = [
                SessionRecord(session: .new(), holder: holder, device: nil, sinceMilliseconds: since)
            ]
        case .offline(let lastSeen): found.lastSeenMilliseconds = lastSeen
        }
        return PresenceFinding(found) { _ in standing }
    }

    private func told(_ state: PresenceState, except: Set<UserID> = []) -> [PresenceWatch.Telling] {
        [PresenceWatch.Telling(user: ann, state: state, audience: .everybody(except: except))]
    }

    /// A watch on ann whose first answer was this.
    private func watching(_ state: PresenceState, blocked: [UserID] = []) -> PresenceWatch {
        var watch = PresenceWatch()
        watch.add(ann)
        let (tellings, again) = watch.answered(
            watch.question(ann), finding(state, blocked: blocked), nowMilliseconds: 0)
        #expect(tellings.isEmpty && !again, "the first answer is the reply's, not an event")
        return watch
    }

    /// Asks what is due and answers it. - Returns: What was told, nil when nothing was asked.
    private func due(_ watch: inout PresenceWatch, at now: UInt64, _ finding: PresenceFinding)
        -> [PresenceWatch.Telling]?
    {
        let questions = watch.due(nowMilliseconds: now)
        guard let question = questions.first else { return nil }
        #expect(questions.count == 1)
        return watch.answered(question, finding, nowMilliseconds: now).tellings
    }

    @Test("says online at once, and once however many devices come")
    func devicesCome() {
        var watch = watching(Self.offline)
        #expect(watch.online(ann, sinceMilliseconds: 10) == told(Self.online))
        #expect(watch.online(ann, sinceMilliseconds: 20).isEmpty)
        #expect(watch.state(of: ann, for: ben) == Self.online)
    }

    @Test("says offline only after the grace, and only when the directory confirms it")
    func offlineIsConfirmed() {
        var watch = watching(Self.online)
        watch.ended(ann, nowMilliseconds: 100)
        #expect(due(&watch, at: 5099, finding(Self.offline)) == nil)
        #expect(watch.state(of: ann, for: ben) == Self.online)
        #expect(due(&watch, at: 5100, finding(Self.offline)) == told(Self.offline))
        #expect(watch.state(of: ann, for: ben) == Self.offline)
        #expect(due(&watch, at: 50_000, finding(Self.offline)) == nil, "asked once")
    }

    @Test("says nothing while another device is there")
    func anotherDevice() {
        var watch = watching(Self.online)
        watch.ended(ann, nowMilliseconds: 100)
        #expect(due(&watch, at: 6000, finding(Self.online)) == [])
        #expect(due(&watch, at: 60_000, finding(Self.offline)) == nil)
    }

    @Test("says nothing of a reconnect within the grace")
    func reconnect() {
        var watch = watching(Self.online)
        watch.ended(ann, nowMilliseconds: 100)
        #expect(watch.online(ann, sinceMilliseconds: 4000).isEmpty)
        #expect(due(&watch, at: 60_000, finding(Self.offline)) == nil)
    }

    /// The directory answered before the new session was in it, and the hint at that session was faster than the answer.
    @Test("takes no answer that is older than what it heard: neither for an event nor for a first state")
    func overtakenAnswers() {
        var watch = watching(Self.online)
        watch.ended(ann, nowMilliseconds: 0)
        let question = watch.due(nowMilliseconds: 5000)[0]
        #expect(watch.online(ann, sinceMilliseconds: 5001).isEmpty)
        #expect(watch.answered(question, finding(Self.offline), nowMilliseconds: 5002).tellings.isEmpty)
        #expect(watch.state(of: ann, for: ben)?.isOnline == true)

        var first = PresenceWatch()
        first.add(ann)
        let early = first.question(ann)
        first.ended(ann, nowMilliseconds: 0)
        #expect(first.answered(early, finding(Self.offline), nowMilliseconds: 1).isAskedAgain)
        #expect(first.state(of: ann, for: ben) == nil)
    }

    @Test("begins the grace again when another session ends during the question")
    func endedMeanwhile() {
        var watch = watching(Self.online)
        watch.ended(ann, nowMilliseconds: 0)
        let question = watch.due(nowMilliseconds: 5000)[0]
        watch.ended(ann, nowMilliseconds: 5001)
        #expect(watch.answered(question, finding(Self.offline), nowMilliseconds: 5002).tellings.isEmpty)
        #expect(due(&watch, at: 10_000, finding(Self.offline)) == nil)
        #expect(due(&watch, at: 10_001, finding(Self.offline)) == told(Self.offline))
    }

    @Test("after lost hints gives the grace too; after the death of a node that left sessions behind it does not")
    func rechecks() {
        var watch = watching(Self.online)
        let look = watch.recheck(isFinal: false)
        #expect(watch.answered(look[0], finding(Self.offline), nowMilliseconds: 0).tellings.isEmpty)
        #expect(watch.recheck(isFinal: true).isEmpty, "it is asked about soon anyway")
        #expect(due(&watch, at: 5000, finding(Self.offline)) == told(Self.offline))

        var other = watching(Self.online)
        let final = other.recheck(isFinal: true)
        #expect(other.answered(final[0], finding(Self.offline), nowMilliseconds: 0).tellings == told(Self.offline))
        #expect(other.recheck(isFinal: true).isEmpty, "who is offline cannot have gone with it")
    }

    @Test("finds an online that nobody told of")
    func lostOnline() {
        var watch = watching(Self.offline)
        let look = watch.recheck(isFinal: false) { $0 == ann }
        #expect(watch.recheck(isFinal: false) { $0 == ben }.isEmpty)
        #expect(watch.answered(look[0], finding(Self.online), nowMilliseconds: 0).tellings == told(Self.online))
    }

    @Test("does not say offline because of a node that may be alive, and asks until it knows")
    func doubt() {
        var watch = watching(Self.online)
        watch.ended(ann, nowMilliseconds: 0)
        let doubtful = finding(Self.online, standing: .doubtful)
        #expect(!doubtful.isCertain)
        #expect(due(&watch, at: 5000, doubtful) == [])
        #expect(due(&watch, at: 9000, doubtful) == [])
        let dead = finding(Self.online, standing: .dead(atMilliseconds: 60))
        #expect(due(&watch, at: 13_000, dead) == told(.offline(lastSeenMilliseconds: 60)))
    }

    @Test("says nothing while the store is away, and asks again")
    func storeAway() {
        var watch = watching(Self.online)
        watch.ended(ann, nowMilliseconds: 0)
        let question = watch.due(nowMilliseconds: 5000)[0]
        watch.failed(question, nowMilliseconds: 6500)
        #expect(watch.state(of: ann, for: ben) == Self.online)
        #expect(due(&watch, at: 7499, finding(Self.offline)) == nil)
        #expect(due(&watch, at: 7500, finding(Self.offline)) == told(Self.offline))
    }

    @Test("tells those whom the user blocks that the user is offline, without a time, and then nothing")
    func blocked() {
        var watch = watching(Self.online, blocked: [cleo])
        #expect(watch.state(of: ann, for: cleo) == .offline(lastSeenMilliseconds: nil))
        #expect(watch.state(of: ann, for: ben) == Self.online)
        watch.ended(ann, nowMilliseconds: 0)
        #expect(
            due(&watch, at: 5000, finding(Self.offline, blocked: [cleo])) == told(Self.offline, except: [cleo]))
        #expect(watch.state(of: ann, for: cleo) == .offline(lastSeenMilliseconds: nil))
        #expect(watch.online(ann, sinceMilliseconds: 10) == told(Self.online, except: [cleo]))
    }

    @Test("ends for who is blocked meanwhile, and begins again when the block is taken away")
    func blockedMeanwhile() {
        func one(_ state: PresenceState) -> [PresenceWatch.Telling] {
            [PresenceWatch.Telling(user: ann, state: state, audience: .one(cleo))]
        }
        var watch = watching(Self.online)
        #expect(watch.blocked(ann, cleo, on: true) == one(.offline(lastSeenMilliseconds: nil)))
        #expect(watch.blocked(ann, cleo, on: true).isEmpty)
        #expect(watch.blocked(ann, cleo, on: false) == one(Self.online))
        // The same from the directory, when the hint was lost.
        let look = watch.recheck(isFinal: false)[0]
        #expect(
            watch.answered(look, finding(Self.online, blocked: [cleo]), nowMilliseconds: 0).tellings
                == one(.offline(lastSeenMilliseconds: nil)))
        #expect(watching(Self.offline).state(of: ann, for: cleo) == Self.offline)
        var quiet = watching(Self.offline)
        #expect(quiet.blocked(ann, cleo, on: true).isEmpty, "offline already")
    }

    @Test("is kept while anybody is interested, and costs nothing after")
    func interest() {
        var watch = watching(Self.online)
        watch.add(ann)
        watch.remove(ann)
        #expect(watch.count == 1 && watch.state(of: ann, for: ben) == Self.online)
        watch.ended(ann, nowMilliseconds: 0)
        watch.remove(ann)
        #expect(watch.count == 0)
        #expect(watch.due(nowMilliseconds: 60_000).isEmpty)
        #expect(watch.online(ann, sinceMilliseconds: 1).isEmpty)
        watch.remove(ann)
        #expect(watch.count == 0)
    }
}
