import ApusTesting
import Core
import Foundation
import Testing

@testable import Gateway

@Suite("Keeping a key set up to date")
struct KeySetCacheTests {
    private let time = StandingTime()

    private func verifier(_ source: ScriptedKeySet) async throws -> TokenVerifier {
        try await Fixtures.verifier(AuthConfiguration(), keySet: source, time: time)
    }

    @Test("A known key causes no request, however many tokens come")
    func cached() async throws {
        let source = ScriptedKeySet(TestKey.keySet([try await Keys.es256]))
        let verifier = try await verifier(source)
        for _ in 0..<100 { #expect(await verifier.refusal(try await Keys.es256.token(Fixtures.payload)) == nil) }
        #expect(source.asked == 1)
        await verifier.shutdown()
    }

    @Test("A rotated key is found by its unknown kid, with one request for all who ask at once")
    func rotation() async throws {
        let source = ScriptedKeySet(TestKey.keySet([try await Keys.es256]))
        let verifier = try await verifier(source)
        source.answer(TestKey.keySet([try await Keys.rs256]))
        time.advance(seconds: 10)
        let token = try await Keys.rs256.token(Fixtures.payload)
        #expect(verifier.verifyNow(token, nowMilliseconds: Fixtures.now) == nil, "memory alone has no answer")
        await withTaskGroup(of: AuthFailure.Reason?.self) { group in
            for _ in 0..<50 { group.addTask { await verifier.refusal(token) } }
            for await refusal in group { #expect(refusal == nil) }
        }
        #expect(source.asked == 2)
        #expect(verifier.verifyNow(token, nowMilliseconds: Fixtures.now) != nil)
        let old = try await Keys.es256.token(Fixtures.payload)
        #expect(await verifier.refusal(old) == .unknownKey, "a key that left the set is no longer good")
        await verifier.shutdown()
    }

    @Test("Made-up kids cause one request in ten seconds, not one each")
    func rateLimit() async throws {
        let source = ScriptedKeySet(TestKey.keySet([try await Keys.es256]))
        let verifier = try await verifier(source)
        time.advance(seconds: 10)
        for i in 0..<20 {
            #expect(await verifier.refusal(try await Keys.es256.named("x\(i)").token(Fixtures.payload)) == .unknownKey)
        }
        #expect(source.asked == 2)
        time.advance(seconds: 9.9)
        _ = await verifier.refusal(try await Keys.es256.named("y").token(Fixtures.payload))
        #expect(source.asked == 2)
        time.advance(seconds: 0.2)
        _ = await verifier.refusal(try await Keys.es256.named("z").token(Fixtures.payload))
        #expect(source.asked == 3)
        await verifier.shutdown()
    }

    @Test("When the server is away, known keys stay good and unknown ones are nobody's fault")
    func staleIfError() async throws {
        let source = ScriptedKeySet(TestKey.keySet([try await Keys.es256]))
        let verifier = try await verifier(source)
        source.fail()
        await verifier.reload()
        #expect(await verifier.refusal(try await Keys.es256.token(Fixtures.payload)) == nil)
        #expect(await verifier.refusal(try await Keys.rs256.token(Fixtures.payload)) == .keysUnavailable)
        source.answer("<html>maintenance</html>")
        await verifier.reload()
        #expect(
            await verifier.refusal(try await Keys.es256.token(Fixtures.payload)) == nil, "nonsense replaces nothing")
        await verifier.shutdown()
    }

    @Test("Without any keys, starting fails and tokens are answered keys unavailable, until the set can be read")
    func noKeysYet() async throws {
        let source = ScriptedKeySet()
        let verifier = TokenVerifier(AuthConfiguration(), keySet: source, time: time, logger: Fixtures.logger)
        await #expect(throws: AuthFailure.self) { try await verifier.start(withinSeconds: 0) }
        let token = try await Keys.es256.token(Fixtures.payload)
        #expect(await verifier.refusal(token) == .keysUnavailable)
        #expect(source.asked == 1, "the failure is young: no request per token")
        source.answer(TestKey.keySet([try await Keys.es256]))
        time.advance(seconds: 10)
        #expect(await verifier.refusal(token) == nil)
    }

    @Test("Starting waits for a server that is still coming up")
    func slowServer() async throws {
        let source = ScriptedKeySet()
        let verifier = TokenVerifier(AuthConfiguration(), keySet: source, logger: Fixtures.logger)
        async let started: Void = verifier.start(withinSeconds: 30)
        try await eventually("it asked once") { source.asked >= 1 }
        source.answer(TestKey.keySet([try await Keys.es256]))
        try await started
        #expect(await verifier.refusal(try await Keys.es256.token(Fixtures.payload)) == nil)
        await verifier.shutdown()
    }

    @Test("A file is read at start and on reload only, and a bad new one changes nothing")
    func file() async throws {
        let folder = try TestFolder.make("jwks")
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("keys.json")
        try Data(TestKey.keySet([try await Keys.es256]).utf8).write(to: path)
        let verifier = TokenVerifier(AuthConfiguration(jwks: .file(path.path)), logger: Fixtures.logger)
        try await verifier.start()
        let (old, new) = (try await Keys.es256.token(Fixtures.payload), try await Keys.edDSA.token(Fixtures.payload))
        #expect(await verifier.refusal(old) == nil)
        try Data(TestKey.keySet([try await Keys.edDSA]).utf8).write(to: path)
        #expect(await verifier.refusal(new) == .unknownKey)
        await verifier.reload()
        #expect(await verifier.refusal(new) == nil)
        #expect(await verifier.refusal(old) == .unknownKey)
        try Data("{".utf8).write(to: path)
        await verifier.reload()
        #expect(await verifier.refusal(new) == nil)
        await verifier.shutdown()
    }

    @Test("A file that is missing or too large says so at start")
    func badFile() async throws {
        let folder = try TestFolder.make("jwks")
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("keys.json").path
        let verifier = TokenVerifier(AuthConfiguration(jwks: .file(path)), logger: Fixtures.logger)
        await #expect(throws: AuthFailure(.keysUnavailable, "the key set cannot be read: \(path) cannot be opened")) {
            try await verifier.start()
        }
        try Data(repeating: 0x20, count: 1024 * 1024 + 1).write(to: URL(fileURLWithPath: path))
        await #expect(throws: AuthFailure.self) { try await verifier.start() }
    }
}

