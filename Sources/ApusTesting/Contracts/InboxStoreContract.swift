import Core
import Notifications
import Testing
import Timelines

/// The promises of `InboxStore`; what is appended must show in the `TimelineStore` of the same adapter.
///
/// The other halves stand in `InboxStoreContract+Reading.swift` (pages and marks), `+Expiry.swift` and `+Model.swift`.
public enum InboxStoreContract {
    public static let cases: [ContractCase<StoresUnderTest>] =
        appending + deduplicating + collapsing + capping + paging + marking + expiring + agreeing

    static func unread(_ notifications: Int) -> Unread { Unread(messages: 0, notifications: notifications) }

    /// What an item must look like in a page.
    static func item(_ notification: Notification, id: String? = nil, read: Bool = false) -> String {
        EventFrames.item(id: id ?? notification.id.text, rest: notification.rest, read: read).text
    }
}

// MARK: Appending

extension InboxStoreContract {
    private static let appending: [ContractCase<StoresUnderTest>] = [
        ContractCase("A notification is in the timeline, in the inbox and in the counts") { stores in
            let user = Sample.user()
            let notification = Sample.notification()
            let outcome = try await stores.append(notification, to: user)
            let entry = try #require(outcome.entry)
            #expect(outcome.item == notification.id.text && outcome.seq == 1 && !outcome.duplicate)
            let frame = EventFrames.notification(
                seq: 1, notification, item: notification.id.text, updated: false, unread: unread(1))
            #expect(entry.frame.text == frame.text)
            #expect(
                try await stores.read(user, after: 0).entries
                    == [TimelineEntry(seq: 1, id: notification.id.text, frame: frame)])
            let page = try await stores.page(InboxQuery(limit: 10), of: user)
            #expect(page.items.map(\.text) == [item(notification)])
            #expect(page.cursor == nil)
            #expect(page.counts == InboxCounts(unread: unread(1), byCategory: ["like": 1]))
            #expect(try await stores.counts(of: user) == page.counts)
            #expect(try await stores.open(user).unread == unread(1))
        },
        ContractCase("A user that is not there has an empty inbox") { stores in
            let user = Sample.user()
            let page = try await stores.page(InboxQuery(limit: 10), of: user)
            let empty = InboxCounts(unread: unread(0), byCategory: [:])
            #expect(page == InboxPage(items: [], cursor: nil, counts: empty))
            #expect(try await stores.counts(of: user) == empty)
            #expect(try await stores.drift(of: user) == 0)
            let marked = try await stores.markRead(.all, of: user)
            #expect(marked.entry == nil && marked.counts == empty)
        },
        ContractCase("What backends put into a notification comes out byte for byte") { stores in
            let user = Sample.user()
            let texts = [
                "", "%d %s $1 \\\\u0000 [[x]] {0}", "日本語 🐦‍⬛ é", "\\\"\\\\\\/\\b\\n",
                String(repeating: "ä", count: 8000),
            ]
            let sent = texts.map { Sample.notification(category: "a.b-c_d", text: $0) }
            for (index, notification) in sent.enumerated() {
                let outcome = try await stores.append(notification, to: user)
                let frame = EventFrames.notification(
                    seq: Int64(index + 1), notification, item: notification.id.text, updated: false,
                    unread: unread(index + 1))
                #expect(outcome.entry?.frame == frame)
            }
            #expect(try await stores.items(of: user) == sent.reversed().map { Array(item($0).utf8) })
        },
        ContractCase("Ids and categories may have any character that their types allow") { stores in
            let user = Sample.user()
            let ids = ["a b", "x:y|z,{}[]", "%d%s", "é/日本", "-1", "0", "'; --", String(repeating: "k", count: 128)]
            let categories = ["like", "a b", "é", "{}", "%d", "a:b|c", "-", String(repeating: "c", count: 64)]
            for (id, category) in zip(ids, categories) {
                let notification = Sample.notification(
                    id: Sample.eventID(id), category: category, collapse: "\(id)|\(category)")
                #expect(try await stores.append(notification, to: user).entry?.id == id)
                #expect(try await stores.append(notification, to: user).duplicate)
            }
            let counts = try await stores.counts(of: user)
            #expect(counts.byCategory == Dictionary(uniqueKeysWithValues: categories.map { ($0, 1) }))
            let head = try await stores.open(user).head
            #expect(head.last == ids.last)
            for (index, id) in ids.enumerated() {
                let page = try await stores.read(user, after: Int64(index + 1), last: id, epoch: head.epoch)
                #expect(page.resync == nil && page.entries.first?.id == ids.dropFirst(index + 1).first)
            }
            for (id, category) in zip(ids, categories) {
                let marked = try await stores.markRead(.ids([id]), category: category, of: user)
                #expect(marked.entry != nil && marked.counts.byCategory[category] == nil)
            }
        },
        ContractCase("Categories that are the same text in other bytes are counted together") { stores in
            let user = Sample.user()
            for category in ["caf\u{E9}", "cafe\u{301}"] {
                try await stores.append(Sample.notification(category: category), to: user)
            }
            let counts = try await stores.counts(of: user)
            #expect(counts.unread.notifications == 2 && counts.byCategory == ["caf\u{E9}": 2])
        },
        ContractCase("The same notification is appended for each of its recipients") { stores in
            let users = (0..<20).map { _ in Sample.user() }
            let notification = Sample.notification()
            let outcomes = try await withThrowingTaskGroup(of: AppendOutcome.self) { group in
                for user in users { group.addTask { try await stores.append(notification, to: user) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.allSatisfy { $0.entry != nil && $0.seq == 1 })
            let heads = try await stores.heads(users)
            #expect(heads.allSatisfy { $0.seq == 1 && $0.last == notification.id.text })
        },
    ]
}

// MARK: Deduplication

extension InboxStoreContract {
    private static let deduplicating: [ContractCase<StoresUnderTest>] = [
        ContractCase("An id that was appended before appends nothing and answers the first number") { stores in
            let user = Sample.user()
            let notification = Sample.notification()
            try await stores.append(count: 2, to: user)
            let first = try await stores.append(notification, to: user)
            try await stores.append(count: 2, to: user)
            var changed = notification
            changed.rest = Array("\"type\":\"other\"".utf8)
            for again in [notification, changed] {
                let outcome = try await stores.append(again, to: user, at: Sample.now + 5)
                #expect(outcome.duplicate && outcome.seq == first.seq && outcome.item == notification.id.text)
            }
            #expect(try await stores.open(user).head.seq == 5)
            #expect(try await stores.counts(of: user).unread == unread(5))
        },
        ContractCase("A duplicate of something read or cut off stays a duplicate") { stores in
            let user = Sample.user()
            let notification = Sample.notification()
            try await stores.append(notification, to: user)
            _ = try await stores.markRead(.all, of: user)
            #expect(try await stores.append(notification, to: user).duplicate)
            #expect(try await stores.counts(of: user).unread == unread(0))
            try await stores.append(count: max(stores.limits.inboxItems, stores.limits.timelineEvents) + 1, to: user)
            let late = try await stores.append(notification, to: user)
            #expect(late.duplicate && late.seq == 1)
        },
        ContractCase("A collapsed id is remembered as well, with the item it went into") { stores in
            let user = Sample.user()
            let first = Sample.notification(collapse: "k")
            let second = Sample.notification(collapse: "k")
            try await stores.append(first, to: user)
            try await stores.append(second, to: user)
            _ = try await stores.markRead(.all, of: user)
            let again = try await stores.append(second, to: user)
            #expect(again.duplicate && again.seq == 2 && again.item == first.id.text)
            let original = try await stores.append(first, to: user)
            #expect(original.duplicate && original.seq == 1 && original.item == first.id.text)
            #expect(try await stores.counts(of: user).unread == unread(0))
        },
        ContractCase("Of the same id from many tasks at once one is appended, and all answer its number") { stores in
            let user = Sample.user()
            let notifications = (0..<5).map { _ in Sample.notification() }
            let outcomes = try await withThrowingTaskGroup(of: (Int, AppendOutcome).self) { group in
                for index in 0..<50 {
                    group.addTask { (index % 5, try await stores.append(notifications[index % 5], to: user)) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for index in notifications.indices {
                let same = outcomes.filter { $0.0 == index }.map(\.1)
                #expect(same.filter { !$0.duplicate }.count == 1)
                #expect(Set(same.map(\.seq)).count == 1)
            }
            #expect(try await stores.open(user).head.seq == 5)
            #expect(try await stores.counts(of: user).unread == unread(5))
        },
        ContractCase("An id is remembered for the whole horizon, also by a node whose clock is late, and not for ever")
        {
            stores in
            let user = Sample.user()
            let notification = Sample.notification()
            let horizon = stores.limits.dedupMilliseconds
            try await stores.append(notification, to: user)
            for now in [-60_000, 0, horizon / 2, horizon - 1] {
                try await stores.append(count: 1, to: user, at: Sample.now + now)
                let outcome = try await stores.append(notification, to: user, at: Sample.now + now)
                #expect(outcome.duplicate && outcome.seq == 1, "\(now) ms after")
            }
            let before = try await stores.open(user).head.seq
            let late = try await stores.append(notification, to: user, at: Sample.now + 3 * horizon)
            #expect(late.entry?.seq == before + 1)
            // The inbox may still hold the earlier item with this id: it is replaced, since ids of items are unique.
            let items = try await stores.items(of: user, at: Sample.now + 3 * horizon).map(\.text)
            #expect(items.filter { $0.contains("\"id\":\"\(notification.id.text)\"") }.count == 1)
            #expect(items.first == item(notification))
            #expect(try await stores.drift(of: user, at: Sample.now + 3 * horizon) == 0)
            #expect(try await stores.counts(of: user, at: Sample.now + 3 * horizon).unread == unread(items.count))
        },
    ]
}

// MARK: Collapsing

extension InboxStoreContract {
    private static let collapsing: [ContractCase<StoresUnderTest>] = [
        ContractCase("A collapse key replaces the unread item in its place, under its id") { stores in
            let user = Sample.user()
            let first = Sample.notification(category: "like", collapse: "post:9")
            let between = Sample.notification(category: "like")
            let second = Sample.notification(category: "like", collapse: "post:9", text: "two")
            let third = Sample.notification(category: "comment", collapse: "post:9", text: "three")
            for notification in [first, between, second] { try await stores.append(notification, to: user) }
            let outcome = try await stores.append(third, to: user)
            #expect(outcome.item == first.id.text && outcome.seq == 4)
            let frame = EventFrames.notification(
                seq: 4, third, item: first.id.text, updated: true, unread: unread(2))
            #expect(outcome.entry == AppendedEntry(seq: 4, id: third.id.text, previous: second.id.text, frame: frame))
            #expect(try await stores.items(of: user).map(\.text) == [item(between), item(third, id: first.id.text)])
            #expect(
                try await stores.counts(of: user)
                    == InboxCounts(unread: unread(2), byCategory: ["like": 1, "comment": 1]))
            let marked = try await stores.markRead(.ids([first.id.text]), of: user)
            #expect(marked.counts.byCategory == ["like": 1])
        },
        ContractCase("A collapse key leaves a read item alone") { stores in
            let user = Sample.user()
            let first = Sample.notification(collapse: "k", text: "one")
            let second = Sample.notification(collapse: "k", text: "two")
            let third = Sample.notification(collapse: "k", text: "three")
            try await stores.append(first, to: user)
            _ = try await stores.markRead(.ids([first.id.text]), of: user)
            let outcome = try await stores.append(second, to: user)
            #expect(outcome.item == second.id.text)
            #expect(
                outcome.entry?.frame.text
                    == EventFrames.notification(
                        seq: 3, second, item: second.id.text, updated: false, unread: unread(1)
                    ).text)
            #expect(try await stores.append(third, to: user).item == second.id.text)
            #expect(
                try await stores.items(of: user).map(\.text)
                    == [item(third, id: second.id.text), item(first, read: true)])
        },
        ContractCase("Different keys, no key, and other users do not collapse") { stores in
            let (user, other) = (Sample.user(), Sample.user())
            for key in ["a", "b", nil, nil, "a:b", "A"] as [String?] {
                try await stores.append(Sample.notification(collapse: key), to: user)
            }
            try await stores.append(Sample.notification(collapse: "a"), to: other)
            #expect(try await stores.counts(of: user).unread == unread(6))
            #expect(try await stores.counts(of: other).unread == unread(1))
        },
        ContractCase("Collapsing at the same time leaves one item and one event each") { stores in
            let user = Sample.user()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<30 {
                    group.addTask { try await stores.append(Sample.notification(collapse: "k"), to: user) }
                }
                try await group.waitForAll()
            }
            #expect(try await stores.counts(of: user).unread == unread(1))
            #expect(try await stores.items(of: user).count == 1)
            let entries = try await stores.read(user, after: 0).entries
            #expect(entries.count == 30)
            #expect(entries.filter { $0.frame.text.hasPrefix("{\"ev\":\"notification\",") }.map(\.seq) == [1])
        },
    ]
}

