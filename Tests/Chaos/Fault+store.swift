import ApusTesting
import Foundation

/// What happens to Redis, and between it and the nodes.
extension Fault {
    /// A node loses Redis and is killed before it notices: whatever it has taken from the stream by then is stored by
    /// nobody, and must come again.
    static let cutOffAndKill = Fault(
        name: "Redis black-holed for one node, which is then killed -9", promises: "G1–G6"
    ) { scene in
        let member = scene.member()
        member.redis.set(.blackHole)
        try await scene.pause(1000...1300)
        scene.site.kill(member.process)
        // What it had sent by then never arrives.
        member.redis.set(.reset)
        try await scene.pause(100...100)
        member.redis.set(.pass)
        try await scene.site.restart(member.process)
    }

    /// A part of what is stored goes back to what it was seconds ago, as after a fail-over to a replica that lagged: on a
    /// Cluster that happens to one shard, so users and conversations also lose their tails one without the other.
    static func loseTail(_ part: StorePart) -> Fault {
        Fault(
            name: "\(part.name) lose their newest 2 s, as in a fail-over", promises: "G6", allowance: .storeLosesTail
        ) { scene in
            let redis = scene.site.redis
            // A third of the devices is away meanwhile: nobody can tell them but at their resume.
            let away = scene.crew.devices.enumerated().filter { $0.offset % 3 == 0 }.map(\.element)
            try await scene.beginLoss()
            try await redis.command("EVAL", Self.keep, "0", part.pattern)
            try await Task.sleep(for: .seconds(2))
            for device in away { device.goAway() }
            try await redis.command("EVAL", Self.putBack, "0", part.pattern)
            try await redis.command("CLIENT", "KILL", "TYPE", "normal")
            try await scene.endLoss()
            // Long enough that what is appended now reaches numbers that were taken before.
            try await Task.sleep(for: .seconds(3))
            for device in away { device.comeBack() }
        }
    }

    /// Which keys.
    struct StorePart: Sendable {
        var name: String
        var pattern: String
        static let users = StorePart(name: "users' timelines", pattern: "apus:{u:*")
        static let conversations = StorePart(name: "conversations", pattern: "apus:{c:*")
        static let everything = StorePart(name: "users and conversations", pattern: "apus:{[uc]:*")
    }

    private static let keep = """
        for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('COPY', key, 'was:' .. key, 'REPLACE') end
        return 'OK'
        """
    private static let putBack = """
        for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end
        for _, key in ipairs(redis.call('KEYS', 'was:' .. ARGV[1])) do redis.call('RENAME', key, string.sub(key, 5)) end
        return 'OK'
        """

    static let redisRestart = Fault(name: "Redis: clean restart", promises: "G11") { scene in
        try await scene.site.redis.command("SHUTDOWN")
        try await Task.sleep(for: .seconds(1))
        try await scene.site.redis.start()
    }

    static let redisKill = Fault(
        name: "Redis: kill -9, AOF everysec", promises: "G11", allowance: .storeLosesTail, runs: 3
    ) { scene in
        try await scene.beginLoss()
        // For no longer does Redis answer what it has not written to its file, while an fsync stalls.
        try await Task.sleep(for: .seconds(2))
        scene.site.redis.killNow()
        try await scene.pause(500...2500)
        try await scene.site.redis.start()
    }

    static let redisKillAlways = Fault(
        name: "Redis: kill -9, AOF always", promises: "G1–G6, G11",
        site: Site.Options(redis: ["--appendfsync", "always"]), runs: 3
    ) { scene in
        scene.site.redis.killNow()
        try await scene.pause(500...2500)
        try await scene.site.redis.start()
    }

    static let redisSleep = Fault(name: "Redis: DEBUG SLEEP 3", promises: "G11") { scene in
        try await scene.site.redis.command("DEBUG", "SLEEP", "3")
    }

    static let redisFull = Fault(name: "Redis: out of memory for 4 s", promises: "G11") { scene in
        try await scene.site.redis.command("CONFIG", "SET", "maxmemory", "1mb")
        try await Task.sleep(for: .seconds(4))
        try await scene.site.redis.command("CONFIG", "SET", "maxmemory", "0")
    }

    /// The network between nodes and Redis.
    static func redisNetwork(_ mode: NetworkProxy.Mode, _ name: String, seconds: Double, nodes: Int = 3) -> Fault {
        Fault(name: "Redis: \(name)", promises: "G11") { scene in
            let members = scene.site.members.prefix(nodes)
            for member in members { member.redis.set(mode) }
            try await Task.sleep(for: .seconds(seconds))
            // What is half closed stays so: only a new connection helps.
            if mode == .halfClose { for member in members { member.redis.set(.reset) } }
            for member in members { member.redis.set(.pass) }
        }
    }
}
