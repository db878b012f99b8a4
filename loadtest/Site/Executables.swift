import Foundation

/// Where the programs are that a site consists of.
enum Executables {
    /// Debian puts servers where the `PATH` of users does not look.
    private static let more = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin", "/sbin"]

    /// - Parameter remedy: What installs it.
    static func find(_ name: String, remedy: String) throws -> String {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        for folder in path.split(separator: ":").map(String.init) + more {
            let candidate = "\(folder)/\(name)"
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
        }
        throw SiteError("\(name) is not installed: \(remedy)")
    }

    /// The node: the one that is named, or `apus` beside this program.
    static func apus(_ named: String?) throws -> String {
        let own = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        let path = named ?? own.deletingLastPathComponent().appendingPathComponent("apus").path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw SiteError("\(path) is no executable: build it with `swift build -c release`, or name it with --apus")
        }
        return path
    }

    /// The processors that this process may run on, lowest first; empty where that is unknown.
    static func processors() -> [Int] {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed_list:") })
        else { return [] }
        return list(line.dropFirst("Cpus_allowed_list:".count).trimmingCharacters(in: .whitespaces))
    }

    /// `0-1,4` as `[0, 1, 4]`.
    static func list(_ text: String) -> [Int] {
        text.split(separator: ",").flatMap { part -> [Int] in
            let ends = part.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, first <= last else { return [] }
            return Array(first...last)
        }
    }
}
