import ApusTesting
import Core
import Notifications
import Presence
import Testing
import Timelines

@testable import RedisStore

/// What the contracts cannot see: the keys that scripts leave, and what they do with arguments that only a defect would
/// give them. One test at least for each file in `Scripts/`.
@Suite("The scripts", .redis())
struct ScriptTests {
    private let user = RedisFixture.user()
    private let now = RedisFixture.now

    private func run<Answer>(_ call: ScriptCall<Answer>) async throws -> Answer {
        let store = try RedisFixture.the().store
        return try await answer { store.run(call, $0) }
    }

    private func redis(_ words: String...) async throws -> RedisReply {
        let store = try RedisFixture.the().store
        var arguments = RedisArguments()
        for word in words { arguments.add(word) }
        return try await answer { store.pool.send(RedisCommand(arguments, key: RedisKeys.meta(user)), $0) }
    }

    /// The user's keys, by the name that ends them.
    private func keys() async throws -> Set<String> {
        let prefix = "apus:{u:\(user.text)}:"
        let keys = try #require(try await redis("KEYS", prefix + "*").list).compactMap(\.string)
        return Set(keys.map { String($0.dropFirst(prefix.count)) })
    }

    private func append(
        _ notification: Notification = RedisFixture.notification(), at now: Int64 = RedisFixture.now
    ) async throws -> AppendOutcome {
        try await run(.append(notification, to: user, now: now, .forTests))
    }

    @Test("All are loaded, with lib.lua in front, under the digests that the server gave")
    func loading() async throws {
        let store = try RedisFixture.the().store
        #expect(Set(RedisScript.allCases.map(\.source)).count == RedisScript.allCases.count)
        for script in RedisScript.allCases {
            #expect(script.source.starts(with: RedisScript.withoutComments(PackageResources.lib_lua)))
            let digest = try #require(store.pool.digest(of: script))
            let known = try await redis("SCRIPT", "EXISTS", String(decoding: digest, as: UTF8.self))
            #expect(known == .list([.integer(1)]), "\(script.rawValue).lua")
        }
    }

    @Test("append.lua writes these keys and no others, and none that it does not need")
    func appendKeys() async throws {
        _ = try await append()
        #expect(try await keys() == ["m", "t", "i", "u", "k", "q0"])
        _ = try await append(RedisFixture.notification(collapse: "key", ttl: 10))
        #expect(try await keys() == ["m", "t", "i", "u", "k", "q0", "c", "x"])
    }

    @Test(
        "append.lua refuses ids and categories that would break out of a frame, and writes nothing",
        arguments: [
            ("a\"b", "like"), ("a\\b", "like"), ("a\u{1F}b", "like"), ("a\u{0}b", "like"), ("a\nb", "like"),
            ("a", "li\"ke"), ("a", "li\u{1F}ke"),
        ])
    func appendRefuses(id: String, category: String) async throws {
        var arguments = RedisArguments("\(now)", id, category, "", "", "\(now)", "\"type\":\"x\"", "epoch")
        for number in ["100", "1000", "30", "1000"] { arguments.add(number) }
        let call = ScriptCall<Void>(.append, keys: .append(user), arguments: arguments) {
            _ throws(ReplyFields.Malformed) in
        }
        let error = await #expect(throws: StoreError.self) { try await run(call) }
        #expect(error?.outcome == .notStored)
        #expect(try await keys().isEmpty)
    }

