import Core
import Foundation
import Logging

/// How the kernel shares a processor between the threads of this process (ADR 21).
enum Scheduling {
    /// Has a thread that is woken wait for whoever runs, instead of taking the processor at once (`SCHED_BATCH`, sched(7)).
    ///
    /// Under load the kernel would else switch threads for every single message, and nothing could be gathered. An idle
    /// processor runs a woken thread at once all the same. Threads that are made later inherit it; a policy that somebody
    /// chose for the process (`chrt`, a unit's `CPUSchedulingPolicy`) is left as it is.
    static func batch(_ logger: Logger) {
        #if os(Linux)
            guard sched_getscheduler(0) == SCHED_OTHER else { return }
            var parameter = sched_param()
            for thread in threads() where sched_setscheduler(thread, SCHED_BATCH, &parameter) != 0 && errno != ESRCH {
                return logger.warning(
                    "the scheduling policy could not be set: a loaded node will carry less",
                    metadata: ["errno": "\(errno)"])
            }
        #endif
    }

    #if os(Linux)
        private static let SCHED_OTHER: Int32 = 0
        private static let SCHED_BATCH: Int32 = 3

        /// The threads that the process has by now.
        private static func threads() -> [pid_t] {
            let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")
            return (names ?? []).compactMap { pid_t($0) }
        }
    #endif
}