@Suite("When a key set is fetched")
struct RefreshScheduleTests {
    @Test(
        "A fetched set is due again at four fifths of its age, between a minute and an hour",
        arguments: [
            (nil, 480), (0, 48), (60, 48), (300, 240), (3600, 2880), (86_400, 2880),
        ] as [(Int?, Int64)])
    func age(maxAgeSeconds: Int?, dueSeconds: Int64) {
        var schedule = RefreshSchedule()
        schedule.began(at: 1000)
        schedule.succeeded(at: 2000, maxAgeSeconds: maxAgeSeconds)
        #expect(schedule.dueAt == 2000 + dueSeconds * 1000)
        #expect(!schedule.isFailing)
    }

    @Test("Failures double the pause up to a minute, with jitter below it; a success forgets them")
    func backOff() {
        var schedule = RefreshSchedule()
        var pauses: [Int64] = []
        for _ in 0..<9 {
            schedule.failed(at: 0, jitter: 0.999_999)
            pauses.append(schedule.dueAt)
        }
        for (pause, most) in zip(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60] as [Int64]) {
            #expect(most * 500...most * 1000 ~= pause)
        }
        schedule.failed(at: 0, jitter: 0)
        #expect(schedule.dueAt == 30_000)
        schedule.succeeded(at: 0, maxAgeSeconds: nil)
        schedule.failed(at: 0, jitter: 0)
        #expect(schedule.dueAt == 500)
    }

    @Test("An unknown kid may cause a fetch ten seconds after the last attempt, whatever became of it")
    func unknownKey() {
        var schedule = RefreshSchedule()
        #expect(schedule.allowsFetchForUnknownKey(at: 0))
        schedule.began(at: 5000)
        schedule.failed(at: 6000, jitter: 0)
        #expect(!schedule.allowsFetchForUnknownKey(at: 14_999))
        #expect(schedule.allowsFetchForUnknownKey(at: 15_000))
    }
}