    @Test("append.lua remembers ids in two generations: the older goes when the newer is a horizon old")
    func generations() async throws {
        let horizon = StoreLimits.forTests.dedupMilliseconds
        let first = RedisFixture.notification()
        _ = try await append(first)
        _ = try await append(at: now + horizon - 1)
        #expect(try await keys().isDisjoint(with: ["q1"]))
        let second = RedisFixture.notification()
        _ = try await append(second, at: now + horizon)
        #expect(try await keys().isSuperset(of: ["q0", "q1"]))
        #expect(try await redis("HLEN", RedisKeys.seen(user)[0]) == .integer(3), "its beginning and two ids")
        _ = try await append(at: now + 2 * horizon)
        #expect(try await redis("HLEN", RedisKeys.seen(user)[0]) == .integer(2), "begun anew")
        #expect(try await append(second, at: now + 2 * horizon - 1).duplicate)
        // Redis's own expiry is for users who get nothing any more.
        for key in RedisKeys.seen(user) {
            let left = try #require(try await redis("PTTL", key).integer)
            #expect((2 * horizon...3 * horizon).contains(left))
        }
    }

    @Test("append.lua keeps an event of each age: what is older than the limit goes when time has passed")
    func ages() async throws {
        let day: Int64 = 86_400_000
        let epoch = try await run(.open(user, at: nil, limit: 0, now: now)).head.epoch
        for step in 0..<20 { _ = try await append(at: now + Int64(step) * day) }
        // Seven days and at most an eighth of them more are kept.
        let kept = try #require(try await redis("LLEN", RedisKeys.timeline(user)).integer)
        #expect((7...9).contains(kept))
        let marks = try #require(try await redis("HGET", RedisKeys.meta(user), "a").string)
        #expect(marks.split(separator: ",").count <= 10)
        let old = try await run(.read(user, after: 20 - kept - 1, last: nil, epoch: epoch, limit: 10))
        #expect(old.resync == .trimmed)
        let young = try await run(.read(user, after: 20 - kept, last: nil, epoch: epoch, limit: 10))
        #expect(young.resync == nil && young.entries.count == Int(kept))
    }

