import Foundation
import Spawn

/// One server of a site: a process with its own folder and log. It ends with this program, even with one that was killed.
final class SiteProcess: Sendable {
    let name: String
    let role: ProcessSeries.Role
    let process: ChildProcess
    private let folder: URL

    var identifier: Int32 { process.identifier }

    /// - Parameters:
    ///   - cores: The processors that it may run on; nil for all.
    ///   - folder: Exists already; its output goes to `output` there, its log to `log`.
    init(
        _ name: String, role: ProcessSeries.Role, executable: String, arguments: [String],
        environment: [String: String] = [:], cores: [Int]?, isFirst: Bool = false, folder: URL
    ) throws {
        (self.name, self.role, self.folder) = (name, role, folder)
        var (executable, arguments) = (executable, arguments)
        if let cores {
            // Before the program starts: threads that it makes inherit it, and Apus counts its processors at start.
            arguments = ["-c", cores.map(String.init).joined(separator: ","), executable] + arguments
            executable = try Executables.find("taskset", remedy: "it is in the package util-linux; or do not pin")
        }
        if isFirst {
            // Who may not do that is told so, and the program starts all the same.
            arguments = ["-n", "-10", executable] + arguments
            executable = try Executables.find("nice", remedy: "it is in the package coreutils")
        }
        let files = try ["output", "log"].map { file in
            let url = folder.appendingPathComponent(file)
            guard FileManager.default.createFile(atPath: url.path, contents: nil) else {
                throw SiteError("\(url.path) cannot be written: is the disk full?")
            }
            return try FileHandle(forWritingTo: url)
        }
        defer { for file in files { try? file.close() } }
        process = try ChildProcess.startTied(
            by: try Executables.find("setpriv", remedy: "it is in the package util-linux"), executable, arguments,
            environment: ProcessInfo.processInfo.environment.merging(environment) { _, new in new },
            folder: folder.path, output: files[0].fileDescriptor, error: files[1].fileDescriptor)
    }

    /// What it printed on standard output.
    var output: String { text("output") }

    /// What it printed on standard error.
    var log: String { text("log") }

    /// The last lines of what it printed, for an error.
    var lastWords: String {
        let lines = (log + output).split(separator: "\n").suffix(4)
        return lines.isEmpty ? "it printed nothing" : lines.joined(separator: " | ")
    }

    private func text(_ file: String) -> String {
        (try? String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)) ?? ""
    }

    /// Waits until `isUp`, and says what it printed when it ends or does not come up.
    func wait(until isUp: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try await !isUp() {
            guard process.isRunning else { throw SiteError("\(name) ended while it started: \(lastWords)") }
            guard ContinuousClock.now < deadline else {
                throw SiteError("\(name) was not up within 60 s: \(lastWords)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
