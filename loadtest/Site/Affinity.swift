import Foundation
import Spawn

/// Which processors this program runs on.
enum Affinity {
    /// Puts every thread of this process, and so all that are made and started from now on, on one processor.
    static func pin(to core: Int) async throws {
        let taskset = try Executables.find("taskset", remedy: "it is in the package util-linux; or do not pin")
        let own = ProcessInfo.processInfo.processIdentifier
        let outcome = try await ChildProcess.outcome(of: taskset, ["-a", "-c", "-p", "\(core)", "\(own)"])
        guard outcome.status == 0 else {
            throw SiteError("this program cannot be put on processor \(core): \(outcome.error)")
        }
    }
}
