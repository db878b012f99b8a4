import ApusTesting
import Core
import Foundation
import Notifications
import Synchronization
import Testing
import Timelines

@testable import RedisStore

extension RedisFixture {
    static let now: Int64 = 1_760_000_000_000

    static func user() -> UserID { UserID("u-" + RandomToken.make(length: 12)).unsafelyUnwrapped }

    static func notification(
        id: EventID = .new(atMilliseconds: now), collapse: String? = nil, ttl: Int64? = nil, text: String = "x"
    ) -> Notifications.Notification {
        Notifications.Notification(
            id: id, category: "like", collapse: collapse, expiresAtMilliseconds: ttl.map { now + $0 },
            timestampMilliseconds: now, rest: Array("\"type\":\"like.made\",\"data\":{\"text\":\"\(text)\"}".utf8))
    }

    /// Stops the server with SIGSTOP while `body` runs, but not for longer than 10 s: a store without deadlines then gets
    /// its answers late, and the test fails instead of waiting for ever.
    func whileHanging(_ body: () async throws -> Void) async throws {
        server.signal(SIGSTOP)
        let watchdog = Task {
            try await Task.sleep(for: .seconds(10))
            server.signal(SIGCONT)
        }
        defer {
            watchdog.cancel()
            server.signal(SIGCONT)
        }
        try await body()
    }
}

/// What tests do with a store, whatever is behind it.
protocol StoreFixture: Sendable {
    var store: RedisStore { get }
}

extension RedisFixture: StoreFixture {}

extension StoreFixture {
    var contract: StoresUnderTest {
        StoresUnderTest(timelines: store, inbox: store, presence: store, limits: .forTests)
    }

    var chat: ChatStoresUnderTest {
        ChatStoresUnderTest(
            conversations: store, memberships: store, timelines: store, inbox: store, presence: store,
            limits: .forTests)
    }

    @discardableResult
    func append(
        _ notification: Notifications.Notification = RedisFixture.notification(), to user: UserID
    ) async throws -> AppendOutcome {
        try await answer { store.append(notification, to: user, nowMilliseconds: RedisFixture.now, $0) }
    }

    func ids(of user: UserID) async throws -> [String] {
        let page = try await answer {
            store.read(user, after: 0, last: nil, epoch: nil, limit: 1000, $0)
        }
        return page.entries.map(\.id)
    }

    /// What an append came to, in one word, and how long the store took for it (not: how long this task then waited
    /// for a thread).
    func tryAppend(_ id: EventID, to user: UserID) async -> (result: String, seconds: Double) {
        await withCheckedContinuation { continuation in
            let start = ContinuousClock.now
            store.append(RedisFixture.notification(id: id), to: user, nowMilliseconds: RedisFixture.now) { result in
                let seconds = (ContinuousClock.now - start) / .seconds(1)
                switch result {
                case .success: continuation.resume(returning: ("ok", seconds))
                case .failure(let error): continuation.resume(returning: ("\(error.outcome)", seconds))
                }
            }
        }
    }

    /// Waits until the store has found the server again, within the promise of GUARANTEES G11.
    func recovers() async throws {
        try await eventually("every connection is back within 5 s", within: 5) { store.isConnected }
    }
}
