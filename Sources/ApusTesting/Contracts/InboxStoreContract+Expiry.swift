import Core
import Notifications
import Testing
import Timelines

// Every case here holds the turn: `expire` of one would retract what another has just let run out.

extension InboxStoreContract {
    static let expiring: [ContractCase<StoresUnderTest>] = [
        expiryCase("An item whose time is over shows and counts nowhere, although nobody retracted it") { stores in
            let user = Sample.user()
            let lasting = Sample.notification(category: "a")
            let short = Sample.notification(category: "b", ttlMilliseconds: 1000)
            try await stores.append(lasting, to: user)
            try await stores.append(short, to: user)
            let before = try await stores.page(InboxQuery(limit: 5), of: user, at: Sample.now + 999)
            #expect(before.items.map(\.text) == [item(short), item(lasting)])
            #expect(before.counts == InboxCounts(unread: unread(2), byCategory: ["a": 1, "b": 1]))
            let over = Sample.now + 1000
            let after = try await stores.page(InboxQuery(limit: 5), of: user, at: over)
            #expect(after.items.map(\.text) == [item(lasting)])
            #expect(after.counts == InboxCounts(unread: unread(1), byCategory: ["a": 1]))
            #expect(try await stores.counts(of: user, at: over) == after.counts)
            #expect(try await stores.items(of: user, category: "b", unreadOnly: true, at: over).isEmpty)
            #expect(try await stores.drift(of: user, at: over) == 0)
        },
        expiryCase("Expiring appends one retraction for each item, read or not, with the totals after it") { stores in
            let user = Sample.user()
            let sent = [1000, nil, 2000, 2000].map { Sample.notification(ttlMilliseconds: $0) }
            for notification in sent { try await stores.append(notification, to: user) }
            _ = try await stores.markRead(.ids([sent[2].id.text]), of: user)
            #expect(try await stores.expireAll(of: user, at: Sample.now + 999).isEmpty)
            let first = try await retracted(stores, user, at: Sample.now + 1500, firstSeq: 6, unread: 2)
            #expect(first == [sent[0].id.text])
            // Two at once, of which one was unread. Neither counts any more, in either event.
            let next = try await retracted(stores, user, at: Sample.now + 5000, firstSeq: 7, unread: 1)
            #expect(next.count == 2 && Set(next) == Set(sent[2...].map(\.id.text)))
            #expect(try await stores.expireAll(of: user, at: Sample.now + 9000).isEmpty)
            #expect(try await stores.items(of: user, at: Sample.now + 9000).count == 1)
            #expect(try await stores.drift(of: user, at: Sample.now + 9000) == 0)
        },
        expiryCase("Expiring by several nodes at once retracts each item once") { stores in
            let users = (0..<6).map { _ in Sample.user() }
            for user in users {
                for _ in 0..<3 { try await stores.append(Sample.notification(ttlMilliseconds: 500), to: user) }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 { group.addTask { _ = try await stores.expire(at: Sample.now + 600) } }
                try await group.waitForAll()
            }
            for user in users {
                _ = try await stores.expireAll(of: user, at: Sample.now + 600)
                let entries = try await stores.read(user, after: 0).entries
                #expect(entries.map(\.seq) == Array(1...6))
                #expect(entries.filter { $0.frame.text.hasPrefix("{\"ev\":\"notification.retracted\"") }.count == 3)
                #expect(try await stores.counts(of: user, at: Sample.now + 600).unread == unread(0))
            }
        },
        expiryCase("One run takes at most as many users as it was told, and the next ones take the rest") { stores in
            let users = Set((0..<5).map { _ in Sample.user() })
            for user in users { try await stores.append(Sample.notification(ttlMilliseconds: 500), to: user) }
            var seen: [UserID] = []
            for _ in 0..<500 {
                let outcomes = try await stores.expire(limit: 2, at: Sample.now + 600)
                #expect(Set(outcomes.map(\.user)).count <= 2)
                if outcomes.isEmpty { break }
                seen += outcomes.map(\.user).filter(users.contains)
            }
            #expect(seen.count == 5 && Set(seen) == users)
        },
        expiryCase("After a later write the item is retracted once, by that write or by the next run") { stores in
            let user = Sample.user()
            let short = Sample.notification(ttlMilliseconds: 1000)
            try await stores.append(short, to: user)
            let over = Sample.now + 2000
            let next = Sample.notification(at: over)
            let outcome = try await stores.append(next, to: user, at: over)
            let entry = try #require(outcome.entry)
            #expect(
                entry.frame.text
                    == EventFrames.notification(
                        seq: entry.seq, next, item: next.id.text, updated: false, unread: unread(1)
                    ).text)
            _ = try await stores.expireAll(of: user, at: over)
            let entries = try await stores.read(user, after: 0).entries
            try #require(entries.count == 3)
            #expect(entries.map(\.seq) == [1, 2, 3])
            #expect(entry.previous == entries[Int(entry.seq) - 2].id, "the chain tells the reader of the retraction")
            let retracted = entries.filter { $0.id != short.id.text && $0.id != next.id.text }
            try #require(retracted.count == 1)
            #expect(retracted[0].frame.text.contains(",\"notification\":{\"id\":\"\(short.id.text)\"}"))
            #expect(try await stores.items(of: user, at: over).map(\.text) == [item(next)])
        },
        expiryCase("A duplicate of an item whose time is over stays a duplicate") { stores in
            let user = Sample.user()
            let short = Sample.notification(ttlMilliseconds: 1000)
            try await stores.append(short, to: user)
            _ = try await stores.expireAll(of: user, at: Sample.now + 1000)
            #expect(try await stores.append(short, to: user, at: Sample.now + 1500).duplicate)
            #expect(try await stores.counts(of: user, at: Sample.now + 1500).unread == unread(0))
        },
        expiryCase("A collapse key does not bring back an item whose time is over") { stores in
            let user = Sample.user()
            let short = Sample.notification(collapse: "k", ttlMilliseconds: 1000)
            try await stores.append(short, to: user)
            let next = Sample.notification(collapse: "k", at: Sample.now + 1000)
            let outcome = try await stores.append(next, to: user, at: Sample.now + 1000)
            #expect(outcome.item == next.id.text)
            _ = try await stores.expireAll(of: user, at: Sample.now + 1000)
            #expect(try await stores.items(of: user, at: Sample.now + 1000).map(\.text) == [item(next)])
        },
        expiryCase("A collapsed item has the time to live of its latest content") { stores in
            let (longer, endless) = (Sample.user(), Sample.user())
            for (user, ttl) in [(longer, 5000), (endless, nil)] as [(UserID, Int64?)] {
                try await stores.append(Sample.notification(collapse: "k", ttlMilliseconds: 1000), to: user)
                try await stores.append(Sample.notification(collapse: "k", ttlMilliseconds: ttl), to: user)
                #expect(try await stores.expireAll(of: user, at: Sample.now + 2000).isEmpty)
                #expect(try await stores.counts(of: user, at: Sample.now + 2000).unread == unread(1))
            }
            #expect(try await stores.expireAll(of: longer, at: Sample.now + 5000).flatMap(\.entries).count == 1)
            #expect(try await stores.counts(of: endless, at: Sample.now + 90_000).unread == unread(1))
        },
        expiryCase("Marking does not count items whose time is over") { stores in
            let user = Sample.user()
            let short = Sample.notification(ttlMilliseconds: 1000)
            let lasting = Sample.notification()
            try await stores.append(lasting, to: user)
            try await stores.append(short, to: user)
            let over = Sample.now + 1000
            #expect(try await stores.markRead(.ids([short.id.text]), of: user, at: over).entry == nil)
            let all = try await stores.markRead(.all, of: user, at: over)
            #expect(all.entry != nil && all.counts.unread == unread(0))
            _ = try await stores.expireAll(of: user, at: over)
            let events = try await stores.read(user, after: 0).entries.map { $0.frame.text }
            #expect(events.filter { $0.hasPrefix("{\"ev\":\"notification.retracted\"") }.count == 1)
            #expect(events.count == 4)
        },
        expiryCase("An item that was dropped by the cap is not retracted later") { stores in
            let user = Sample.user()
            try await stores.append(Sample.notification(ttlMilliseconds: 1000), to: user)
            try await stores.append(count: stores.limits.inboxItems, to: user)
            #expect(try await stores.expireAll(of: user, at: Sample.now + 1000).flatMap(\.entries).isEmpty)
            #expect(try await stores.open(user).head.seq == Int64(stores.limits.inboxItems + 1))
        },
    ]

    private static func expiryCase(
        _ promise: String, _ check: @escaping @Sendable (StoresUnderTest) async throws -> Void
    ) -> ContractCase<StoresUnderTest> {
        ContractCase(promise) { stores in try await StoresUnderTest.expiryTurns.alone { try await check(stores) } }
    }

    /// Expires, checks numbers, chain and frames, and gives the ids of the items in the order of their events.
    private static func retracted(
        _ stores: StoresUnderTest, _ user: UserID, at now: Int64, firstSeq: Int64, unread: Int
    ) async throws -> [String] {
        let entries = try await stores.expireAll(of: user, at: now).flatMap(\.entries)
        #expect(entries.map(\.seq) == entries.indices.map { firstSeq + Int64($0) })
        let page = try await stores.read(user, after: firstSeq - 2)
        #expect(entries.map(\.previous) == page.entries.dropLast().map(\.id))
        #expect(entries.map(\.frame) == page.entries.dropFirst().map(\.frame))
        return entries.compactMap { retractedItem($0, at: now, unread: unread) }
    }

    /// The item that an event retracts, when its frame is exactly that of `EventFrames`.
    ///
    /// The event's id is the store's choice. The reason is `expired`. The totals leave out everything that is over.
    static func retractedItem(_ entry: AppendedEntry, at now: Int64, unread: Int) -> String? {
        let text = entry.frame.text
        let marker = ",\"notification\":{\"id\":\""
        guard EventID(entry.id) != nil, let range = text.firstRange(of: marker) else {
            Issue.record("not a retraction: \(text)")
            return nil
        }
        let item = String(text[range.upperBound...].prefix { $0 != "\"" })
        let expected = EventFrames.retracted(
            seq: entry.seq, id: entry.id, timestamp: now, item: item, reason: "expired",
            unread: Self.unread(unread))
        #expect(text == expected.text)
        return item
    }
}