    @Test("open.lua writes an epoch once and otherwise nothing")
    func open() async throws {
        let opening = try await run(.open(user, at: nil, limit: 10, now: now))
        #expect(
            try await redis("HGETALL", RedisKeys.meta(user))
                == .list([.text([0x65]), .text(Array(opening.head.epoch.utf8))]))
        #expect(try await run(.open(user, at: nil, limit: 10, now: now)).head == opening.head)
        #expect(try await keys() == ["m"])
        // A position without an epoch is nobody's.
        let cursor = Cursor(epoch: "", seq: 0, last: nil)
        #expect(try await run(.open(user, at: cursor, limit: 1, now: now)).verdict == .resync(.epochChanged))
    }

    @Test("open.lua counts as unread what is not over by the node's clock")
    func openUnread() async throws {
        _ = try await append(RedisFixture.notification(ttl: 10))
        _ = try await append()
        #expect(try await run(.open(user, at: nil, limit: 0, now: now + 9)).unread.notifications == 2)
        #expect(try await run(.open(user, at: nil, limit: 0, now: now + 10)).unread.notifications == 1)
    }

    @Test("read.lua takes positions that no timeline has", arguments: [Int64.max, .min, -1, 3])
    func read(seq: Int64) async throws {
        _ = try await append()
        let page = try await run(.read(user, after: seq, last: "x", epoch: nil, limit: 10))
        #expect(page.resync == (seq > 0 ? .ahead : .trimmed) && page.entries.isEmpty)
    }

    @Test("read.lua says a lost tail is one, by the id")
    func lostTail() async throws {
        let first = try await append()
        let lost = try await append()
        // As after a fail-over: the head is back at 1, and another event becomes number 2.
        _ = try await redis("RPOP", RedisKeys.timeline(user))
        _ = try await redis("HSET", RedisKeys.meta(user), "s", "1", "l", first.entry?.id ?? "")
        #expect(try await run(.read(user, after: 2, last: lost.entry?.id, epoch: nil, limit: 10)).resync == .ahead)
        #expect(try await append().seq == 2)
        #expect(try await run(.read(user, after: 2, last: lost.entry?.id, epoch: nil, limit: 10)).resync == .idMismatch)
        #expect(try await run(.read(user, after: 1, last: first.entry?.id, epoch: nil, limit: 10)).entries.count == 1)
    }

    @Test("mark_read.lua leaves no trace of what is read in the unread hash and the collapse keys")
    func markRead() async throws {
        _ = try await append(RedisFixture.notification(collapse: "key"))
        _ = try await append()
        let outcome = try await run(
            .markRead(.all, category: nil, of: user, id: .new(atMilliseconds: now), now: now, .forTests))
        #expect(outcome.entry?.seq == 3)
        #expect(try await keys() == ["m", "t", "i", "k", "q0"])
    }

    @Test("page.lua takes cursors that no page gave", arguments: ["", "x", "-1", "0", "99999999999999999999", "1e3"])
    func page(cursor: String) async throws {
        _ = try await append()
        let store = try RedisFixture.the().store
        let page = try await answer {
            store.page(InboxQuery(before: cursor, limit: 5), of: user, nowMilliseconds: now, $0)
        }
        #expect(page.items.isEmpty && page.cursor == nil)
    }

    @Test("counts.lua counts by category, without what is over")
    func counts() async throws {
        _ = try await append(RedisFixture.notification(ttl: 10))
        _ = try await append()
        #expect(try await run(.counts(of: user, now: now + 9)).byCategory == ["like": 2])
        #expect(try await run(.counts(of: user, now: now + 10)).byCategory == ["like": 1])
    }

    @Test("drift.lua finds an unread entry whose item is not there, and an item that is missed")
    func drift() async throws {
        for _ in 0..<3 { _ = try await append() }
        #expect(try await run(.drift(of: user, now: now)) == 0)
        _ = try await redis("RPOP", RedisKeys.inbox(user))
        #expect(try await run(.drift(of: user, now: now)) == -1)
    }

    @Test("expire.lua takes so many items at a time, and says when the next is due")
    func expire() async throws {
        let many = 105
        var limits = StoreLimits.forTests
        limits.inboxItems = 200
        for index in 0..<many {
            _ = try await run(.append(RedisFixture.notification(ttl: Int64(index)), to: user, now: now, limits))
        }
        let first = try await run(.expire(user, now: now + 1000, limits))
        #expect(first.outcome.entries.count == 100 && first.nextMilliseconds == now + 100)
        let second = try await run(.expire(user, now: now + 102, limits))
        #expect(second.outcome.entries.count == 3 && second.nextMilliseconds == now + 103)
        let third = try await run(.expire(user, now: now + 1000, limits))
        #expect(third.outcome.entries.count == 2 && third.nextMilliseconds == nil)
        #expect(try await keys() == ["m", "t", "q0"], "nothing of the items is left")
    }

    @Test("register.lua and remove.lua leave an empty directory as no key, and when that was")
    func sessions() async throws {
        let node = try #require(Incarnation(newOf: "gw"))
        let record = SessionRecord(session: .new(), holder: node, device: DeviceName("d"), sinceMilliseconds: now)
        #expect(try await run(.register(record, of: user, limit: 1)).isEmpty)
        #expect(
            try await redis("HGET", RedisKeys.sessions(user), record.session.text).string == "\(node.text)|\(now)|d")
        try await run(.remove([.new()], of: user, now: now + 1))
        #expect(try await keys() == ["d"])
        try await run(.remove([record.session], of: user, now: now + 2))
        #expect(try await keys() == ["m"])
        try await run(.remove([record.session], of: user, now: now + 3))
        #expect(
            try await redis("HGET", RedisKeys.meta(user), "z").integer == now + 2, "only the end of a session counts")
    }

    @Test("renew_lease.lua forgets leases that ran out, and keeps every character of a version")
    func leases() async throws {
        let (a, b) = (try node("a", version: "1.0|2,3 \u{1F}é"), try node("b", version: ""))
        #expect(try await run(.renewLease(a, seconds: 30)).alive.contains(a))
        _ = try await redis("HSET", RedisKeys.leases, a.incarnation.text, "1000|gone")
        #expect(try await !run(.renewLease(b, seconds: 30)).alive.contains { $0.incarnation == a.incarnation })
        #expect(try await redis("HEXISTS", RedisKeys.leases, a.incarnation.text) == .integer(0))
    }

    private func node(_ name: String, version: String) throws -> NodeRecord {
        NodeRecord(
            incarnation: try #require(Incarnation(newOf: name)), sinceMilliseconds: now, sessions: 0, draining: true,
            version: version, roles: ["gateway"])
    }
}

