import Foundation
import Testing

/// The rules of the house that a compiler does not hold (ARCHITECTURE.md §2, CONTRIBUTING.md).
@Suite("The tree keeps its own rules")
struct TidyTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private struct File {
        let path: String
        let text: String
        var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    }

    private static func files(in folders: [String], endings: [String]) throws -> [File] {
        try folders.flatMap { folder -> [File] in
            let base = root.appendingPathComponent(folder)
            guard let walk = FileManager.default.enumerator(atPath: base.path) else { return [] }
            return try walk.compactMap { $0 as? String }.filter { name in endings.contains { name.hasSuffix($0) } }
                .map {
                    File(
                        path: "\(folder)/\($0)",
                        text: try String(contentsOf: base.appendingPathComponent($0), encoding: .utf8))
                }
        }
    }

    private static func sources() throws -> [File] {
        try files(in: ["Sources", "loadtest", "benchmarks"], endings: [".swift"])
    }

    /// Which modules of ours a target may import: the arrows of ARCHITECTURE.md §2.
    private static let arrows: [String: Set<String>] = [
        "Core": [],
        "Wire": ["Core"],
        "Timelines": ["Core"],
        "Presence": ["Core"],
        "Notifications": ["Core", "Wire"],
        "Chat": ["Core", "Wire"],
        "Bus": ["Core"],
        "Gateway": ["Core", "Wire", "Timelines", "Notifications", "Presence", "Chat", "Bus"],
        "RedisStore": ["Core", "Timelines", "Notifications", "Presence", "Chat", "CHiredis"],
        "NATSBus": ["Core", "Bus", "CNats"],
        "Embedded": ["Core", "Timelines", "Notifications", "Presence", "Chat", "Bus"],
        "apus": [
            "Core", "Wire", "Timelines", "Notifications", "Presence", "Chat", "Bus", "Gateway", "RedisStore", "NATSBus",
            "Embedded", "CDemoSite",
        ],
        "apus-echo": ["Core", "Wire", "Gateway"],
        "Spawn": ["CSpawn"],
        "ApusTesting": ["Core", "Wire", "Timelines", "Notifications", "Presence", "Chat", "Bus", "Gateway", "Spawn"],
    ]

    /// Modules of others that only these targets may import: I/O stays out of the domains, adapters stay behind ports.
    private static let reserved: [String: Set<String>] = [
        "GRDB": ["Embedded"], "CHiredis": ["RedisStore"], "CNats": ["NATSBus"], "Hummingbird": ["Gateway"],
        "JWTKit": ["Gateway", "ApusTesting"], "AsyncHTTPClient": ["Gateway"], "ArgumentParser": ["apus", "apus-echo"],
        "NIOPosix": ["Gateway", "RedisStore", "apus", "apus-echo", "ApusTesting"],
        "NIOCore": ["Wire", "Gateway", "RedisStore", "apus", "apus-echo", "ApusTesting"],
    ]

    @Test("imports follow the arrows")
    func imports() throws {
        let ours = Set(Self.arrows.keys).union(["CHiredis", "CNats", "CDemoSite", "CSpawn"])
        var checked = 0
        for file in try Self.files(in: ["Sources"], endings: [".swift"]) {
            let target = String(file.path.split(separator: "/")[1])
            let allowed = try #require(
                Self.arrows[target], "\(target) is in no arrow: add it to ARCHITECTURE.md §2 and here")
            for line in file.lines {
                let words = line.split(separator: " ").drop { $0.hasPrefix("@") || $0 == "public" || $0 == "internal" }
                guard words.first == "import", let module = words.last.map({ String($0.split(separator: ".")[0]) })
                else { continue }
                checked += 1
                if ours.contains(module) { #expect(allowed.contains(module), "\(file.path) imports \(module)") }
                if let users = Self.reserved[module] {
                    #expect(users.contains(target), "\(file.path) imports \(module)")
                }
            }
        }
        #expect(checked > 100)
    }

    @Test("the core and the domains import nothing but the standard library and each other's permitted parts")
    func pureModules() throws {
        for file in try Self.sources() {
            let target = file.path.split(separator: "/")[1]
            guard ["Core", "Timelines", "Presence", "Notifications", "Chat", "Bus"].contains(target) else { continue }
            for line in file.lines where line.contains("import ") && !line.contains("//") {
                let module = line.split(separator: " ").last.map(String.init) ?? ""
                #expect(
                    ["Core", "Wire", "Glibc", "Darwin", "Synchronization"].contains(module), "\(file.path): \(line)")
            }
        }
    }

    @Test("every Lua script is named in a test")
    func scripts() throws {
        let tests = try Self.files(in: ["Tests/RedisStoreTests"], endings: [".swift"]).map(\.text).joined()
        let scripts = try Self.files(in: ["Sources/RedisStore/Scripts"], endings: [".lua"])
        #expect(scripts.count > 3)
        for script in scripts {
            let name = URL(fileURLWithPath: script.path).deletingPathExtension().lastPathComponent
            #expect(tests.contains(name), "no test names \(script.path)")
            #expect(script.text.hasPrefix("--"), "\(script.path) has no header")
        }
    }

    @Test("nothing prints: people are answered by Output, everything else is logged")
    func noPrint() throws {
        for file in try Self.sources() {
            for (number, line) in file.lines.enumerated()
            where line.firstMatch(of: /(^|[^.\w])(debugPrint|print|NSLog)\(/) != nil {
                Issue.record("\(file.path):\(number + 1) prints")
            }
        }
    }

    @Test("processes are started by Spawn: Foundation's crashes a process with many open files")
    func processes() throws {
        for file in try Self.sources() + Self.files(in: ["Tests"], endings: [".swift"]) {
            for (number, line) in file.lines.enumerated()
            where line.firstMatch(of: /(^|[^.\w])Process(\(\)|\.run\()/) != nil {
                Issue.record("\(file.path):\(number + 1) uses Foundation's Process: use ChildProcess, which says why")
            }
        }
    }

    @Test("what the compiler cannot check says why it is safe")
    func safety() throws {
        for file in try Self.sources() + Self.files(in: ["Tests"], endings: [".swift"])
        where !file.path.contains("Tidy") {
            let lines = file.lines
            for (number, line) in lines.enumerated() {
                guard line.contains("@unchecked Sendable") || line.contains("nonisolated(unsafe)"), !line.contains("//")
                else { continue }
                let around = lines[max(0, number - 6)..<min(lines.count, number + 6)]
                #expect(
                    around.contains { $0.contains("SAFETY:") }, "\(file.path):\(number + 1) needs a // SAFETY: comment")
            }
        }
    }

    @Test("nothing is left open")
    func leftOpen() throws {
        let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X:"]
        for file in try Self.sources()
            + Self.files(in: ["Tests", "clients"], endings: [".swift", ".js", ".mjs", ".lua"])
        {
            for mark in marks { #expect(!file.text.contains(mark), "\(file.path) has a \(mark)") }
            #expect(!file.text.contains("try" + "! "), "\(file.path) has a try!")
        }
    }

    @Test("files hold one idea: none of ours is over 450 lines")
    func lengths() throws {
        for file in try Self.sources() {
            #expect(file.lines.count <= 450, "\(file.path) has \(file.lines.count) lines")
        }
    }

    @Test("limits stand in Limits.swift: no other source hides a size or a time-out of the protocol")
    func limits() throws {
        for file in try Self.files(in: ["Sources/Gateway", "Sources/Wire"], endings: [".swift"]) {
            for (number, line) in file.lines.enumerated()
            where line.contains("64 * 1024") || line.contains("65536") || line.contains("65_536") {
                Issue.record("\(file.path):\(number + 1) has a limit of its own")
            }
        }
    }

    @Test("documents link to files that exist")
    func links() throws {
        for file in try Self.files(in: ["docs"], endings: [".md"])
            + ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map({
                File(path: $0, text: try String(contentsOf: Self.root.appendingPathComponent($0), encoding: .utf8))
            })
        {
            let folder = Self.root.appendingPathComponent(file.path).deletingLastPathComponent()
            for match in file.text.matches(of: /\]\(([^)#\s]+)(#[^)]*)?\)/)
            where !match.1.contains("://") && !match.1.hasPrefix("mailto:") {
                let target = folder.appendingPathComponent(String(match.1)).standardized
                #expect(FileManager.default.fileExists(atPath: target.path), "\(file.path) links to \(match.1)")
            }
        }
    }
}
