import Foundation

/// How many processors this process may use.
enum Processors {
    /// The processors it may be scheduled on (`taskset`, a cpuset of a container), not those that the machine has: more
    /// loops than processors only hand work to each other.
    static var available: Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        return allowed(inStatus: status) ?? ProcessInfo.processInfo.activeProcessorCount
    }

    /// From the mask in a line such as `Cpus_allowed:	ff,00000003` (proc(5)). - Returns: nil when there is none.
    static func allowed(inStatus status: String) -> Int? {
        guard let mask = status.firstMatch(of: /(?m)^Cpus_allowed:\s*([0-9a-f,]+)$/)?.1 else { return nil }
        let count = mask.reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
        return count > 0 ? count : nil
    }
}
