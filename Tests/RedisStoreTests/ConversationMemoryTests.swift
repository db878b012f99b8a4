import ApusTesting
import Chat
import Core
import Testing

@testable import RedisStore

/// What a message costs; docs/redis-keys.md has the figure.
@Suite("The memory of conversations")
struct ConversationMemoryTests {
    @Test("A direct message of 60 bytes costs at most 500 bytes of Redis: log, two timelines, what was sent")
    func message() async throws {
        var limits = StoreLimits.standard
        limits.timelineEvents = 1000
        try await RedisFixture.with(.init(arguments: ["--appendonly", "no"]), limits: limits) { fixture in
            let bench = try ChatBench(fixture)
            let text = String(repeating: "x", count: 60)
            let (pairs, messages) = (100, 100)
            let before = try await Self.used(bench)
            for pair in 0..<pairs {
                let users = try [100_000 + 2 * pair, 100_001 + 2 * pair].map { try #require(UserID("\($0)")) }
                let conversation = try #require(ConversationID(between: users[0], and: users[1]))
                for number in 0..<messages {
                    let now = ChatBench.now + Int64(pair + 977 * number)
                    let body = ChatBench.body(text)
                    let commit = try await bench.commit(
                        .send(cid: ChatBench.cid(), body: body), to: conversation, by: users[number % 2], at: now
                    ).appended()
                    try await bench.deliver(commit)
                }
            }
            let each = Double(try await Self.used(bench) - before) / Double(pairs * messages)
            #expect(each <= 500, "\(each) bytes")
        }
    }

    private static func used(_ bench: ChatBench) async throws -> Int {
        let info = try #require(try await bench.redis("INFO", "memory").string)
        let line = try #require(info.split(whereSeparator: \.isNewline).first { $0.hasPrefix("used_memory:") })
        return try #require(Int(line.dropFirst("used_memory:".count)))
    }
}
