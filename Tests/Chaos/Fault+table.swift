/// The table of GUARANTEES, "The fault tests".
extension Fault {
    /// What `make test` has time for.
    static let short: [Fault] = [
        .killNodes(3), .killForLong, .cutOffAndKill, .loseTail(.everything), .natsKill,
        .redisNetwork(.blackHole, "black hole to one node for 3 s", seconds: 3, nodes: 1),
    ]

    /// What `make chaos` runs.
    static let table: [Fault] = nodeFaults + redisFaults + failOvers + clusterFaults + natsFaults + clientFaults

    private static let nodeFaults: [Fault] = [
        .killNodes(25, runs: 8), .killForLong, .cutOffAndKill, .freeze(seconds: 1), .freeze(seconds: 5),
        .freeze(seconds: 20), .freeze(seconds: 60), .rollingRestart,
        .crash(at: points, "each of \(points.count) named points", runs: 3),
    ]

    private static let redisFaults: [Fault] = [
        .redisRestart, .redisKill, .redisKillAlways, .redisSleep, .redisFull,
        .redisNetwork(.blackHole, "black hole to all nodes for 30 s", seconds: 30),
        .redisNetwork(.blackHole, "black hole to one node for 5 s", seconds: 5, nodes: 1),
        .redisNetwork(.reset, "connections reset for 3 s", seconds: 3),
        .redisNetwork(.delay(milliseconds: 300), "300 ms late for 10 s", seconds: 10),
        .redisNetwork(.trickle(bytes: 200), "10 kB/s for 5 s", seconds: 5),
        .redisNetwork(.halfClose, "half closed for 5 s", seconds: 5),
        .loseTail(.users), .loseTail(.conversations), .loseTail(.everything),
    ]

    private static let natsFaults: [Fault] = [
        .natsRestart, .natsKill, .natsFreeze(seconds: 30), .natsDown(seconds: 120),
        .natsDown(seconds: 600, pace: 0.3, isLong: true), .natsConsumer,
        .natsNetwork(.blackHole, "black hole to one node for 15 s", seconds: 15, nodes: 1),
        .natsNetwork(.reset, "connections reset for 3 s", seconds: 3),
        .natsNetwork(.delay(milliseconds: 300), "300 ms late for 10 s", seconds: 10),
        .natsNetwork(.trickle(bytes: 200), "10 kB/s for 5 s", seconds: 5),
        .natsNetwork(.halfClose, "half closed for 5 s", seconds: 5),
    ]

    private static let failOvers: [Fault] = [
        .failOver(.sentinels, "Redis Sentinel"), .failOverBehind(.sentinels, "Redis Sentinel"),
        .failOver(.sentinels, "Redis Sentinel", isStrict: true), .failOverFrozen(.sentinels, "Redis Sentinel"),
        .failOver(.clusterWithReplicas, "Redis Cluster"), .failOverBehind(.clusterWithReplicas, "Redis Cluster"),
        .failOver(.clusterWithReplicas, "Redis Cluster", isStrict: true),
    ]

    private static let clusterFaults: [Fault] = [.shardDown, .slotsMove]

    private static let clientFaults: [Fault] = [
        .storm, .resumeTogether, .slowReaders, .malformed, .poison, .producerRetries,
    ]
}
