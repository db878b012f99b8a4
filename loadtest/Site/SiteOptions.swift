import ArgumentParser

/// How a site is started, where a command starts one.
struct SiteOptions: ParsableArguments {
    @Option(help: "Nodes to start. More than one need Redis and NATS, which are started too.")
    var nodes = 1

    @Flag(help: "Redis and NATS also for a single node, instead of the embedded store.")
    var fleet = false

    @Option(help: "Another server instead of nodes, for comparison: nats, nchan, uwebsockets or plain-nio.")
    var peer: String?

    @Option(help: "The executable of the nodes; by default `apus` beside this program.")
    var apus: String?

    @Option(help: "Processors of the nodes, such as 0 or 0-1. By default all.")
    var nodeCores: String?

    @Option(help: "Processors of Redis and NATS. By default all.")
    var serverCores: String?

    @Option(
        name: .customLong("setting"), help: "A setting of the nodes, such as APUS_PING_SECONDS=60. May be repeated.")
    var settings: [String] = []

    func validate() throws {
        try OptionRange.check("--nodes", nodes, 1...SitePlan.nodesMax)
        if let peer { _ = try Peers.named(peer) }
        _ = try plan()
    }

    func plan() throws -> SitePlan {
        var plan = SitePlan(nodes: nodes, store: nodes > 1 || fleet ? .fleet : .embedded, executable: apus)
        plan.peer = peer
        plan.nodeCores = try Self.cores("--node-cores", nodeCores)
        plan.serverCores = try Self.cores("--server-cores", serverCores)
        for setting in settings {
            let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, parts[0].hasPrefix("APUS_") else {
                throw ValidationError("--setting \(setting): write APUS_NAME=value")
            }
            plan.settings[parts[0]] = parts[1]
        }
        return plan
    }

    private static func cores(_ option: String, _ text: String?) throws -> [Int]? {
        guard let text else { return nil }
        let cores = Executables.list(text)
        let mine = Executables.processors()
        guard !cores.isEmpty, mine.isEmpty || Set(cores).isSubset(of: mine) else {
            throw ValidationError(
                "\(option) \(text): this program may run on \(mine.map(String.init).joined(separator: ","))")
        }
        return cores
    }
}
