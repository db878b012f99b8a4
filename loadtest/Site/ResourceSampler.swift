import Foundation
import Synchronization

/// Looks at processes and at the machine every few seconds, from `/proc`.
final class ResourceSampler: Sendable {
    private struct State {
        var watched: [(pid: Int32, series: ProcessSeries)] = []
        var memory: [MemorySample] = []
        var task: Task<Void, Never>?
    }

    private let state = Mutex(State())
    private let began: ContinuousClock.Instant
    private let every: Double
    private let redis: @Sendable () async -> Int?

    /// - Parameters:
    ///   - began: Where the run's time is 0.
    ///   - every: Seconds between two looks. A look costs about 20 µs per process.
    ///   - redis: `used_memory` of the store.
    init(
        began: ContinuousClock.Instant, every: Double = 1, redis: @escaping @Sendable () async -> Int? = { nil }
    ) {
        (self.began, self.every, self.redis) = (began, every, redis)
    }

    /// All processes of a site.
    func watch(_ site: Site) {
        for process in site.processes { watch(process.identifier, process.name, process.role) }
    }

    func watch(_ pid: Int32, _ name: String, _ role: ProcessSeries.Role) {
        state.withLock { $0.watched.append((pid, ProcessSeries(name: name, role: role))) }
    }

    func start() {
        let task = Task {
            while !Task.isCancelled {
                await look()
                try? await Task.sleep(for: .seconds(every))
            }
        }
        state.withLock { $0.task = task }
    }

    /// Looks once more. - Returns: everything seen.
    func stop() async -> (processes: [ProcessSeries], memory: [MemorySample]) {
        let task = state.withLock { $0.task }
        task?.cancel()
        await task?.value
        await look()
        return seen
    }

    var seen: (processes: [ProcessSeries], memory: [MemorySample]) {
        state.withLock { ($0.watched.map(\.series), $0.memory) }
    }

    /// Also between the regular looks, where a figure needs it.
    func look() async {
        let redis = await redis()
        let elapsed = (ContinuousClock.now - began).seconds
        let at = (elapsed * 1000).rounded() / 1000
        state.withLock { state in
            for index in state.watched.indices {
                // One that has ended keeps the samples it has.
                guard let now = ProcessStatus.of(state.watched[index].pid) else { continue }
                state.watched[index].series.samples.append(
                    ProcessSample(at: at, resident: now.resident, cpuSeconds: now.cpuSeconds))
            }
            state.memory.append(KernelMemory.sample(at: at, redis: redis))
        }
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

/// What `/proc` says of a process.
struct ProcessStatus: Equatable {
    var resident: Int
    var cpuSeconds: Double

    /// nil when it is gone, or is only a name on the process table.
    static func of(_ pid: Int32) -> ProcessStatus? {
        guard let memory = try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8),
            let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let pages = memory.split(separator: " ").dropFirst().first.flatMap({ Int($0) }), pages > 0
        else { return nil }
        // The second field is a name, which may have spaces and brackets in it.
        let fields = status.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        return ProcessStatus(
            resident: pages * Int(sysconf(Int32(_SC_PAGESIZE))),
            cpuSeconds: (user + system) / Double(sysconf(Int32(_SC_CLK_TCK))))
    }
}

/// What the kernel keeps for sockets.
enum KernelMemory {
    static func sample(at: Double, redis: Int?) -> MemorySample {
        let table = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
        let sockets = (try? String(contentsOfFile: "/proc/net/sockstat", encoding: .utf8)) ?? ""
        let pages = sockets.firstMatch(of: /TCP:.* mem (\d+)/).flatMap { Int($0.1) } ?? 0
        return MemorySample(
            at: at, slab: bytes("Slab", table), sockets: pages * Int(sysconf(Int32(_SC_PAGESIZE))),
            available: bytes("MemAvailable", table), redis: redis)
    }

    private static func bytes(_ name: String, _ table: String) -> Int {
        for line in table.split(separator: "\n") where line.hasPrefix(name + ":") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 } ?? 0
        }
        return 0
    }
}
