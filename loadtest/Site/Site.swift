import Foundation
import Spawn
import Synchronization

/// Nodes, and the Redis and NATS between them, in processes of their own: on free ports of 127.0.0.1, with data in one
/// temporary folder. All of it is gone after `stop`, and a second after this program's end, even when that is SIGKILL.
final class Site: Sendable {
    static let secret = "a-secret-of-the-load-test-with-32-bytes"
    static let apiKey = "an-api-key-of-the-load-test"

    let plan: SitePlan
    private let folder: URL
    private let folderGuard: FolderGuard
    private let state = Mutex(State())

    private struct State {
        var processes: [SiteProcess] = []
        var target = Target(urls: [], secret: Site.secret, apiKey: Site.apiKey)
        var redisPort = 0
        /// What is started from now on would outlive the site.
        var isStopped = false
    }

    /// Starts all of it, and waits until every part is up.
    /// - Throws: `SiteError`, with nothing left behind.
    static func start(_ plan: SitePlan) async throws -> Site {
        try plan.check()
        let site = try Site(plan)
        Teardown.add(site)
        do {
            try await site.startAll()
            return site
        } catch {
            site.stop()
            throw error
        }
    }

    private init(_ plan: SitePlan) throws {
        self.plan = plan
        folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("apus-loadtest-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        folderGuard = try FolderGuard(folder)
    }

    var target: Target { state.withLock { $0.target } }
    var processes: [SiteProcess] { state.withLock { $0.processes } }
    var nodes: [SiteProcess] { processes.filter { $0.role == .node || $0.role == .peer } }

    // MARK: Ending

    /// Kills whatever still runs and removes the folder. Data of a site is worth nothing, so nobody is asked to end well:
    /// `drain` does that, where it is measured.
    func stop() {
        let processes = state.withLock { state in
            defer { (state.processes, state.isStopped) = ([], true) }
            return state.processes
        }
        for process in processes.reversed() { process.process.signal(SIGKILL) }
        for process in processes { process.process.waitUntilExit() }
        try? FileManager.default.removeItem(at: folder)
        folderGuard.stop()
        Teardown.remove(self)
    }

    /// Sends SIGTERM to every node and waits for their end.
    /// - Returns: the exit status of each; 137 of those that were killed because they took longer than `seconds`.
    func drain(within seconds: Double) async -> [Int32] {
        let nodes = nodes
        for node in nodes { node.process.signal(SIGTERM) }
        let deadline = ContinuousClock.now + .seconds(seconds)
        while nodes.contains(where: { $0.process.isRunning }), ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(50))
        }
        for node in nodes { node.process.signal(SIGKILL) }
        return nodes.map { $0.process.waitUntilExit() }
    }

    // MARK: Asking

    /// `used_memory` and `used_memory_rss` of Redis in bytes; nil without a Redis.
    func redisMemory() async -> (used: Int, resident: Int)? {
        let port = state.withLock { $0.redisPort }
        guard port > 0, let info = try? await redis(port, "INFO", "memory"),
            let used = info.firstMatch(of: /used_memory:(\d+)/),
            let resident = info.firstMatch(of: /used_memory_rss:(\d+)/)
        else { return nil }
        return (Int(used.1) ?? 0, Int(resident.1) ?? 0)
    }

    /// Commands that Redis has processed, those within scripts as well; nil without a Redis.
    func redisCommands() async -> Int? {
        let port = state.withLock { $0.redisPort }
        guard port > 0, let info = try? await redis(port, "INFO", "stats"),
            let commands = info.firstMatch(of: /total_commands_processed:(\d+)/)
        else { return nil }
        return Int(commands.1)
    }

    /// Of what the site consists, with versions.
    func versions() async -> [String: String] {
        var versions: [String: String] = [:]
        if let peer = plan.peer {
            let peer = try? Peers.named(peer)
            if let name = peer?.name, let version = await peer?.version() { versions[name] = version }
            return versions
        }
        func ask(_ name: String, _ executable: String?, _ argument: String, _ pattern: Regex<(Substring, Substring)>)
            async
        {
            guard let executable, let outcome = try? await ChildProcess.outcome(of: executable, [argument]),
                let found = (outcome.output + outcome.error).firstMatch(of: pattern)
            else { return }
            versions[name] = String(found.1)
        }
        await ask("apus", try? Executables.apus(plan.executable), "version", /apus (\S+)/)
        if plan.store == .fleet {
            await ask("redis-server", try? Executables.find("redis-server", remedy: ""), "--version", /v=(\S+)/)
            await ask("nats-server", try? Executables.find("nats-server", remedy: ""), "--version", /v?(\d+\.\S+)/)
        }
        #if DEBUG
            versions["apus"] = versions["apus"].map { $0 + " (debug build: figures mean little)" }
        #endif
        return versions
    }

    private func redis(_ port: Int, _ words: String...) async throws -> String {
        let client = try Executables.find("redis-cli", remedy: "`scripts/setup test` installs it")
        return try await ChildProcess.outcome(of: client, ["-p", "\(port)"] + words).output
    }
}

// MARK: Starting

