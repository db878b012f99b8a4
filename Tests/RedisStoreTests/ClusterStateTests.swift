import Testing

@testable import RedisStore

/// When the map is asked for, and what counts as an outage, without servers.
@Suite("The state of a Redis Cluster")
struct ClusterStateTests {
    private static let (a, b, c) = (address("a"), address("b"), address("c"))
    private static func address(_ host: String) -> RedisAddress { RedisAddress(host: host, port: 1) }

    // MARK: Questions

    private var refresh = MapRefresh(pauseMilliseconds: 100...400)
    private var generator = SystemRandomNumberGenerator()

    /// The bound below which a pause is.
    private static func isPause(_ step: MapRefresh.Step, upTo bound: Int) -> Bool {
        if case .pause(let milliseconds) = step { 0...bound ~= milliseconds } else { false }
    }

    private mutating func doubt() -> MapRefresh.Step { refresh.doubted { [Self.a, Self.b] } }

    private mutating func pauseIsOver(isSettled: Bool) -> MapRefresh.Step {
        refresh.pauseIsOver(isSettled: isSettled) { [Self.b] }
    }

    @Test("One question at a time, and a pause after it")
    mutating func single() {
        #expect(doubt() == .ask(Self.a))
        #expect(doubt() == .nothing)
        #expect(Self.isPause(refresh.answered(using: &generator), upTo: 100))
        #expect(doubt() == .nothing)
        #expect(pauseIsOver(isSettled: true) == .ask(Self.b), "the answer may be older than the doubt")
        #expect(Self.isPause(refresh.answered(using: &generator), upTo: 200))
        #expect(pauseIsOver(isSettled: true) == .nothing)
        #expect(doubt() == .ask(Self.a), "the first doubt after a rest is not kept waiting")
        #expect(Self.isPause(refresh.answered(using: &generator), upTo: 100))
    }

    @Test("A server that does not answer is followed by the next; when nobody does, there is a pause")
    mutating func others() {
        #expect(doubt() == .ask(Self.a))
        #expect(refresh.failed(using: &generator) == .ask(Self.b))
        #expect(Self.isPause(refresh.failed(using: &generator), upTo: 100))
        #expect(pauseIsOver(isSettled: false) == .ask(Self.b))
    }

    @Test("As long as not all is well it goes on asking, with pauses that grow up to a bound")
    mutating func growing() {
        #expect(doubt() == .ask(Self.a))
        for bound in [100, 200, 400, 400] {
            #expect(Self.isPause(refresh.answered(using: &generator), upTo: bound))
            #expect(pauseIsOver(isSettled: false) == .ask(Self.b))
        }
    }

    // MARK: Health

    private var health = ClusterHealth(loops: 2)

    private static func map(_ masters: RedisAddress..., missing: Bool = false) throws -> SlotMap {
        let count = Int64(masters.count)
        let ranges = masters.enumerated().map { number, master -> RedisReply in
            let (first, last) = (Int64(number) * 16_384 / count, Int64(number + 1) * 16_384 / count - 1)
            let server = RedisReply.list([.text(Array(master.host.utf8)), .integer(Int64(master.port))])
            return .list([.integer(first), .integer(missing ? last - 1 : last), server])
        }
        return try SlotMap(.list(ranges), from: masters[0])
    }

    private mutating func start() throws {
        #expect(try health.learned(Self.map(Self.a, Self.b)) == .none)
        for server in [Self.a, Self.b] {
            #expect(health.isUp(server, loop: 0) == .none && !health.isSettled)
            #expect(health.isUp(server, loop: 1) == (server == Self.b ? .started : .none))
        }
        #expect(health.isSettled)
    }

    @Test("It has started when every loop is connected to every master")
    mutating func starting() throws { try start() }

    @Test("One lost connection is an outage, told once; it is over when all are back")
    mutating func outage() throws {
        try start()
        #expect(health.isDown(Self.a, loop: 1) == .lost && !health.isSettled)
        #expect(health.isDown(Self.a, loop: 0) == .none)
        #expect(health.isUp(Self.a, loop: 0) == .none)
        #expect(health.isUp(Self.a, loop: 1) == .back && health.isSettled)
    }

    @Test("A fail-over is an outage that ends with the connections to the new master")
    mutating func failOver() throws {
        try start()
        #expect(health.isDown(Self.a, loop: 0) == .lost && health.isDown(Self.a, loop: 1) == .none)
        #expect(try health.learned(Self.map(Self.c, Self.b)) == .none)
        #expect(health.isUp(Self.c, loop: 0) == .none && health.isUp(Self.c, loop: 1) == .back)
    }

    @Test("A new master, or one that has left, is no outage")
    mutating func planned() throws {
        try start()
        #expect(try health.learned(Self.map(Self.a, Self.b, Self.c)) == .none)
        #expect(!health.isSettled)
        #expect(health.isUp(Self.c, loop: 0) == .none && health.isUp(Self.c, loop: 1) == .none && health.isSettled)
        #expect(try health.learned(Self.map(Self.b, Self.c)) == .none)
        #expect(health.isDown(Self.a, loop: 0) == .none && health.isDown(Self.a, loop: 1) == .none)
        #expect(health.isSettled)
    }

    @Test("A slot without a master is an outage")
    mutating func hole() throws {
        try start()
        #expect(try health.learned(Self.map(Self.a, Self.b, missing: true)) == .lost && !health.isSettled)
        #expect(try health.learned(Self.map(Self.a, Self.b)) == .back)
    }

    @Test("Those who are connected are asked first, the seeds last, and nobody twice")
    mutating func candidates() throws {
        #expect(health.candidates(seeds: [Self.c], using: &generator) == [Self.c])
        _ = try health.learned(Self.map(Self.a, Self.b))
        _ = health.isUp(Self.b, loop: 0)
        for _ in 0..<10 {
            #expect(health.candidates(seeds: [Self.a, Self.c], using: &generator) == [Self.b, Self.a, Self.c])
        }
    }
}
