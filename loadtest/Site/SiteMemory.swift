import Foundation

/// Who holds how much memory at one moment, and what CPU time was used so far.
struct SiteMemory: Equatable, Sendable {
    /// Resident bytes and CPU seconds by kind of process.
    var resident: [ProcessSeries.Role: Int] = [:]
    var cpuSeconds: [ProcessSeries.Role: Double] = [:]
    /// Slabs, in bytes: sockets, their files, their places in epoll.
    var kernel = 0
    /// What the machine could still give, in bytes.
    var available = 0

    /// - Parameter workers: The load generator's own series; their last samples count.
    static func now(_ site: Site, workers: [ProcessSeries] = []) -> SiteMemory {
        var memory = SiteMemory()
        for process in site.processes {
            guard let status = ProcessStatus.of(process.identifier) else { continue }
            memory.resident[process.role, default: 0] += status.resident
            memory.cpuSeconds[process.role, default: 0] += status.cpuSeconds
        }
        for last in workers.compactMap(\.samples.last) {
            memory.resident[.worker, default: 0] += last.resident
            memory.cpuSeconds[.worker, default: 0] += last.cpuSeconds
        }
        let kernel = KernelMemory.sample(at: 0, redis: nil)
        (memory.kernel, memory.available) = (kernel.slab + kernel.sockets, kernel.available)
        return memory
    }

    /// What each kind gained since `before`, for each of `sessions`.
    func figures(since before: SiteMemory, sessions: Int) -> [RunFigure] {
        guard sessions > 0 else { return [] }
        func each(_ after: Int, _ before: Int) -> Double { (Double(after - before) / Double(sessions)).rounded() }
        var figures = ProcessSeries.Role.allCases.compactMap { role -> RunFigure? in
            guard let after = resident[role], let earlier = before.resident[role] else { return nil }
            return RunFigure(
                "\(role.rawValue)_bytes_per_session", "memory per session: \(role.title)", each(after, earlier), "bytes"
            )
        }
        figures.append(
            RunFigure(
                "kernel_bytes_per_session", "memory per session: kernel, both ends of the connection",
                each(kernel, before.kernel), "bytes"))
        figures.append(
            RunFigure(
                "machine_bytes_per_session", "memory per session: the machine's, in all",
                each(before.available, available), "bytes"))
        return figures
    }

    /// CPU used since `before` by each kind, as a share of one core.
    func shares(since before: SiteMemory, seconds: Double) -> String {
        ProcessSeries.Role.allCases.compactMap { role in
            guard let after = cpuSeconds[role], let earlier = before.cpuSeconds[role], seconds > 0 else { return nil }
            return "\(role.title) \(FigureText.number((after - earlier) / seconds * 100)) %"
        }.joined(separator: ", ")
    }
}