/// Who is due for expiry: sweepers of several nodes and appends meet in these entries.
@Suite("The scripts of the due set", .redis())
struct DueScriptTests {
    private let user = RedisFixture.user()
    /// Each test has a shard of its own, far from those in use.
    private let shard = Int.random(in: 1_000_000...9_000_000)
    private let claim = DueClaim(now: 1000)

    private func run<Answer>(_ call: ScriptCall<Answer>) async throws -> Answer {
        let store = try RedisFixture.the().store
        return try await answer { store.run(call, $0) }
    }

    private func add(at milliseconds: Int64) async throws {
        let call = ScriptCall<Void>.dueAdd(user, at: milliseconds)
        try await run(
            ScriptCall(
                call.script, keys: RedisKeySet(RedisKeys.due(shard)), arguments: call.arguments, decode: call.decode))
    }

    private func done(next: Int64?) async throws {
        let outcome = ExpiryOutcome(user: user, entries: [], routes: [])
        try await run(.dueDone(shard: shard, claim: claim, [UserExpiry(outcome: outcome, nextMilliseconds: next)]))
    }

    private func claimed(at now: Int64) async throws -> [UserID] {
        try await run(.dueClaim(shard: shard, now: now, limit: 10, claim: claim))
    }

    private func score() async throws -> String? {
        let store = try RedisFixture.the().store
        return try await answer {
            let key = RedisKeys.due(shard)
            store.pool.send(RedisCommand(RedisArguments("ZSCORE", key, user.text), key: key), $0)
        }.string
    }

    @Test("due_add.lua keeps the earliest time")
    func adding() async throws {
        for (time, expected) in [(500, "500"), (900, "500"), (300, "300")] as [(Int64, String)] {
            try await add(at: time)
            #expect(try await score() == expected)
        }
    }

    @Test("due_claim.lua takes those who are due, once, and until the claim is over")
    func claiming() async throws {
        try await add(at: 1000)
        #expect(try await claimed(at: 999).isEmpty)
        #expect(try await claimed(at: 1000) == [user])
        #expect(try await score() == "61000.5")
        #expect(try await claimed(at: 1001).isEmpty)
        #expect(try await claimed(at: 61_001) == [user], "its sweeper has died")
    }

    @Test("due_done.lua removes the claimed, or sets when they are due next")
    func ending() async throws {
        try await add(at: 1000)
        _ = try await claimed(at: 1000)
        try await done(next: 1500)
        #expect(try await score() == "1500")
        _ = try await claimed(at: 1500)
        try await done(next: nil)
        #expect(try await score() == nil)
    }

    /// A sweeper has run the user's script, found nothing more, and is about to remove the entry. In between an append
    /// with a time to live comes. Removing the entry now would leave that item without anyone who retracts it.
    @Test("due_done.lua leaves an entry to which something was added meanwhile", arguments: [1500, 90_000] as [Int64])
    func race(added: Int64) async throws {
        try await add(at: 1000)
        _ = try await claimed(at: 1000)
        try await add(at: added)
        #expect(try await score() == String(min(added, 61_000)))
        try await done(next: nil)
        #expect(try await score() == String(min(added, 61_000)))
        try await done(next: 1200)
        #expect(try await score() == "1200", "what the script knew to be earlier counts too")
    }
}
