import ArgumentParser
import Foundation
import Gateway
import HotPaths
import Metrics

/// The hot paths one by one: nanoseconds and allocations of each operation, as a Markdown table.
@main
struct MicroBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus-microbench",
        abstract: "Measures the hot paths of Apus one by one: nanoseconds and allocations per operation.",
        discussion: "Only a release build says anything about speed: `make bench-micro`.")

    @Option(help: "Measure only those whose names contain this.")
    var only: String?

    @Option(help: "CPU time for each round, in milliseconds; the best of five rounds counts.")
    var milliseconds = 100

    @Option(help: "Sessions of the node in this process that the deliveries go to.")
    var sessions = 1000

    private static let rounds = 5

    func validate() throws {
        guard (1...60_000).contains(milliseconds) else {
            throw ValidationError("--milliseconds must be from 1 to 60000")
        }
        guard (1...9000).contains(sessions) else { throw ValidationError("--sessions must be from 1 to 9000") }
    }

    func run() async throws {
        // As in a node: what is counted there is counted here.
        MetricsSystem.bootstrap(PrometheusMetrics(help: [:]))
        Self.write("| operation | | ns | allocations | bytes |\n|---|---|---:|---:|---:|\n")
        for path in HotPath.pure where isWanted(path) { try await report(path) }
        // A node is only started when something is to be delivered.
        guard only.map({ $0.hasPrefix("deliver") || "deliver".hasPrefix($0) }) ?? true else { return }
        let node = try await BenchNode.start(sessions: sessions)
        do {
            for path in HotPath.delivery(on: node) where isWanted(path) { try await report(path) }
        } catch {
            await node.stop()
            throw error
        }
        await node.stop()
    }

    private func isWanted(_ path: HotPath) -> Bool { only.map(path.name.contains) ?? true }

    private func report(_ path: HotPath) async throws {
        var count = 1000
        var cost = try await path.run(count)
        while cost.nanoseconds < UInt64(milliseconds) * 1_000_000 {
            count = max(count * 2, Int(Double(milliseconds) * 1.1e6 / max(cost.nanosecondsEach, 1)))
            cost = try await path.run(count)
        }
        for _ in 1..<Self.rounds {
            let another = try await path.run(count)
            if another.nanosecondsEach < cost.nanosecondsEach { cost = another }
        }
        let figures = [
            Self.text(cost.nanosecondsEach), Self.text(cost.allocationsEach), Self.text(cost.allocatedBytesEach),
        ]
        Self.write("| `\(path.name)` | \(path.operation) | \(figures.joined(separator: " | ")) |\n")
    }

    /// Two digits after the point where they matter.
    private static func text(_ number: Double) -> String {
        number >= 100 ? String(Int(number.rounded())) : String(format: "%.2f", number)
    }

    private static func write(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }
}
