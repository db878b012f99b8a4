/// What a site consists of.
struct SitePlan: Equatable, Sendable {
    enum Store: String, CaseIterable, Sendable {
        /// SQLite in the node, which can only be one.
        case embedded
        /// Redis and NATS, which the site starts.
        case fleet
    }

    static let nodesMax = 500

    var nodes = 1
    var store = Store.embedded
    /// Another server instead of nodes, by its name in `Peers`.
    var peer: String?
    /// Of the node; nil for `apus` beside this program.
    var executable: String?
    /// How many of the nodes take notifications from JetStream; nil for all. The others have the role `gateway` only.
    var notifiers: Int?
    /// Settings `APUS_…` of every node, beyond those that a site needs.
    var settings: [String: String] = [:]
    /// The processors of the nodes; nil for all.
    var nodeCores: [Int]?
    /// The processors of Redis and NATS; nil for all.
    var serverCores: [Int]?
    /// Redis and NATS get a processor before anybody else, as on a machine of their own. Among a hundred processes that all
    /// have something to do, Redis would get a hundredth of the machine, and a node gives up after 1.5 s.
    var serversFirst = false

    /// What a reader of the report has to know.
    var notes: [String] {
        if peer != nil { return ["another server, which promises less: nothing durable, no numbers, no resume"] }
        guard store == .fleet else { return ["one embedded node: SQLite with synchronous=FULL"] }
        let redis =
            "Redis with appendonly yes (everysec) and noeviction; auto-aof-rewrite-percentage 0, so that no fork comes in between"
        return [redis] + (serversFirst ? ["Redis and NATS run with a nice value of -10 (root only)"] : [])
    }

    func check() throws {
        if let peer { _ = try Peers.named(peer).executable() }
        guard (1...Self.nodesMax).contains(nodes) else {
            throw SiteError("a site has 1 to \(Self.nodesMax) nodes, not \(nodes)")
        }
        guard store == .fleet || nodes == 1 else {
            throw SiteError("\(nodes) nodes need Redis and NATS between them: an embedded node is alone")
        }
        for name in settings.keys where !name.hasPrefix("APUS_") {
            throw SiteError("\(name) is no setting of a node: they begin with APUS_")
        }
    }
}
