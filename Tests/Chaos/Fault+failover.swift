import ApusTesting
import Foundation

/// Redis servers that die for good, and replicas that take over from them.
extension Fault {
    /// What the promise "nothing that was ok" rests on (docs/redis.md, "Strict durability").
    private static let strict = [
        "--appendfsync", "always", "--min-replicas-to-write", "1", "--min-replicas-max-lag", "10",
    ]

    /// In strict durability only what nobody was told ok may go with the master. It may have been seen: whoever pulled or resumed
    /// in that moment has it, and must be told.
    private static func allowance(isStrict: Bool) -> Checker.Allowance { isStrict ? .resync : .storeLosesTail }

    private static func site(_ store: StoreServers.Kind, isStrict: Bool) -> Site.Options {
        guard isStrict else { return Site.Options(store: store) }
        return Site.Options(redis: strict, store: store, environment: ["APUS_DURABILITY": "strict"])
    }

    /// `kill -9` of a master; its replica takes over, and the old master follows it later.
    static func failOver(_ store: StoreServers.Kind, _ name: String, isStrict: Bool = false) -> Fault {
        Fault(
            name: "\(name): kill -9 of a master\(isStrict ? ", strict durability" : ""), its replica takes over",
            promises: "G6, G11", site: site(store, isStrict: isStrict), allowance: allowance(isStrict: isStrict)
        ) { scene in
            let pair = try scene.pair()
            if !isStrict { try await scene.beginLoss(of: pair) }
            try await pair.failOver()
            try await scene.pause(1000...2000)
            try await pair.comeBack()
        }
    }

    /// A master that stands still while its replica takes over, and goes on as if it were the master.
    static func failOverFrozen(_ store: StoreServers.Kind, _ name: String) -> Fault {
        Fault(
            name: "\(name): SIGSTOP of a master, strict durability, its replica takes over, then CONT",
            promises: "G6, G11", site: site(store, isStrict: true), allowance: allowance(isStrict: true)
        ) { scene in
            let pair = try scene.pair()
            try await pair.failOver(by: SIGSTOP)
            try await scene.pause(0...1000)
            try await pair.comeBack(from: SIGSTOP)
        }
    }

    /// `kill -9` as well, of a master of whom the replica had heard nothing for 2 s.
    static func failOverBehind(_ store: StoreServers.Kind, _ name: String) -> Fault {
        Fault(
            name: "\(name): kill -9 of a master, a replica that is 2 s behind takes over", promises: "G6",
            site: site(store, isStrict: false), allowance: .storeLosesTail
        ) { scene in
            let pair = try scene.pair()
            // A third of the devices is away meanwhile: nobody can tell them but at their resume.
            let away = scene.crew.devices.enumerated().filter { $0.offset % 3 == 0 }.map(\.element)
            try await scene.beginLoss(of: pair)
            try await pair.cutOff()
            try await Task.sleep(for: .seconds(2))
            for device in away { device.goAway() }
            try await pair.failOver()
            // Long enough that what is appended now reaches numbers that were taken before.
            try await Task.sleep(for: .seconds(4))
            for device in away { device.comeBack() }
            try await pair.comeBack()
        }
    }
}

extension Scene {
    fileprivate mutating func pair() throws -> StoreServers.Pair {
        guard let pair = site.store.pairs.randomElement(using: &random) else { throw TestFailure("no replicas") }
        return pair
    }

    /// From now on, what the replica has not got may be lost. When this returns, it has what was ok or acknowledged
    /// before.
    fileprivate mutating func beginLoss(of pair: StoreServers.Pair) async throws {
        try await beginLoss()
        try await pair.waitForReplica()
    }
}
