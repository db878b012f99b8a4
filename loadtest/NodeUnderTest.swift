import ArgumentParser
import Crypto
import Foundation
import Spawn

/// A node in a process of its own, on free ports and in a temporary folder.
final class NodeUnderTest: @unchecked Sendable {
    // SAFETY: the scenario uses it from one task.

    private static let secret = "a-secret-of-the-load-test-with-32-bytes"
    private static let key = "an-api-key-of-the-load-test"

    /// Known once it is up; the kernel gives them.
    private(set) var port = 0
    private var backendPort = 0
    private let folder: URL
    private let executable: String
    private let settings: [String: String]
    private var process: ChildProcess?

    /// - Parameter settings: Further environment, such as where Redis and NATS are.
    init(executable: String?, settings: [String: String] = [:]) throws {
        self.settings = settings
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "apus-loadtest-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let own = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        let path = executable ?? own.deletingLastPathComponent().appendingPathComponent("apus").path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw ValidationError(
                "\(path) is no executable: build it with `swift build -c release`, or name it with --node")
        }
        self.executable = path
        _ = FileManager.default.createFile(atPath: announcement.path, contents: nil)
    }

    func start() async throws {
        let environment = ProcessInfo.processInfo.environment.merging([
            "APUS_LISTEN": "127.0.0.1:0", "APUS_BACKEND_LISTEN": "127.0.0.1:0",
            "APUS_DATA": folder.appendingPathComponent("data").path, "APUS_AUTH_HS256_SECRET": Self.secret,
            "APUS_API_KEYS": Self.key, "APUS_SESSIONS_PER_ADDRESS": "0", "APUS_LOG_LEVEL": "warning",
        ]) { _, new in new }.merging(settings) { _, new in new }
        let announced = try FileHandle(forWritingTo: announcement)
        defer { try? announced.close() }
        let process = try ChildProcess.start(
            executable, ["serve"], environment: environment, output: announced.fileDescriptor, error: STDERR_FILENO)
        self.process = process
        let deadline = ContinuousClock.now + .seconds(30)
        while try !readPorts() {
            guard process.isRunning, ContinuousClock.now < deadline else {
                throw ValidationError("the node did not start; its log says why")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    private var announcement: URL { folder.appendingPathComponent("announcement") }

    /// From the line that a node prints when it is up (PROTOCOL §6). - Returns: false while it is not there.
    private func readPorts() throws -> Bool {
        let text = try String(contentsOf: announcement, encoding: .utf8)
        guard let found = text.firstMatch(of: /ws:\/\/127\.0\.0\.1:(\d+)\/ws, backend http:\/\/127\.0\.0\.1:(\d+),/),
            let port = Int(found.1), let backendPort = Int(found.2)
        else { return false }
        (self.port, self.backendPort) = (port, backendPort)
        return true
    }

    func stop() {
        process?.signal(SIGTERM)
        process?.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }

    // MARK: Measuring

    /// Resident memory, as the kernel counts it.
    func residentBytes() throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(process?.identifier ?? 0)/statm", encoding: .utf8)
        guard let pages = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw ValidationError("resident memory can only be read on Linux")
        }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// CPU time used so far, user and system.
    func cpuSeconds() throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(process?.identifier ?? 0)/stat", encoding: .utf8)
        let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    // MARK: Using

    /// A token for `user`, good for an hour.
    func token(_ user: String) -> String {
        let expires = Int(Date().timeIntervalSince1970) + 3600
        let input =
            Self.base64(Data(#"{"alg":"HS256","typ":"JWT"}"#.utf8)) + "."
            + Self.base64(Data(#"{"sub":"\#(user)","exp":\#(expires)}"#.utf8))
        let code = HMAC<SHA256>.authenticationCode(
            for: Data(input.utf8), using: SymmetricKey(data: Data(Self.secret.utf8)))
        return input + "." + Self.base64(Data(code))
    }

    func notify(_ user: String) async throws {
        let body = #"{"to":"\#(user)","type":"load.idle","data":{}}"#
        guard try await request("POST", "/v1/notifications", body) == 200 else {
            throw ValidationError("publishing failed")
        }
    }

    /// Through curl: one request at a time, and no HTTP client to build into a load generator.
    private func request(_ method: String, _ path: String, _ body: String) async throws -> Int {
        let curl = try await ChildProcess.outcome(
            of: "/usr/bin/env",
            [
                "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", method, "-H",
                "Authorization: Bearer \(Self.key)", "-d", body, "http://127.0.0.1:\(backendPort)\(path)",
            ])
        return Int(curl.output) ?? 0
    }

    private static func base64(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}
