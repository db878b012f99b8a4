import Foundation

/// Where a run took place. Figures of two machines are not compared without it.
struct Machine: Codable, Equatable, Sendable {
    var processor = ""
    /// Cores that this process may run on.
    var cores = 0
    var memoryBytes = 0
    var system = ""
    var kernel = ""

    /// This machine, as far as `/proc` tells.
    static func current() -> Machine {
        var machine = Machine()
        machine.processor =
            line(in: "/proc/cpuinfo", after: "model name")?.drop { $0 == ":" || $0.isWhitespace }.description
            ?? "unknown processor"
        machine.cores = ProcessInfo.processInfo.activeProcessorCount
        machine.memoryBytes = Int(ProcessInfo.processInfo.physicalMemory)
        machine.system =
            line(in: "/etc/os-release", after: "PRETTY_NAME=")?.trimmingCharacters(in: ["\""])
            ?? ProcessInfo.processInfo.operatingSystemVersionString
        var names = utsname()
        if uname(&names) == 0 {
            machine.kernel = withUnsafeBytes(of: &names.release) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
        }
        return machine
    }

    /// `2 cores of AMD EPYC, 24 GB, Debian GNU/Linux 12 (bookworm), Linux 6.1.0`
    var text: String {
        let memory = Int((Double(memoryBytes) / 1e9).rounded())
        return "\(cores) \(cores == 1 ? "core" : "cores") of \(processor), \(memory) GB, \(system), kernel \(kernel)"
    }

    private static func line(in path: String, after prefix: String) -> String? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        return text.split(separator: "\n").first { $0.hasPrefix(prefix) }.map {
            $0.dropFirst(prefix.count).trimmingCharacters(in: .whitespaces)
        }
    }
}
