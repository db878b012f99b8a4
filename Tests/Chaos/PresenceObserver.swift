import ApusTesting
import Core
import Foundation
import Synchronization
import Wire

/// Asks one node again and again who is online, as a backend does, and watches the same users there, as a client does.
final class PresenceObserver: Sendable {
    private struct State {
        var samples: [PresenceSample] = []
        /// What the client that watches believes; empty while it does not know.
        var believed: [String: Bool] = [:]
        var lastHeard: Moment = 0
        var isOver = false
    }

    private let node: ApusProcess
    private let users: [String]
    private let token: String
    private let clock: RunClock
    private let state = Mutex(State())
    /// The words of a question: `"users":[…]`.
    private let question: String

    /// How often it is asked. Answers must fit through the narrowest line of the table, beside what it is there for.
    private static let pause = Duration.milliseconds(800)
    /// Between what a node finds out and the event that tells it.
    private static let tellingMax: Moment = 3_000_000
    /// How long a client that watches may not know yet that somebody came: without the bus a node asks every 10 s.
    private static let onlineLag: Moment = 15_000_000
    /// Without a sign for that long the node is dead or stands still.
    private static let patience: Moment = 8_000_000

    init(_ node: ApusProcess, users: [String], token: String, clock: RunClock) {
        self.node = node
        self.users = users
        self.token = token
        self.clock = clock
        question = #""users":[\#(users.map { "\"\($0)\"" }.joined(separator: ","))]"#
    }

    var samples: [PresenceSample] { state.withLock { $0.samples } }

    /// Until the task is cancelled.
    func run() async {
        await withTaskGroup { group in
            group.addTask { await self.ask() }
            group.addTask { await self.watch() }
        }
    }

    // MARK: Asking

    private func ask() async {
        while !Task.isCancelled {
            let from = clock.now
            let answer = try? await node.backend("POST", "/v1/presence", body: "{\(question)}")
            if let answer, answer.status == 200, let body = try? JSONObject(Array(answer.body.utf8)) {
                let states = Self.states(body, users)
                state.withLock { $0.samples.append(sample(states, from: from, until: clock.now)) }
            }
            try? await Task.sleep(for: Self.pause)
        }
    }

    private static func states(_ body: JSONObject, _ users: [String]) -> [String: Bool] {
        var states: [String: Bool] = [:]
        for user in users {
            guard let state = body["states"]?.object?[user]?.object?["state"]?.string else { continue }
            states[user] = state == "online"
        }
        return states
    }

    private func sample(_ states: [String: Bool], from: Moment, until: Moment) -> PresenceSample {
        PresenceSample(
            node: node.server.name, from: from, until: until, online: states.filter(\.value).map(\.key),
            offline: states.filter { !$0.value }.map(\.key))
    }

    // MARK: Watching

    private func watch() async {
        while !Task.isCancelled {
            if let client = try? await ScriptedClient.connect(port: node.port, within: 3) {
                try? await follow(client)
                client.drop()
            }
            try? await Task.sleep(for: .milliseconds(300))
        }
    }

    /// One connection, to its end.
    private func follow(_ client: ScriptedClient) async throws {
        guard try await client.hello(token: token)["ev"]?.string == "welcome" else { return }
        state.withLock { ($0.believed, $0.lastHeard, $0.isOver) = ([:], clock.now, false) }
        try await client.receive { [self] incoming in state.withLock { hear(incoming, &$0) } }
        client.post(#"{"id":2,"op":"presence.watch",\#(question)}"#)
        while !Task.isCancelled {
            try await Task.sleep(for: Self.pause)
            client.post(#"{"id":3,"op":"ping"}"#)
            let isOver = state.withLock { state in
                let now = clock.now
                if state.isOver || now - state.lastHeard > Self.patience { return true }
                // Who came a moment ago may not be known yet; who is believed to be there is shown at this moment.
                state.samples.append(sample(state.believed.filter(\.value), from: now, until: now))
                state.samples.append(
                    sample(state.believed.filter { !$0.value }, from: now - Self.onlineLag, until: now))
                return false
            }
            if isOver { return }
        }
    }

    private func hear(_ incoming: ScriptedClient.Incoming, _ state: inout State) {
        let now = clock.now
        state.lastHeard = now
        switch incoming {
        case .text(let text):
            guard let frame = try? JSONObject(Array(text.utf8)) else { return }
            if frame["re"]?.integer == 2 {
                // Refused, as while the store is away: on another connection it will work.
                guard let ok = frame["ok"]?.object else { return state.isOver = true }
                state.believed = Self.states(ok, users)
            } else if frame["ev"]?.string == "presence", let user = frame["user"]?.string {
                let isOnline = frame["state"]?.string == "online"
                state.believed[user] = isOnline
                state.samples.append(sample([user: isOnline], from: now - Self.tellingMax, until: now))
            }
        case .close, .end: state.isOver = true
        case .ping, .pong, .binary: break
        }
    }
}
