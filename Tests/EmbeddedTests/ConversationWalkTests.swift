import ApusTesting
import Chat
import Core
import Foundation
import Testing
import Timelines

@testable import Embedded

/// Many changes in any order, with fan-outs that die on the way.
@Suite("Conversations on SQLite, whatever happens")
struct ConversationWalkTests {
    @Test(
        "end with the same messages in every timeline, and totals that the cursors prove",
        arguments: [1, 2, 3, 4, 5, 6])
    func walk(seed: UInt64) async throws {
        let temporary = try TemporaryStore()
        let store = temporary.store
        var generator = SeededGenerator(seed: seed)
        let users = try (0..<4).map { _ in try Sample.user() }
        let group = ConversationID.newGroup()
        let direct = try #require(ConversationID(between: users[0], and: users[1]))
        try await store.append(.create(title: nil, members: users), to: group, by: users[0])
        for _ in 0..<250 {
            let conversation = Bool.random(using: &generator) ? group : direct
            let user = users[Int.random(in: 0..<4, using: &generator)]
            let change = try self.change(users, &generator)
            let outcome = try await store.commit(change, to: conversation, by: user)
            guard case .appended(let commit) = outcome, commit.isFannedOut else { continue }
            // A node dies before the first, some or the last member, or finishes.
            for member in commit.members.prefix(Int.random(in: 0...5, using: &generator)) {
                let (_, action) = FanOut.begin(commit, for: member)
                guard case .advance(let step) = action else { continue }
                _ = try await store.advance(member, in: conversation, by: step)
            }
            if Int.random(in: 0..<20, using: &generator) == 0 {
                try await store.sweep(store.unfinished(at: Sample.now + 100_000))
            }
        }
        try await store.sweep(store.unfinished(at: Sample.now + 1_000_000))
        #expect(try await store.unfinished(at: Sample.now + 10_000_000).isEmpty)
        for conversation in [group, direct] { try await check(store, conversation, users) }
        await store.close()
    }

    private func change(_ users: [UserID], _ generator: inout SeededGenerator) throws -> ConversationChange {
        let n = Int64.random(in: 0...30, using: &generator)
        let other = users[Int.random(in: 0..<4, using: &generator)]
        return switch Int.random(in: 0..<14, using: &generator) {
        case 0...4: try Sample.send("\(n)")
        case 5: .edit(n: n, body: Sample.body("edited \(n)"))
        case 6: .recall(n: n)
        case 7, 8: .react(n: n, key: "k\(n % 3)", on: Bool.random(using: &generator))
        case 9: .read(n: n, force: Bool.random(using: &generator))
        case 10: .read(n: 1000, force: false)
        case 11: .add([other])
        case 12: Bool.random(using: &generator) ? .remove([other]) : .update(title: "t\(n)")
        default: Bool.random(using: &generator) ? .leave : .delivered(n: n)
        }
    }

    private func check(_ store: EmbeddedStore, _ conversation: ConversationID, _ users: [UserID]) async throws {
        let head = try await store.entries(of: conversation, for: nil, after: nil)?.head
        var total: [UserID: Int] = [:]
        for user in users {
            let membership = try await store.conversations(of: user).memberships
                .first { $0.conversation == conversation }
            guard let summary = try await store.summary(of: conversation, for: user) else {
                #expect(membership == nil, "who is out has it in no list")
                continue
            }
            let counts = ConversationCounts(
                messages: summary.messages, own: summary.own, readN: summary.readN, readOwn: summary.readOwn)
            #expect(membership?.cursor == head && membership?.counts == counts)
            total[user] = counts.unread
            let history = try #require(try await store.history(of: conversation, for: user, limit: 1000))
            let unread = history.messages.filter { $0.n > summary.readN && $0.sender != user }.count
            #expect(counts.unread == unread)
            #expect(try await store.drift(of: user) == 0)
            // The newest messages of the timeline are those of the history, in its order and with its bodies.
            let ids = try await store.frames(of: user)
                .filter { $0.contains("\"ev\":\"message\"") && $0.contains("\"conv\":\"\(conversation)\"") }
                .map { frame in history.messages.firstIndex { frame.contains("\"id\":\"\($0.id)\"") } ?? -1 }
            #expect(ids.suffix(history.messages.count) == history.messages.indices.suffix(ids.count))
        }
    }
}
