import ApusTesting
import Core
import NIOCore
import Testing

@testable import RedisStore

/// Appends for one user from one event loop, each without waiting for the one before it; and what came of each.
final class Load: Sendable {
    private struct State {
        var sent: [EventID] = []
        var results: [EventID: String] = [:]
        var slowestSeconds = 0.0
    }

    /// So many may be on their way.
    private static let together = 32
    private let fixture: ClusterFixture
    private let user: UserID
    private let state = Shared(State())
    private let isOn = AtomicFlag()

    init(_ fixture: ClusterFixture, _ user: UserID) { (self.fixture, self.user) = (fixture, user) }

    var answered: Int { state.lock { $0.results.count } }
    func end() { isOn.lower() }

    /// Sends one every half of a millisecond until `end`, and waits for the last answers.
    func run() async throws {
        let pump = fixture.group.next().scheduleRepeatedTask(initialDelay: .zero, delay: .microseconds(500)) { pump in
            guard self.isOn.isUp else { return pump.cancel() }
            let isFree = self.state.lock { $0.sent.count - $0.results.count < Self.together }
            if isFree { self.send() }
        }
        try await eventually("the load ends", within: 150) { !self.isOn.isUp }
        pump.cancel()
        try await eventually("all are answered") { self.state.lock { $0.sent.count == $0.results.count } }
    }

    private func send() {
        let (id, began) = (EventID.new(atMilliseconds: RedisFixture.now), ContinuousClock.now)
        state.lock { $0.sent.append(id) }
        fixture.store.append(RedisFixture.notification(id: id), to: user, nowMilliseconds: RedisFixture.now) { result in
            let seconds = (ContinuousClock.now - began) / .seconds(1)
            self.state.lock { state in
                switch result {
                case .success: state.results[id] = "ok"
                case .failure(let error): state.results[id] = "\(error.outcome) \(error.message)"
                }
                state.slowestSeconds = max(state.slowestSeconds, seconds)
            }
        }
    }

    /// What was answered `ok` is there, in the order of the calls, and nothing else.
    func check() async throws {
        let end = state.lock { $0 }
        #expect(end.slowestSeconds < 2)
        let failures = end.results.values.filter { $0 != "ok" }
        #expect(failures.allSatisfy { $0.hasPrefix("notStored") }, "\(Set(failures))")
        // Refused to keep the order, which only those that meet the very first redirection can be. As a rule none is;
        // without the waiting it is dozens.
        #expect(failures.filter { $0.contains("a later command") }.count <= 10)
        let stored = end.sent.filter { end.results[$0] == "ok" }.map(\.text)
        let head = try #require(try await answer { fixture.store.heads([user], $0) }.first)
        #expect(head.seq == Int64(stored.count), "each once")
        // Timelines keep so many.
        let kept = stored.suffix(StoreLimits.forTests.timelineEvents)
        let after = Int64(stored.count - kept.count)
        let page = try await answer {
            fixture.store.read(user, after: after, last: nil, epoch: nil, limit: 1000, $0)
        }
        #expect(page.entries.map(\.id) == Array(kept))
        #expect(Double(stored.count) > 0.8 * Double(end.sent.count), "\(Set(failures))")
    }
}
