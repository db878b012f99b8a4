import ArgumentParser
import Foundation
import NIOCore
import NIOPosix

/// Pairs that talk: how long a message takes to be answered and to be delivered, and how many a node carries.
struct DirectScenario: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dm",
        abstract: "Direct messages: latency of ok and of delivery, messages per second, bytes in Redis.",
        discussion: """
            Open loop: messages are sent at a fixed rate, and latency counts from when each was meant to be sent. Then a \
            closed loop: every pair keeps some messages in flight, for the highest rate. Every message must be delivered \
            exactly once and in order. With --fleet: two nodes on a redis-server and a nats-server of the scenario's own, \
            the two of a pair on different nodes; otherwise one embedded node.
            """)

    @Option(help: "Pairs of users.")
    var pairs = 400

    @Option(help: "Messages per second of the open loop, all pairs together.")
    var rate = 300

    @Option(help: "Length of each of the two loops, in seconds.")
    var seconds = 10

    @Option(help: "Messages in flight of each pair in the closed loop.")
    var window = 4

    @Option(help: "Bytes of the text of a message.")
    var bytes = 60

    @Flag(help: "Two nodes on Redis and NATS.")
    var fleet = false

    @Option(help: "The executable of the node; by default the one beside this program.")
    var node: String?

    func validate() throws {
        guard (1...5000).contains(pairs) else { throw ValidationError("--pairs must be from 1 to 5000") }
        guard (1...100_000).contains(rate) else { throw ValidationError("--rate must be from 1 to 100000") }
        guard (1...600).contains(seconds) else { throw ValidationError("--seconds must be from 1 to 600") }
        guard (1...40).contains(window) else { throw ValidationError("--window must be from 1 to 40") }
        guard (1...10_000).contains(bytes) else { throw ValidationError("--bytes must be from 1 to 10000") }
    }

    func run() async throws {
        try Files.raiseLimit(to: pairs * 2 + 200)
        let site = try await ChatSite.start(fleet: fleet, executable: node)
        defer { site.stop() }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var talks: [Talk] = []
        for index in 0..<pairs {
            talks.append(try await Talk.open(index, site, textBytes: bytes, on: group))
        }
        // One message each: what is made once does not count.
        for talk in talks { talk.send(meantAt: .now) }
        try await Self.settle(talks)
        let before = try await site.redisBytes()

        let open = try await openLoop(talks)
        let stored = talks.reduce(0) { $0 + $1.result.sent }
        let after = try await site.redisBytes()
        let closed = try await closedLoop(talks)
        report(open, closed)
        if let before, let after, stored > 0 {
            Output.line("Redis per message        \((after - before) / max(1, open.delivered)) bytes in all")
        }
        let wrong = talks.reduce(0) { $0 + $1.result.wrong } + open.missing + closed.missing
        let held = talks.reduce(0) { $0 + $1.result.held }
        if held > 0 { Output.line("told to wait             \(held) (50 operations per second and session)") }
        Output.line("lost, doubled, misplaced \(wrong)")
        for talk in talks { talk.close() }
        try? await group.shutdownGracefully()
        guard wrong == 0 else { throw ExitCode(1) }
    }

    // MARK: Loops

    /// What one loop came to.
    private struct Loop {
        var ok: [Double]
        var delivery: [Double]
        var seconds: Double
        var delivered: Int
        var missing: Int
    }

    private func openLoop(_ talks: [Talk]) async throws -> Loop {
        for talk in talks { talk.reset() }
        let (began, gap) = (ContinuousClock.now, Duration.seconds(1) / rate)
        for number in 0..<(rate * seconds) {
            let meant = began + gap * number
            if meant > .now { try await Task.sleep(until: meant) }
            talks[number % talks.count].send(meantAt: meant)
        }
        return try await finish(talks, began)
    }

    private func closedLoop(_ talks: [Talk]) async throws -> Loop {
        for talk in talks { talk.reset() }
        let began = ContinuousClock.now
        for talk in talks { talk.keepInFlight(window, until: began + .seconds(seconds)) }
        try await Task.sleep(for: .seconds(seconds))
        return try await finish(talks, began)
    }

    private func finish(_ talks: [Talk], _ began: ContinuousClock.Instant) async throws -> Loop {
        try await Self.settle(talks)
        let took = ContinuousClock.now - began
        let results = talks.map(\.result)
        let sent = results.reduce(0) { $0 + $1.sent }
        let delivered = results.reduce(0) { $0 + $1.delivery.count }
        return Loop(
            ok: results.flatMap(\.ok).sorted(), delivery: results.flatMap(\.delivery).sorted(),
            seconds: Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18,
            delivered: delivered, missing: sent - delivered)
    }

    /// Waits until everything that was sent has arrived; at most 20 s.
    private static func settle(_ talks: [Talk]) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while talks.contains(where: { !$0.isSettled }), ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    private func report(_ open: Loop, _ closed: Loop) {
        Output.line(
            "pairs, text              \(pairs), \(bytes) bytes, \(fleet ? "two nodes, Redis and NATS" : "embedded")")
        Output.line("open loop                \(rate)/s for \(seconds) s, \(open.delivered) delivered")
        Output.line("  ok                     \(Self.text(open.ok))")
        Output.line("  delivery               \(Self.text(open.delivery))")
        Output.line(
            "closed loop              \(Int(Double(closed.delivered) / closed.seconds)) messages/s, \(window) in flight per pair"
        )
        Output.line("  ok                     \(Self.text(closed.ok))")
        Output.line("  delivery               \(Self.text(closed.delivery))")
    }

    private static func text(_ sorted: [Double]) -> String {
        guard !sorted.isEmpty else { return "nothing" }
        let at = { (share: Double) in
            String(format: "%.2f", sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))])
        }
        return "p50 \(at(0.5)) ms, p99 \(at(0.99)) ms, max \(at(1)) ms"
    }
}
