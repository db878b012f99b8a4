import ApusTesting
import Foundation

/// What happens to NATS, and between it and the nodes.
extension Fault {
    static let natsRestart = Fault(name: "NATS: SIGTERM and restart", promises: "G4, G11") { scene in
        scene.site.nats.signal(SIGTERM)
        try await Task.sleep(for: .seconds(1))
        try await scene.site.nats.killAndRestart()
    }

    static let natsKill = Fault(name: "NATS: kill -9, back after 2 s", promises: "G4, G11", runs: 3) { scene in
        scene.site.nats.killNow()
        try await Task.sleep(for: .seconds(2))
        try await scene.site.nats.start()
    }

    static func natsFreeze(seconds: Double) -> Fault {
        Fault(name: "NATS: SIGSTOP for \(Int(seconds)) s", promises: "G4, G11") { scene in
            scene.site.nats.signal(SIGSTOP)
            try await Task.sleep(for: .seconds(seconds))
            scene.site.nats.signal(SIGCONT)
        }
    }

    /// Events wait at their producers meanwhile, and messages take the way of the store (G7's repair).
    static func natsDown(seconds: Double, pace: Double = 1, isLong: Bool = false) -> Fault {
        Fault(
            name: "NATS: down for \(Int(seconds)) s", promises: "G4, G11", isLong: isLong, pace: pace
        ) { scene in
            scene.site.nats.killNow()
            try await Task.sleep(for: .seconds(seconds))
            try await scene.site.nats.start()
        }
    }

    static let natsConsumer = Fault(name: "NATS: the consumer is deleted", promises: "G4, G11") { scene in
        try await scene.site.jetStream("CONSUMER.DELETE.APUS_IN.notifier")
        try await Task.sleep(for: .seconds(3))
    }

    static func natsNetwork(_ mode: NetworkProxy.Mode, _ name: String, seconds: Double, nodes: Int = 3) -> Fault {
        Fault(name: "NATS: \(name)", promises: "G4, G11") { scene in
            let members = scene.site.members.prefix(nodes)
            for member in members { member.nats.set(mode) }
            try await Task.sleep(for: .seconds(seconds))
            if mode == .halfClose { for member in members { member.nats.set(.reset) } }
            for member in members { member.nats.set(.pass) }
        }
    }
}
