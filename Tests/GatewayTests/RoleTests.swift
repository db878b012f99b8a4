import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("What a node does by its roles, when a fleet has split them")
struct RoleTests {
    @Test("A gateway alone checks the unread counts of its users and retracts nothing")
    func gateway() async throws {
        try await TestNode.run(configure: { $0.roles = [.gateway] }) { node in
            let (client, _) = try await node.session(someUser())
            defer { client.drop() }
            try await eventually("a user is checked", within: 20) { node.fault.calls(.unreadDrift) > 0 }
            #expect(node.fault.calls(.expire) == 0)
        }
    }

    @Test("A notifier alone retracts what is over, and has no sockets")
    func notifier() async throws {
        try await TestNode.run(configure: { $0.roles = [.notifier] }) { node in
            #expect(node.node.publicAddress == nil)
            try await eventually("expiry runs", within: 10) { node.fault.calls(.expire) > 0 }
        }
    }
}