// MARK: The cap

extension InboxStoreContract {
    private static let capping: [ContractCase<StoresUnderTest>] = [
        ContractCase("A full inbox drops its oldest items, read or not, and its counts follow") { stores in
            let user = Sample.user()
            let cap = stores.limits.inboxItems
            let old = try await stores.append(count: 4, category: "old", to: user)
            _ = try await stores.markRead(.ids([old[1]]), of: user)
            try await stores.append(count: cap - 4, category: "new", to: user)
            #expect(
                try await stores.counts(of: user)
                    == InboxCounts(unread: unread(cap - 1), byCategory: ["old": 3, "new": cap - 4]))
            for (expectedUnread, expectedOld) in [(cap - 1, 2), (cap, 2), (cap, 1), (cap, nil)] {
                let notification = Sample.notification(category: "new")
                let outcome = try await stores.append(notification, to: user)
                #expect(
                    outcome.entry?.frame.text
                        == EventFrames.notification(
                            seq: outcome.seq, notification, item: notification.id.text, updated: false,
                            unread: unread(expectedUnread)
                        ).text)
                let counts = try await stores.counts(of: user)
                #expect(counts.unread == unread(expectedUnread) && counts.byCategory["old"] == expectedOld)
                #expect(try await stores.items(of: user).count == cap)
            }
            #expect(try await stores.markRead(.ids(old), of: user).entry == nil)
            #expect(try await stores.drift(of: user) == 0)
        },
        ContractCase("A collapse key whose item was dropped begins a new one") { stores in
            let user = Sample.user()
            try await stores.append(Sample.notification(collapse: "k"), to: user)
            try await stores.append(count: stores.limits.inboxItems, to: user)
            let again = Sample.notification(collapse: "k")
            #expect(try await stores.append(again, to: user).item == again.id.text)
            #expect(try await stores.counts(of: user).unread == unread(stores.limits.inboxItems))
        },
    ]
}
