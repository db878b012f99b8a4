import ApusTesting
import Chat
import Core
import Notifications
import Testing
import Timelines

@testable import RedisStore

/// A user's timeline that lost its newest events and gets their entries again must not look as it did before (ADR 20).
@Suite("Events that a timeline gets again", .redis())
struct AppendMarkTests {
    /// Another node's store, whose connections are younger than what was sent so far.
    private func withYoungerStore(_ body: (ChatBench) async throws -> Void) async throws {
        let fixture = try RedisFixture.the()
        let store = try RedisStore(
            configuration: try RedisConfiguration(url: fixture.server.url()), eventLoopGroup: fixture.group,
            limits: .forTests, logger: quiet, clock: SampleTime(wall: ChatBench.now + 1))
        try await store.connect()
        do {
            try await body(ChatBench(store: store))
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    private func cursor(of user: UserID, _ bench: ChatBench) async throws -> Cursor {
        let page = try await answer { bench.store.read(user, after: 0, last: nil, epoch: nil, limit: 100, $0) }
        let last = try #require(page.entries.last)
        return Cursor(epoch: page.head.epoch, seq: last.seq, last: last.id)
    }

    /// The race: the timeline had A, a notification, B. Redis failed over and lost all three; the logs of both conversations
    /// are in other slots and kept A and B. The sweeper brought them again, C came between them, and B stood at number 3
    /// once more with the same id. A client that had seen the lost history resumed there, was told that it had
    /// everything, and never saw C.
    @Test("a client that saw lost events is told to start over, although the last one stands at its number again")
    func reordered() async throws {
        let bench = try ChatBench()
        let reader = RedisFixture.user()
        let conversations = try (0..<3).map { _ in
            try #require(ConversationID(between: reader, and: RedisFixture.user()))
        }
        func send(_ index: Int, at now: Int64 = ChatBench.now) async throws -> Commit {
            let author = try #require(conversations[index].partner(of: reader))
            return try await bench.send("\(index)", to: conversations[index], by: author, at: now)
        }
        // Something that all of it is lost after.
        try await bench.store.append(RedisFixture.notification(), to: reader)
        let before = try await bench.snapshot(of: reader)
        try await bench.deliver(try await send(0))
        try await bench.store.append(RedisFixture.notification(id: .new(atMilliseconds: 1)), to: reader)
        try await bench.deliver(try await send(1))
        let seen = try await cursor(of: reader, bench)
        #expect(seen.seq == 4)

        try await bench.restore(before, of: reader)
        try await withYoungerStore { other in
            try await other.catchUp(reader, in: conversations[0])
            try await other.deliver(try await send(2, at: ChatBench.now + 2))
            try await other.catchUp(reader, in: conversations[1])
            let now = try await cursor(of: reader, other)
            #expect(now.seq == 4 && now.last?.hasPrefix(seen.last ?? "-") == true && now.last != seen.last)
            let opening = try await answer { other.store.open(reader, at: seen, limit: 10, $0) }
            #expect(opening.verdict == .resync(.idMismatch))
        }
    }

    @Test("an entry younger than every connection keeps its id; the cursor never has the mark")
    func young() async throws {
        let bench = try ChatBench()
        let (conversation, lower, higher) = try ChatBench.direct()
        let first = try await bench.send(to: conversation, by: lower)
        try await withYoungerStore { other in
            let entry = try #require(try await other.deliver(first)[higher]?.first)
            #expect(entry.id.hasPrefix(first.entry.position.id + "~"))
            #expect(String(decoding: entry.frame, as: UTF8.self).contains("\"ts\":\(ChatBench.now),"))
            // The next one fits the cursor, without a look at the log.
            let second = try await other.send(to: conversation, by: lower, at: ChatBench.now + 1)
            let appended = try await other.deliver(second)
            #expect(appended[higher]?.map(\.id) == [second.entry.position.id])
            #expect(appended[higher]?.map(\.previous) == [entry.id])
            let page = try await other.conversations(of: higher)
            #expect(page.memberships.map(\.cursor) == [second.entry.position])
        }
    }

    @Test("after the start, a new connection marks also what is a clock's error younger than it")
    func skew() {
        let mark = AppendMark(clock: SampleTime(wall: 1000))
        #expect(mark.word(forEntryAt: 0) == nil)
        mark.connected()
        let first = mark.word(forEntryAt: 999)
        #expect(first?.count == 6 && mark.word(forEntryAt: 1000) == nil)
        mark.started()
        mark.connected()
        #expect(mark.word(forEntryAt: 1000 + Int64(Limits.clockSkewMilliseconds)) == nil)
        let second = mark.word(forEntryAt: 999 + Int64(Limits.clockSkewMilliseconds))
        #expect(second != nil && second != first)
    }
}

extension RedisStore {
    fileprivate func append(_ notification: Notifications.Notification, to user: UserID) async throws {
        _ = try await answer { self.append(notification, to: user, nowMilliseconds: RedisFixture.now, $0) }
    }
}

extension ChatBench {
    fileprivate init(store: RedisStore) { self.store = store }

    /// All keys of a user, as Redis's DUMP gives them.
    fileprivate func snapshot(of user: UserID) async throws -> [String: [UInt8]] {
        var dumps: [String: [UInt8]] = [:]
        let prefix = "apus:{u:\(user.text)}:"
        for key in try await keys(prefix) {
            var command = RedisArguments("DUMP")
            command.add(prefix + key)
            dumps[prefix + key] = try await run(command).bytes
        }
        return dumps
    }

    /// Puts a user's keys back to a snapshot, as a replica that missed the rest has them.
    fileprivate func restore(_ dumps: [String: [UInt8]], of user: UserID) async throws {
        let prefix = "apus:{u:\(user.text)}:"
        for key in try await keys(prefix) { _ = try await redis("DEL", prefix + key) }
        for (key, dump) in dumps {
            var command = RedisArguments("RESTORE")
            command.add(key)
            command.add("0")
            command.add(dump)
            _ = try await run(command)
        }
    }

    private func run(_ arguments: RedisArguments) async throws -> RedisReply {
        try await answer { store.pool.send(RedisCommand(arguments, key: "apus:{test}"), $0) }
    }
}
