import ApusTesting
import Core
import Presence
import Testing

/// A user comes and goes; hints come late or never, answers come late. Whatever the order, two things hold.
@Suite("However hints and answers are delayed")
struct PresenceWalkTests {
    /// The truth, and what is on its way to the machine.
    private struct World {
        var watch = PresenceWatch()
        let user: UserID
        let holder: Incarnation
        var now: UInt64 = 0
        var sessions: [SessionRecord] = []
        /// When a hint at a session came last.
        var heardOnlineAt: UInt64 = 0
        var hints: [(at: UInt64, isOnline: Bool)] = []
        var lastHintAt: UInt64 = 0
        var answers: [(at: UInt64, asked: UInt64, question: PresenceWatch.Question, finding: PresenceFinding?)] = []
    }

    private static let walks: [UInt64] = Array(1...300)

    @Test(
        "offline is said only by an answer that is younger than all that was heard, and in the end the truth is shown",
        arguments: walks)
    func walk(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var world = World(
            user: try #require(UserID("ann")), holder: try #require(Incarnation(newOf: "gw-1")))
        world.watch.add(world.user)
        Self.ask([world.watch.question(world.user)], &world, &random)
        for _ in 0..<400 {
            Self.step(&world, &random, mayChange: true)
        }
        // Quiet, and one look because hints were lost.
        for _ in 0..<200 { Self.step(&world, &random, mayChange: false) }
        Self.ask(world.watch.recheck(isFinal: false), &world, &random)
        for _ in 0..<200 { Self.step(&world, &random, mayChange: false) }
        let state = try #require(world.watch.state(of: world.user, for: world.user))
        #expect(state.isOnline == !world.sessions.isEmpty)
    }

    private static func step(_ world: inout World, _ random: inout SeededGenerator, mayChange: Bool) {
        world.now += UInt64.random(in: 1...400, using: &random)
        if mayChange, Int.random(in: 0..<6, using: &random) == 0 { change(&world, &random) }
        while let hint = world.hints.first, hint.at <= world.now {
            world.hints.removeFirst()
            if hint.isOnline {
                world.heardOnlineAt = world.now
                _ = world.watch.online(world.user, sinceMilliseconds: 1)
            } else {
                world.watch.ended(world.user, nowMilliseconds: world.now)
            }
        }
        let ready = world.answers.filter { $0.at <= world.now }
        world.answers.removeAll { $0.at <= world.now }
        for answer in ready { take(answer, &world, &random) }
        ask(world.watch.due(nowMilliseconds: world.now), &world, &random)
    }

    private static func change(_ world: inout World, _ random: inout SeededGenerator) {
        let isOnline = world.sessions.isEmpty || (world.sessions.count < 3 && Bool.random(using: &random))
        if isOnline {
            world.sessions.append(
                SessionRecord(session: .new(), holder: world.holder, device: nil, sinceMilliseconds: 1))
        } else {
            world.sessions.removeLast()
        }
        guard Int.random(in: 0..<10, using: &random) > 0 else { return }  // Lost.
        world.lastHintAt = max(world.lastHintAt, world.now + UInt64.random(in: 0...900, using: &random))
        world.hints.append((world.lastHintAt, isOnline))
    }

    private static func ask(
        _ questions: [PresenceWatch.Question], _ world: inout World, _ random: inout SeededGenerator
    ) {
        for question in questions {
            // The directory looks at once; its answer takes its time, or never comes.
            let found = UserSessions(sessions: world.sessions, lastSeenMilliseconds: nil)
            let isLost = Int.random(in: 0..<12, using: &random) == 0
            let finding = isLost ? nil : PresenceFinding(found) { _ in .alive }
            let at = world.now + UInt64.random(in: 0...1500, using: &random)
            world.answers.append((at, world.now, question, finding))
        }
    }

    private static func take(
        _ answer: (at: UInt64, asked: UInt64, question: PresenceWatch.Question, finding: PresenceFinding?),
        _ world: inout World, _ random: inout SeededGenerator
    ) {
        guard let finding = answer.finding else {
            return world.watch.failed(answer.question, nowMilliseconds: world.now)
        }
        let (tellings, again) = world.watch.answered(answer.question, finding, nowMilliseconds: world.now)
        for telling in tellings where !telling.state.isOnline {
            #expect(!finding.state.isOnline)
            #expect(
                world.heardOnlineAt <= answer.asked,
                "at \(world.now): the answer was asked for at \(answer.asked), before a session was heard of")
        }
        if again { ask([world.watch.question(answer.question.user)], &world, &random) }
    }
}
