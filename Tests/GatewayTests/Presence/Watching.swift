import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

/// Short ways to watch.
extension ScriptedClient {
    /// Watches users and gives their states.
    func watch(_ users: String...) async throws -> JSONObject {
        let reply = try await ask("presence.watch", "\"users\":[\(users.map { "\"\($0)\"" }.joined(separator: ","))]")
        guard reply["ok"] != nil else { throw TestFailure("not watched: \(reply.rendered)") }
        return reply.ok.at("states")
    }

    /// The next event of presence; fails when it is not of this user and state.
    @discardableResult
    func presence(_ user: String, _ state: String, within seconds: Double = 10) async throws -> JSONObject {
        let event = try await event("presence", within: seconds)
        guard event.string("user") == user, event.string("state") == state else {
            throw TestFailure("\(user) \(state) was expected, not \(event.rendered)")
        }
        return event
    }

    /// Whether no event of presence comes for this time; other events are passed over.
    func hearsNothing(forMilliseconds milliseconds: Int) async throws -> Bool {
        let deadline = ContinuousClock.now + .milliseconds(milliseconds)
        while true {
            let left = ContinuousClock.now.duration(to: deadline) / .seconds(1)
            guard left > 0 else { return true }
            do {
                let frame = try await frame(within: left)
                if frame.string("ev") == "presence" { return false }
            } catch let failure as TestFailure where failure.description.hasPrefix("nothing came") { return true }
        }
    }
}

extension TestNode {
    /// A session that others do not see.
    func invisibleSession(_ user: String) async throws -> ScriptedClient {
        let client = try await socket()
        let hello = "{\"id\":1,\"op\":\"hello\",\"token\":\"\(try await Self.token(user))\",\"invisible\":true}"
        guard try await client.request(hello, id: 1).string("ev") == "welcome" else { throw TestFailure("no welcome") }
        return client
    }

    /// What a backend is told of a user.
    func presence(_ user: String) async throws -> JSONObject {
        try await backend("GET", "/v1/users/\(user)/presence").json
    }
}
