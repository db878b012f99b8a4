import ApusTesting
import Core
import Foundation
import Notifications
import Timelines

@testable import Embedded

/// A store in a folder of its own, removed with it.
final class TemporaryStore: Sendable {
    let folder: URL
    let store: EmbeddedStore

    /// - Parameter waitingMax: How many operations may wait for the writer.
    init(
        limits: StoreLimits = .standard, time: any TimeSource = SystemTime(), waitingMax: Int = GroupCommit.waitingMax
    ) throws {
        folder = try TestFolder.make("embedded")
        store = try EmbeddedStore(folder: folder, limits: limits, time: time, waitingMax: waitingMax)
    }

    /// Takes the names of the files away while they are open: for a store that a whole suite shares and nobody closes.
    func unlink() throws -> TemporaryStore {
        try FileManager.default.removeItem(at: folder)
        return self
    }

    deinit { try? FileManager.default.removeItem(at: folder) }
}

enum Sample {
    static let now: Int64 = 1_760_000_000_000

    static func user() throws -> UserID {
        guard let user = UserID("u-" + RandomToken.make(length: 12)) else { throw TestFailure("not a user id") }
        return user
    }

    static func notification(ttlMilliseconds: Int64? = nil, bytes: Int = 20) -> Notifications.Notification {
        let rest = "\"type\":\"a.b\",\"category\":\"a\",\"data\":\"\(String(repeating: "x", count: bytes))\""
        return Notifications.Notification(
            id: .new(atMilliseconds: now), category: "a", collapse: nil,
            expiresAtMilliseconds: ttlMilliseconds.map { now + $0 }, timestampMilliseconds: now, rest: Array(rest.utf8))
    }
}

extension EmbeddedStore {
    @discardableResult
    func append(
        _ notification: Notifications.Notification = Sample.notification(), to user: UserID, at now: Int64 = Sample.now
    ) async throws -> AppendOutcome {
        try await answer { append(notification, to: user, nowMilliseconds: now, $0) }
    }

    func open(_ user: UserID, at cursor: Core.Cursor? = nil) async throws -> TimelineOpening {
        try await answer { open(user, at: cursor, limit: 1000, $0) }
    }

    func counts(of user: UserID, at now: Int64 = Sample.now) async throws -> InboxCounts {
        try await answer { counts(of: user, nowMilliseconds: now, $0) }
    }
}
