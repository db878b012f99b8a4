import ArgumentParser
import Foundation
import NIOCore
import NIOPosix

/// Holds idle, authenticated sessions of distinct users, then notifies some of them, and tells what a session costs.
struct IdleScenario: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idle",
        abstract: "Memory per idle session: starts a node, opens sessions, reads the node's resident memory.",
        discussion: """
            The node is embedded unless APUS_REDIS_URL and APUS_NATS_URL are set. A few sessions are opened and closed \
            before the first reading, so that what is allocated once is not counted. Afterwards one notification is sent \
            to each of 100 of the sessions, and each must get it exactly once.
            """)

    @Option(help: "How many sessions to hold, 1 to 18000 (one process may open 20000 files).")
    var sessions = 10_000

    @Option(help: "How many to open before the first reading.")
    var warmUp = 500

    @Option(help: "How long to hold them before the second reading, in seconds.")
    var hold = 5

    @Option(help: "The executable of the node; by default the one beside this program.")
    var node: String?

    func validate() throws {
        guard (1...18_000).contains(sessions) else { throw ValidationError("--sessions must be from 1 to 18000") }
        guard (0...5_000).contains(warmUp) else { throw ValidationError("--warm-up must be from 0 to 5000") }
        guard (0...3600).contains(hold) else { throw ValidationError("--hold must be from 0 to 3600") }
    }

    func run() async throws {
        try Files.raiseLimit(to: sessions + warmUp + 200)
        let node = try NodeUnderTest(executable: self.node)
        try await node.start()
        defer { node.stop() }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

        let first = try await LoadClients.open(warmUp, prefix: "warm", at: node, on: group)
        for client in first { client.close() }
        try await Task.sleep(for: .seconds(3))
        let before = try node.residentBytes()

        let began = ContinuousClock.now
        let clients = try await LoadClients.open(sessions, prefix: "user", at: node, on: group)
        let took = ContinuousClock.now - began
        try await Task.sleep(for: .seconds(hold))
        let after = try node.residentBytes()
        let cpuBefore = try node.cpuSeconds()
        try await Task.sleep(for: .seconds(hold))
        let cpu = try node.cpuSeconds() - cpuBefore

        let lost = try await notify(clients, node)
        let perSession = Double(after - before) / Double(sessions)
        Output.line("sessions                 \(clients.count)")
        Output.line("opened in                \(took)")
        Output.line("resident before, after   \(before / 1024) KiB, \(after / 1024) KiB")
        Output.line("per session              \(Int(perSession)) bytes")
        Output.line(
            "CPU per idle session     \(String(format: "%.2f", cpu / Double(max(hold, 1)) / Double(sessions) * 1e6)) µs/s"
        )
        Output.line("notified                 100, lost or doubled \(lost)")
        for client in clients { client.close() }
        try? await group.shutdownGracefully()
        guard lost == 0 else { throw ExitCode(1) }
    }

    /// Publishes for 100 sessions spread over all. - Returns: how many did not get theirs exactly once.
    private func notify(_ clients: [LoadClient], _ node: NodeUnderTest) async throws -> Int {
        let step = max(1, clients.count / 100)
        let chosen = stride(from: 0, to: clients.count, by: step).prefix(100).map { clients[$0] }
        for client in chosen { try await node.notify(client.user) }
        let deadline = ContinuousClock.now + .seconds(20)
        while chosen.contains(where: { $0.events == 0 }), ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(50))
        }
        try await Task.sleep(for: .milliseconds(300))
        return chosen.count { $0.events != 1 } + (100 - chosen.count == 0 || clients.count < 100 ? 0 : 1)
    }
}

/// What the user reads.
enum Output {
    static func line(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
}

enum Files {
    /// Raises this process's soft limit of open files. - Throws: when the hard limit is too low, with what to do.
    static func raiseLimit(to count: Int) throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard limit.rlim_max >= rlim_t(count) else {
            throw ValidationError(
                "\(count) files are needed, this process may open \(limit.rlim_max): raise `ulimit -Hn`, or hold fewer sessions"
            )
        }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