extension Site {
    private func startAll() async throws {
        if let peer = plan.peer { return try await startPeer(try Peers.named(peer)) }
        let executable = try Executables.apus(plan.executable)
        var settings = [
            "APUS_LISTEN": "127.0.0.1:0", "APUS_BACKEND_LISTEN": "127.0.0.1:0", "APUS_AUTH_HS256_SECRET": Self.secret,
            "APUS_API_KEYS": Self.apiKey, "APUS_SESSIONS_PER_ADDRESS": "0", "APUS_LOG_LEVEL": "warning",
        ]
        if plan.store == .fleet { settings.merge(try await startServers()) { _, new in new } }
        settings.merge(plan.settings) { _, new in new }
        // Some at a time: each uses a core while it starts, and the first ones have to answer within their time-outs.
        let names = (1...plan.nodes).map { "gw-\($0)" }
        for start in stride(from: 0, to: names.count, by: 8) {
            let batch = try names[start..<min(start + 8, names.count)].map { try startNode($0, executable, settings) }
            for node in batch { try await announce(node) }
        }
    }

    private func startPeer(_ peer: any Peer) async throws {
        let folder = try makeFolder(peer.name)
        let launch = try peer.launch(in: folder)
        let process = try keep(
            SiteProcess(
                peer.name, role: .peer, executable: try peer.executable(), arguments: launch.arguments,
                cores: plan.nodeCores, folder: folder))
        try await process.wait {
            launch.ports.allSatisfy { port in
                guard let link = try? PublisherLink(to: .loopback(port), option: "--peer") else { return false }
                close(link.descriptor)
                return true
            }
        }
        state.withLock { $0.target = launch.target }
    }

    private func startNode(_ name: String, _ executable: String, _ settings: [String: String]) throws -> SiteProcess {
        let folder = try makeFolder(name)
        var own = ["APUS_NODE": name, "APUS_DATA": folder.appendingPathComponent("data").path]
        if let notifiers = plan.notifiers, nodes.count >= notifiers { own["APUS_ROLES"] = "gateway" }
        // Variables of the shell that started this program must not change what is measured.
        let inherited = ProcessInfo.processInfo.environment.keys.filter { $0.hasPrefix("APUS_") }
        let cleared = Dictionary(uniqueKeysWithValues: inherited.map { ($0, "") })
        let environment = cleared.merging(settings) { _, new in new }.merging(own) { _, new in new }
        return try keep(
            SiteProcess(
                name, role: .node, executable: executable, arguments: ["serve"], environment: environment,
                cores: plan.nodeCores, folder: folder))
    }

    /// A node prints its addresses when it is up (PROTOCOL §6).
    private func announce(_ node: SiteProcess) async throws {
        try await node.wait {
            let output = node.output
            guard
                let found = output.firstMatch(of: /(ws:\/\/127\.0\.0\.1:\d+\/ws), backend (http:\/\/127\.0\.0\.1:\d+),/)
            else { return false }
            self.state.withLock {
                $0.target.urls.append(String(found.1))
                $0.target.backends.append(String(found.2))
            }
            return true
        }
    }

    /// - Returns: what nodes have to know of them.
    private func startServers() async throws -> [String: String] {
        let remedy = "`scripts/setup test` installs it"
        let redisPort = try FreePort.next()
        let redisFolder = try makeFolder("redis")
        let redis = try keep(
            SiteProcess(
                "redis-server", role: .redis, executable: try Executables.find("redis-server", remedy: remedy),
                arguments: [
                    "--port", "\(redisPort)", "--bind", "127.0.0.1", "--dir", redisFolder.path, "--save", "",
                    "--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--maxmemory-policy", "noeviction",
                ], cores: plan.serverCores, isFirst: plan.serversFirst, folder: redisFolder))
        let natsPort = try FreePort.next()
        let natsFolder = try makeFolder("nats")
        let nats = try keep(
            SiteProcess(
                "nats-server", role: .nats, executable: try Executables.find("nats-server", remedy: remedy),
                arguments: [
                    "-a", "127.0.0.1", "-p", "\(natsPort)", "-js", "-sd",
                    natsFolder.appendingPathComponent("store").path,
                ], cores: plan.serverCores, isFirst: plan.serversFirst, folder: natsFolder))
        try await redis.wait { try await self.redis(redisPort, "PING").contains("PONG") }
        try await nats.wait { nats.log.contains("Server is ready") }
        let url = "nats://127.0.0.1:\(natsPort)"
        state.withLock { ($0.redisPort, $0.target.nats) = (redisPort, url) }
        return ["APUS_REDIS_URL": "redis://127.0.0.1:\(redisPort)", "APUS_NATS_URL": url]
    }

    private func makeFolder(_ name: String) throws -> URL {
        let url = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        return url
    }

    private func keep(_ process: SiteProcess) throws -> SiteProcess {
        let isStopped = state.withLock { state in
            if !state.isStopped { state.processes.append(process) }
            return state.isStopped
        }
        guard !isStopped else {
            process.process.signal(SIGKILL)
            process.process.waitUntilExit()
            throw SiteError("interrupted")
        }
        return process
    }
}
