import Foundation

/// How much load, from how many processes and addresses.
struct LoadPlan: Equatable, Sendable {
    var sessions = 1000
    /// New sessions per second, all workers together.
    var connectsPerSecond = 2000.0
    /// Processes; nil for as few as their limit of files allows.
    var workers: Int?
    /// Source addresses; empty: the kernel's choice, or 127.0.0.2 and on where one address has too few ports.
    var sources: [UInt32] = []
    var payloadBytes = 100
    var topics = 0
    var slowShare = 0.0
    /// Seconds between samples.
    var sampleSeconds = 1
    /// How long to wait at the end for what has not come.
    var settleSeconds = 15.0
    var userPrefix = "u"
    /// Users, spaces and tokens in lines; nil makes tokens with the target's secret.
    var tokenFile: String?
    var peer: String?
    /// The servers are started for the run, and end with it.
    var hasOwnSite = true

    /// Files that a worker needs besides its sessions.
    private static let otherFiles = 64
    /// Of the range of local ports, so many to one destination from one address: some are always taken.
    private static let portsPerAddress = 25_000
    /// The kernel gives the even ports of a pair of addresses first, 14,000 of them: from then on each connect looks at all
    /// of these in vain, which took a run of a million most of both processors at 748,000.
    private static let portsAtEase = 10_000

    /// What a worker allocates, and touches, for each session before the first one connects.
    static let bytesPerSession = MemoryLayout<SessionRecord>.stride + Ledger.bytesPerSession

    /// Whether the file of tokens has one for each session. - Throws: `LoadError` that says what to do.
    func checkTokens() throws {
        guard let tokenFile, let users = try Users(file: tokenFile, first: 0).countMax, users < sessions else { return }
        throw LoadError(
            "--tokens \(tokenFile) has \(users) users, and --sessions says \(sessions): give it more lines, or hold fewer"
        )
    }

    /// The workers' setups. - Throws: `LoadError` that says what is too small, and the fix.
    func setups(for target: Target, fileLimit: Int) throws -> [WorkerSetup] {
        try checkTokens()
        guard !target.urls.isEmpty else { throw LoadError("no address to connect to: give --url") }
        let endpoints = try target.urls.map { try Self.endpoint($0, option: "--url", scheme: "ws", port: 8080) }
        let perWorker = min(fileLimit - Self.otherFiles, 18_000)
        guard perWorker > 100 else {
            throw LoadError("a process may open \(fileLimit) files: raise `ulimit -Hn` to 1000 at least")
        }
        let count = workers ?? max(1, (sessions + perWorker - 1) / perWorker)
        guard count * perWorker >= sessions else {
            throw LoadError(
                "\(sessions) sessions need \((sessions + perWorker - 1) / perWorker) workers of \(perWorker) files each,"
                    + " and --workers says \(count): leave it out, or raise `ulimit -Hn`")
        }
        var setup = WorkerSetup(
            run: UInt32.random(in: 1...UInt32.max), targets: endpoints.map(\.endpoint), origin: Clock.now())
        (setup.host, setup.path) = (endpoints[0].host, endpoints[0].path)
        setup.sources = try usedSources(endpoints.map(\.endpoint))
        setup.userPrefix = userPrefix
        (setup.secret, setup.tokenFile) = (target.secret, tokenFile)
        (setup.nats, setup.natsPrefix) = (target.nats, target.natsPrefix)
        if let backend = target.backends.first, target.nats == nil {
            setup.backend = try Self.endpoint(backend, option: "--backend", scheme: "http", port: 8081).endpoint
        }
        setup.apiKey = target.apiKey
        (setup.payloadBytes, setup.topics, setup.slowShare) = (payloadBytes, topics, slowShare)
        (setup.sampleSeconds, setup.peer) = (sampleSeconds, peer)
        return split(setup, count)
    }

    /// Of all workers together.
    private static let handshakesMax = 512

    /// An even number of sessions each, so that pairs stay together.
    private func split(_ setup: WorkerSetup, _ count: Int) -> [WorkerSetup] {
        let pairs = (sessions + 1) / 2
        return (0..<count).map { index in
            var own = setup
            own.index = index
            own.handshakesMax = max(8, Self.handshakesMax / count)
            own.first = 2 * (pairs * index / count)
            own.count = min(sessions, 2 * (pairs * (index + 1) / count)) - own.first
            return own
        }
    }

    private func usedSources(_ targets: [Endpoint]) throws -> [UInt32] {
        let perTarget = (sessions + targets.count - 1) / targets.count
        let needed = (perTarget + Self.portsPerAddress - 1) / Self.portsPerAddress
        if !sources.isEmpty {
            guard sources.count >= needed else {
                throw LoadError(
                    "\(perTarget) sessions to one address need \(needed) source addresses: give more with --sources,"
                        + " or several --url")
            }
            return sources
        }
        guard targets.allSatisfy({ $0.address >> 24 == 127 }) else {
            guard needed > 1 else { return [] }
            throw LoadError(
                "\(perTarget) sessions to one address need \(needed) source addresses of this machine: give --sources")
        }
        // Every address of 127.0.0.0/8 is this machine's: there are as many as are comfortable.
        let comfortable = (perTarget + Self.portsAtEase - 1) / Self.portsAtEase
        return comfortable > 1 ? (0..<UInt32(comfortable)).map { 0x7F00_0002 + $0 } : []
    }

    // MARK: Addresses

    /// `scheme://host:port/path`
    static func endpoint(
        _ url: String, option: String, scheme: String, port: Int
    ) throws -> (endpoint: Endpoint, host: String, path: String) {
        guard let parts = URLComponents(string: url), parts.scheme == scheme, let host = parts.host, !host.isEmpty
        else {
            let why = url.hasPrefix("wss:") || url.hasPrefix("https:") ? " (TLS is not supported)" : ""
            throw LoadError("\(option) \(url): write \(scheme)://host:port\(scheme == "ws" ? "/ws" : "")\(why)")
        }
        let endpoint = try Endpoint.resolve(host: host, port: parts.port ?? port, option: option)
        let path = parts.path.isEmpty ? "/ws" : parts.path
        return (endpoint, parts.port.map { "\(host):\($0)" } ?? host, path)
    }

    /// `127.0.0.2,127.0.0.5-9`: addresses, and ranges of the last number.
    static func sources(_ text: String) throws -> [UInt32] {
        try text.split(separator: ",").flatMap { part -> [UInt32] in
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            guard let first = Endpoint.address(ends[0]) else { throw Self.badSources(part) }
            guard ends.count > 1 else { return [first] }
            guard ends.count == 2, let last = UInt8(ends[1]), UInt32(last) >= first & 255 else {
                throw Self.badSources(part)
            }
            return (first...(first & 0xFFFF_FF00 | UInt32(last))).map { $0 }
        }
    }

    private static func badSources(_ part: Substring) -> LoadError {
        LoadError("--sources \(part): write addresses, such as 127.0.0.2, or ranges, such as 127.0.0.2-20")
    }
}
