import ApusTesting
import Core
import Foundation
import Testing
import Wire

@Suite("Random talk agrees with a model", .serialized)
struct ChatWalkTests {
    @Test("on one embedded node")
    func embedded() async throws {
        let node = try ApusProcess("gw-walk")
        defer { node.server.stop() }
        try await node.start()
        let key = try await TestKey.hs256(ApusProcess.secret)
        let walk = ChatWalk(
            ChatWalk.Site(ports: [node.port], token: { try key.token(user: $0) }, forget: nil),
            seed: SeededGenerator.seed())
        try await walk.run(steps: 1500)
    }

    /// The conversation's keys are copied and copied back: what a fail-over to a replica that lagged behind leaves.
    @Test("on two nodes on Redis and NATS, with conversations that lose their tail")
    func fleet() async throws {
        try await Fleet.with { fleet in
            let redis = fleet.redis
            let forget: (String, () async throws -> Void) async throws -> Void = { conversation, body in
                let names = ["m", "p", "l", "r", "q0", "q1"]
                for name in names {
                    try await redis.command("DEL", "apus:{c:\(conversation)}:was:\(name)")
                    try await redis.command(
                        "COPY", "apus:{c:\(conversation)}:\(name)", "apus:{c:\(conversation)}:was:\(name)", "REPLACE")
                }
                try await body()
                for name in names {
                    try await redis.command("DEL", "apus:{c:\(conversation)}:\(name)")
                    try await redis.command(
                        "COPY", "apus:{c:\(conversation)}:was:\(name)", "apus:{c:\(conversation)}:\(name)", "REPLACE")
                }
            }
            let walk = ChatWalk(
                ChatWalk.Site(
                    ports: fleet.nodes.map(\.port), token: { try fleet.token($0) }, forget: forget),
                seed: SeededGenerator.seed())
            try await walk.run(steps: 1500)
        }
    }
}
