import ArgumentParser
import Foundation
import Spawn

/// What the scenario runs against: one embedded node, or two nodes on a Redis and a NATS of the scenario's own.
final class ChatSite: @unchecked Sendable {
    // SAFETY: the scenario uses it from one task.

    private(set) var nodes: [NodeUnderTest] = []
    private var servers: [ChildProcess] = []
    private var redisPort = 0
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
        "apus-loadtest-\(UUID().uuidString.prefix(8))")

    static func start(fleet: Bool, executable: String?) async throws -> ChatSite {
        let site = ChatSite()
        do {
            try FileManager.default.createDirectory(at: site.folder, withIntermediateDirectories: true)
            let settings = fleet ? try await site.startServers() : [:]
            for _ in 0..<(fleet ? 2 : 1) {
                let node = try NodeUnderTest(executable: executable, settings: settings)
                try await node.start()
                site.nodes.append(node)
            }
        } catch {
            site.stop()
            throw error
        }
        return site
    }

    func stop() {
        for node in nodes { node.stop() }
        for server in servers {
            server.signal(SIGTERM)
            server.waitUntilExit()
        }
        try? FileManager.default.removeItem(at: folder)
    }

    /// Memory that Redis uses for data; nil on an embedded node.
    func redisBytes() async throws -> Int? {
        guard redisPort > 0 else { return nil }
        let info = try await ChildProcess.outcome(
            of: "/usr/bin/env", ["redis-cli", "-p", "\(redisPort)", "INFO", "memory"])
        guard let found = info.output.firstMatch(of: /used_memory_dataset:(\d+)/) else { return nil }
        return Int(found.1)
    }

    private func startServers() async throws -> [String: String] {
        redisPort = Int.random(in: 20_000..<30_000)
        let natsPort = Int.random(in: 30_001..<40_000)
        servers.append(
            try ChildProcess.start(
                "/usr/bin/env",
                [
                    "redis-server", "--port", "\(redisPort)", "--bind", "127.0.0.1", "--appendonly", "yes", "--save",
                    "",
                    "--dir", folder.path,
                ]))
        servers.append(
            try ChildProcess.start(
                "/usr/bin/env",
                ["nats-server", "-a", "127.0.0.1", "-p", "\(natsPort)", "-js", "-sd", folder.path + "/nats"],
                environment: ProcessInfo.processInfo.environment.merging(
                    ["PATH": (ProcessInfo.processInfo.environment["PATH"] ?? "") + ":/usr/sbin"]) { _, new in new }))
        let deadline = ContinuousClock.now + .seconds(20)
        while try await !isUp() {
            guard ContinuousClock.now < deadline else {
                throw ValidationError("redis-server did not start; `scripts/setup test` installs it")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        return ["APUS_REDIS_URL": "redis://127.0.0.1:\(redisPort)", "APUS_NATS_URL": "nats://127.0.0.1:\(natsPort)"]
    }

    private func isUp() async throws -> Bool {
        try await ChildProcess.outcome(of: "/usr/bin/env", ["redis-cli", "-p", "\(redisPort)", "PING"]).output.contains(
            "PONG")
    }
}
