import ApusTesting
import Foundation

/// Nodes that die at a named instruction, in the middle of their work (`CrashPoint`).
extension Fault {
    /// Where, and what brings a node there.
    struct Point: Sendable {
        var name: String
        /// At which time that it comes there, at most.
        var countMax = 6
        var bring: @Sendable (Site.Member, Scene) async throws -> Void = { _, _ in }
    }

    static let points: [Point] = [
        Point(name: "ingest.received", countMax: 20), Point(name: "append.before", countMax: 20),
        Point(name: "append.after", countMax: 20), Point(name: "ingest.settle", countMax: 20),
        Point(name: "ingest.settled", countMax: 20), Point(name: "commit.before"), Point(name: "commit.after"),
        Point(name: "advance.before", countMax: 12), Point(name: "advance.after", countMax: 12),
        Point(name: "finish.before"), Point(name: "hello.registered", countMax: 3),
        // What it missed of the other nodes' hints it reads from the store.
        Point(name: "replay.page", countMax: 2) { victim, _ in
            victim.nats.set(.reset)
            try await Task.sleep(for: .seconds(1))
            victim.nats.set(.pass)
        },
        Point(name: "drain.close", countMax: 1) { victim, scene in
            // Somebody who does not go when told, or there is nothing to close.
            let client = try await ScriptedClient.connect(port: victim.process.port)
            _ = try await client.hello(token: try scene.site.token(scene.crew.users[0]))
            victim.process.server.signal(SIGTERM)
        },
    ]

    static func crash(at points: [Point], _ name: String, runs: Int = 1) -> Fault {
        Fault(name: "crash at \(name)", promises: "G1–G4", runs: runs) { scene in
            for point in points {
                let count = Int.random(in: 1...point.countMax, using: &scene.random)
                let victim = try await scene.site.addVictim(at: "\(point.name):\(count)")
                try await die(victim, point, &scene)
                scene.site.notes.add("fired: \(point.name), at the \(count). time")
            }
        }
    }

    private static func die(_ victim: Site.Member, _ point: Point, _ scene: inout Scene) async throws {
        let server = victim.process.server
        var isBrought = false
        var rounds = 0
        try await eventually("the node dies at \(point.name)", within: 60) {
            guard server.isRunning else { return true }
            // Some of those who are cut come to the victim; it works on what comes with them.
            if rounds % 20 == 0 {
                for device in scene.crew.devices.shuffled(using: &scene.random).prefix(12)
                where device.node != server.name { device.cut() }
            }
            if rounds >= 20, !isBrought {
                isBrought = true
                try await point.bring(victim, scene)
            }
            rounds += 1
            try await Task.sleep(for: .milliseconds(50))
            return !server.isRunning
        }
        guard await server.waitForExit() == 128 + SIGKILL else {
            throw TestFailure("\(server.name) did not die at \(point.name): \(server.output.suffix(1000))")
        }
    }
}
