import HotPaths
import Testing

@Suite("Hot paths allocate no more than they did", .enabled(if: Meter.countsAllocations))
struct AllocationTests {
    private static let pureCount = 200

    @Test("what becomes of one request, one event and one Redis command")
    func pure() async throws {
        for path in HotPath.pure { try await check(path, Self.pureCount) }
    }

    @Test("what one message costs for each session that it is delivered to")
    func delivery() async throws {
        let node = try await BenchNode.start(sessions: 400)
        do {
            for path in HotPath.delivery(on: node) {
                // The first round makes room in outputs and queues that stay.
                _ = try await path.run(1)
                try await check(path, 2000)
            }
        } catch {
            await node.stop()
            throw error
        }
        await node.stop()
    }

    @Test("counting sees every allocation, and nothing of other threads")
    func counting() async {
        let cost = Meter.measure(100) { _ = Box() }
        #expect((1...1.5).contains(cost.allocationsEach))
        #expect(cost.allocatedBytesEach >= 16)
        #expect(Meter.measure(1000) {}.allocations == 0)
    }

    private func check(_ path: HotPath, _ operations: Int) async throws {
        let measured = try await path.run(operations).allocationsEach
        let threshold = try #require(Thresholds.allocations[path.name], "\(path.name) has no threshold: \(measured)")
        #expect(
            measured <= threshold,
            "\(path.name): \(measured) allocations for \(path.operation); the threshold is \(threshold)")
    }

    private final class Box {
        var value = 0
    }
}
