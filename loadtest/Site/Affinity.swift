import Foundation
import Glibc

/// Which processors this program runs on.
enum Affinity {
    /// Puts every thread of this process, and so all that are made and started from now on, on one processor.
    static func pin(to core: Int) throws {
        var mask = cpu_set_t()
        withUnsafeMutableBytes(of: &mask) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            // Little-endian words or not, bit n of the set stands in byte n / 8 on the platforms that this runs on.
            if core / 8 < bytes.count { bytes[core / 8] |= 1 << UInt8(core % 8) }
        }
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        for task in tasks.compactMap({ pid_t($0) }) {
            guard sched_setaffinity(task, MemoryLayout<cpu_set_t>.size, &mask) == 0 || errno == ESRCH else {
                throw SiteError("this program cannot be put on processor \(core): \(String(cString: strerror(errno)))")
            }
        }
    }
}
