/// What one process used over the run.
struct ProcessSeries: Codable, Equatable, Sendable {
    /// `gw-1`, `redis-server`, `worker-1`, …
    var name: String
    var role: Role
    var samples: [ProcessSample] = []

    enum Role: String, Codable, CaseIterable, Sendable {
        case node
        case redis
        case nats
        /// Another server, of a comparison.
        case peer
        /// Of the load generator.
        case worker

        var title: String {
            switch self {
            case .node: "nodes"
            case .redis: "Redis"
            case .nats: "NATS"
            case .peer: "server"
            case .worker: "load generator"
            }
        }
    }

    var peakResident: Int { samples.map(\.resident).max() ?? 0 }

    /// CPU time between the first and the last sample, in seconds.
    var cpuSeconds: Double { max(0, (samples.last?.cpuSeconds ?? 0) - (samples.first?.cpuSeconds ?? 0)) }

    /// The share of one core that it used between samples: (time, 0…). The first sample has none.
    var cpuShares: [(at: Double, share: Double)] {
        zip(samples, samples.dropFirst()).compactMap { before, after in
            let seconds = after.at - before.at
            return seconds > 0 ? (after.at, max(0, after.cpuSeconds - before.cpuSeconds) / seconds) : nil
        }
    }
}

struct ProcessSample: Codable, Equatable, Sendable {
    /// Seconds since the run began.
    var at: Double
    /// Bytes of resident memory.
    var resident: Int
    /// CPU time since the process began, user and system.
    var cpuSeconds: Double
}

/// Memory that belongs to no process of the run alone, and what Redis says of its own.
struct MemorySample: Codable, Equatable, Sendable {
    /// Seconds since the run began.
    var at: Double
    /// The kernel's slabs: what sockets are made of. Bytes.
    var slab: Int
    /// Bytes in the buffers of TCP sockets.
    var sockets: Int
    /// What the machine could still give to programs, in bytes.
    var available: Int
    /// `used_memory` of Redis; nil without one.
    var redis: Int?
}
