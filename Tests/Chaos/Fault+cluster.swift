import ApusTesting
import Foundation

/// What happens to a Redis Cluster under the nodes.
extension Fault {
    private static let cluster = Site.Options(redis: ["--appendfsync", "always"], store: .cluster)

    static let shardDown = Fault(
        name: "Redis Cluster: one shard killed, back after 4 s", promises: "G1, G11", site: cluster
    ) { scene in
        guard let masters = scene.site.store.cluster?.masters else { throw TestFailure("no cluster") }
        let master = masters[Int.random(in: 0..<masters.count, using: &scene.random)]
        master.killNow()
        try await Task.sleep(for: .seconds(4))
        try await master.start()
    }

    static let slotsMove = Fault(
        name: "Redis Cluster: 20 slots move under load (MOVED, ASK)", promises: "G1, G11", site: cluster
    ) { scene in
        guard let cluster = scene.site.store.cluster else { throw TestFailure("no cluster") }
        var moved = 0
        for user in scene.crew.users where moved < 20 {
            guard let slot = Int(try await cluster.masters[0].command("CLUSTER", "KEYSLOT", "apus:{u:\(user)}:m"))
            else {
                continue
            }
            let from = slot * cluster.masters.count / 16_384
            let (source, target) = (cluster.masters[from], cluster.masters[(from + 1) % cluster.masters.count])
            try await cluster.beginMove(of: slot, from: source, to: target)
            try await scene.pause(50...150)
            try await cluster.moveKeys(of: slot, from: source, to: target)
            try await cluster.endMove(of: slot, to: target, telling: cluster.masters.filter { $0 !== target })
            moved += 1
        }
        guard moved == 20 else { throw TestFailure("\(moved) slots moved, of 20") }
    }
}
