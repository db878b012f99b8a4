import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("A storm of new sessions is let in at a rate, and what is too much is told when to come back (G13)")
struct AdmissionTests {
    private let second: UInt64 = 1_000_000_000

    @Test("Those within the rate enter at once, a burst too; the next wait for their turn, one after another")
    func turns() {
        let admission = Admission(perSecond: 100)
        let burst = 100 * Limits.admissionBurstMilliseconds / 1000
        for _ in 0...burst { #expect(admission.decide(nowNanoseconds: second) == .enter) }
        #expect(admission.decide(nowNanoseconds: second) == .wait(milliseconds: 11))
        #expect(admission.decide(nowNanoseconds: second) == .wait(milliseconds: 21))
        // Later the queue is empty again.
        #expect(admission.decide(nowNanoseconds: 5 * second) == .enter)
    }

    @Test("Who would wait too long is refused with a time, and takes nobody's turn")
    func refused() {
        let admission = Admission(perSecond: 1000)
        let fits = Limits.admissionWaitMilliseconds + Limits.admissionBurstMilliseconds
        for _ in 0...fits {
            if case .refuse = admission.decide(nowNanoseconds: second) { Issue.record("refused too early") }
        }
        for _ in 0..<10 {
            #expect(
                admission.decide(nowNanoseconds: second, jitterSeconds: 2)
                    == .refuse(retrySeconds: 3 + Limits.admissionWaitMilliseconds / 1000))
        }
        // One turn later one more fits.
        let next = admission.decide(nowNanoseconds: second + 2_000_000)
        #expect(next == .wait(milliseconds: Limits.admissionWaitMilliseconds))
    }

    @Test("Without a limit everybody enters")
    func unlimited() {
        let admission = Admission(perSecond: 0)
        for _ in 0..<100_000 { #expect(admission.decide(nowNanoseconds: 1) == .enter) }
    }

    @Test("A node over its rate keeps those that wait, answers the surplus 503 with Retry-After, and all get in")
    func node() async throws {
        // Five turns a second on each of two loops, so that about thirty may wait.
        let node = try await TestNode.start { $0.connectsPerSecond = 5 }
        let outcomes = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<60 {
                group.addTask {
                    let client = try await ScriptedClient.raw(port: node.port)
                    defer { client.drop() }
                    try await client.send(
                        raw: Array(
                            """
                            GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n
                            """.utf8))
                    let head = try await client.head()
                    guard head.hasPrefix("HTTP/1.1 503 ") else { return String(head.dropFirst(9).prefix(3)) }
                    let seconds = try #require(head.firstMatch(of: /Retry-After: (\d+)/).flatMap { Int($0.1) })
                    #expect((3...8).contains(seconds))
                    return "503"
                }
            }
            return try await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        let waiting = 10 * Limits.admissionWaitMilliseconds / 1000
        #expect((waiting...waiting + 8).contains(outcomes["101"] ?? 0), "\(outcomes)")
        #expect((outcomes["101"] ?? 0) + (outcomes["503"] ?? 0) == 60, "\(outcomes)")
        // Nobody is kept out for good.
        try await eventually("a refused one gets in", within: 15) {
            let client = try await node.socket()
            client.drop()
            return true
        }
        await node.stop()
    }
}
