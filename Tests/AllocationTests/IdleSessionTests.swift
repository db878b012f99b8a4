import ApusTesting
import Core
import Foundation
import HotPaths
import Testing

@Suite("An idle session is small")
struct IdleSessionTests {
    /// Opened and closed before the first reading: what a node makes once is not counted.
    private static let warmUp = 300
    private static let sessions = 2500

    #if os(Linux)
        @Test("a session that is authenticated, registered and idle takes no more resident memory than it did")
        func bytesPerSession() async throws {
            let node = try ApusProcess(
                "small",
                environment: [
                    "APUS_THREADS": "1", "APUS_SESSIONS_PER_ADDRESS": "0", "APUS_CONNECTS_PER_SECOND": "0",
                    "APUS_PING_SECONDS": "3600", "APUS_LOG_LEVEL": "error",
                ])
            defer { node.server.stop() }
            try await node.start()
            let key = try await TestKey.hs256(ApusProcess.secret)
            let first = SocketCrowd()
            try await first.open(
                port: node.port, tokens: try (0..<Self.warmUp).map { try key.token(user: "w\($0)") })
            await first.close()
            let before = try Self.residentBytes(node.server.processIdentifier)
            let crowd = SocketCrowd()
            try await crowd.open(
                port: node.port, tokens: try (0..<Self.sessions).map { try key.token(user: "u\($0)") })
            let each = (try Self.residentBytes(node.server.processIdentifier) - before) / Self.sessions
            await crowd.close()
            #expect(each > 0)
            #expect(each <= Thresholds.idleSessionBytes, "\(each) bytes of resident memory per idle session")
        }
    #endif

    /// As the kernel counts it: pages of the process that are in memory.
    private static func residentBytes(_ process: Int32) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8)
        let pages = try #require(text.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
