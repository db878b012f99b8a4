import ApusTesting
import Core
import Logging
import Synchronization

@testable import Gateway

/// A clock that stands until it is moved.
final class StandingTime: TimeSource {
    private let milliseconds = Atomic<Int64>(1_000_000)

    func wallMilliseconds() -> Int64 { Fixtures.now }
    func monotonicNanoseconds() -> UInt64 { UInt64(milliseconds.load(ordering: .relaxed)) * 1_000_000 }
    func advance(seconds: Double) { milliseconds.wrappingAdd(Int64(seconds * 1000), ordering: .relaxed) }
}

/// A key set that says what it is told and counts how often it is asked.
final class ScriptedKeySet: KeySetSource {
    let isLive: Bool
    private let state = Mutex((answer: Result<String, TestFailure>.failure(TestFailure("away")), asked: 0))

    init(_ document: String? = nil, isLive: Bool = true) {
        self.isLive = isLive
        if let document { answer(document) }
    }

    var asked: Int { state.withLock { $0.asked } }
    func answer(_ document: String) { state.withLock { $0.answer = .success(document) } }
    func fail() { state.withLock { $0.answer = .failure(TestFailure("away")) } }

    func read() async throws -> (document: [UInt8], maxAgeSeconds: Int?) {
        let answer = state.withLock { state in
            state.asked += 1
            return state.answer
        }
        // Lets the others come while this question is open.
        try await Task.sleep(for: .milliseconds(20))
        return (Array(try answer.get().utf8), nil)
    }
}

/// Keys that are slow to make, made once.
enum Keys {
    static let secret = "a secret that only these tests know, of 48 bytes"
    private static let hs = Task { try await TestKey.hs256(secret) }
    private static let rs = Task { try await TestKey.rs256(id: "rs-1") }
    private static let rsOther = Task { try await TestKey.rs256(id: "rs-2") }
    private static let es = Task { try await TestKey.es256(id: "es-1") }
    private static let ed = Task { try await TestKey.edDSA(id: "ed-1") }

    static var hs256: TestKey { get async throws { try await hs.value } }
    static var rs256: TestKey { get async throws { try await rs.value } }
    static var rs256Other: TestKey { get async throws { try await rsOther.value } }
    static var es256: TestKey { get async throws { try await es.value } }
    static var edDSA: TestKey { get async throws { try await ed.value } }
}

enum Fixtures {
    /// The time of all tokens here, in milliseconds.
    static let now: Int64 = 1_800_000_000_000
    static let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    static let payload = "{\"sub\":\"alice\",\"exp\":1800003600}"

    static func verifier(
        _ configuration: AuthConfiguration, keySet: (any KeySetSource)? = nil, time: any TimeSource = StandingTime()
    ) async throws -> TokenVerifier {
        let verifier = TokenVerifier(configuration, keySet: keySet, time: time, logger: logger)
        try await verifier.start(withinSeconds: 0)
        return verifier
    }

    /// A verifier of the shared secret.
    static func hs256(_ change: (inout AuthConfiguration) -> Void = { _ in }) async throws -> TokenVerifier {
        var configuration = AuthConfiguration(hs256Secret: Keys.secret)
        change(&configuration)
        return try await verifier(configuration)
    }

    /// A verifier of a key set.
    static func keySet(_ keys: TestKey..., secret: String? = nil) async throws -> TokenVerifier {
        try await verifier(
            AuthConfiguration(hs256Secret: secret), keySet: ScriptedKeySet(TestKey.keySet(keys), isLive: false))
    }
}

extension TokenVerifier {
    /// Why a token is refused; nil when it is accepted.
    func refusal(_ token: String) async -> AuthFailure.Reason? {
        do throws(AuthFailure) {
            _ = try await verify(token, nowMilliseconds: Fixtures.now)
            return nil
        } catch { return error.reason }
    }

    func user(_ token: String) async throws -> String {
        try await verify(token, nowMilliseconds: Fixtures.now).user.text
    }
}
