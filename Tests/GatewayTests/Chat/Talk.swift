import ApusTesting
import Core
import Wire

@testable import Gateway

/// Two users with devices on one node.
struct Talk: Sendable {
    let node: TestNode
    let aliceID: String
    let bobID: String
    let alice: [ScriptedClient]
    let bob: [ScriptedClient]
    /// What bob's first device got.
    let bobWelcome: JSONObject

    static func start(devices: Int = 1, on given: TestNode? = nil) async throws -> Talk {
        let node = if let given { given } else { try await TestNode.shared }
        let (aliceID, bobID) = (someUser("alice"), someUser("bob"))
        var (alice, bob): ([ScriptedClient], [ScriptedClient]) = ([], [])
        var welcome = JSONObject.empty
        for device in 0..<devices {
            alice.append(try await node.session(aliceID, device: "d\(device)").client)
            let session = try await node.session(bobID, device: "d\(device)")
            bob.append(session.client)
            if device == 0 { welcome = session.welcome }
        }
        return Talk(node: node, aliceID: aliceID, bobID: bobID, alice: alice, bob: bob, bobWelcome: welcome)
    }

    /// `alice` sorts before `bob`.
    var conversation: String { "d:\(aliceID):\(bobID)" }

    func drop() { for client in alice + bob { client.drop() } }
}

extension ScriptedClient {
    /// Sends a text and gives the reply; events in between are lost to the test.
    func say(_ text: String, to user: String, cid: String = RandomToken.make(length: 12)) async throws -> JSONObject {
        try await ask("send", "\"to\":\"\(user)\",\"cid\":\"\(cid)\",\"body\":{\"text\":\"\(text)\"}")
    }

    /// Sends a text without waiting for anything.
    func post(_ text: String, to user: String, cid: String = RandomToken.make(length: 12)) async throws {
        try await send(
            "{\"op\":\"send\",\"to\":\"\(user)\",\"cid\":\"\(cid)\",\"body\":{\"text\":\"\(text)\"}}")
    }

    func history(_ conversation: String) async throws -> [JSONObject] {
        try await ask("history", "\"conv\":\"\(conversation)\",\"limit\":200").ok.list("messages")
    }
}
