import ApusTesting
import Foundation

/// What happens to nodes.
extension Fault {
    /// `kill -9` of random nodes, each started again.
    static func killNodes(_ times: Int, runs: Int = 1) -> Fault {
        Fault(name: "kill -9 of a random node, \(times) times a run", promises: "G1–G6", runs: runs) { scene in
            for _ in 0..<times {
                let node = scene.member().process
                // At a random moment: there is always a send within the last 50 ms.
                try await scene.pause(0...50)
                scene.site.kill(node)
                try await scene.pause(0...500)
                try await scene.site.restart(node)
            }
        }
    }

    /// One that stays away until everybody has given it up.
    static let killForLong = Fault(
        name: "kill -9 of a node, which stays away for 18 s", promises: "G1–G6, G8"
    ) { scene in
        let node = scene.member().process
        scene.site.kill(node)
        try await Task.sleep(for: .seconds(18))
        try await scene.site.restart(node)
    }

    /// A node stands still, as in a long pause of the machine, and goes on with what it believed.
    static func freeze(seconds: Double) -> Fault {
        Fault(name: "SIGSTOP of a node for \(Int(seconds)) s, then CONT", promises: "G1–G6, G8") { scene in
            let node = scene.member().process
            scene.site.freeze(node)
            try await Task.sleep(for: .seconds(seconds))
            scene.site.thaw(node)
        }
    }

    /// All nodes one after another, as an upgrade does it.
    static let rollingRestart = Fault(
        name: "SIGTERM of every node in turn (rolling restart)", promises: "G10",
        site: Site.Options(environment: ["APUS_DRAIN_SECONDS": "5"])
    ) { scene in
        for member in scene.site.members {
            let node = member.process
            node.server.signal(SIGTERM)
            let status = await node.server.waitForExit()
            guard status == 0 else { throw TestFailure("\(node.server.name) ended with \(status)") }
            try await node.start()
        }
    }
}
