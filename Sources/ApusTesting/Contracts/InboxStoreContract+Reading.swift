import Core
import Notifications
import Testing
import Timelines

// MARK: Pages

extension InboxStoreContract {
    static let paging: [ContractCase<StoresUnderTest>] = [
        ContractCase("Pages go from the newest to the oldest without doubles or holes, full ones until the last") {
            stores in
            let user = Sample.user()
            let ids = try await stores.append(count: 12, to: user)
            var got: [String] = []
            var query = InboxQuery(limit: 5)
            for expected in [5, 5, 2] {
                let page = try await stores.page(query, of: user)
                #expect(page.items.count == expected)
                #expect(page.counts.unread == unread(12))
                #expect((page.cursor == nil) == (expected == 2))
                got += page.items.map(\.text)
                query.before = page.cursor
            }
            #expect(got.map { id(in: $0) } == ids.reversed())
            #expect(try await stores.page(InboxQuery(limit: 12), of: user).cursor == nil)
            #expect(try await stores.page(InboxQuery(limit: 11), of: user).cursor != nil)
        },
        ContractCase("A page goes on where it was, whatever arrives or changes meanwhile") { stores in
            let user = Sample.user()
            let first = Sample.notification(collapse: "k")
            try await stores.append(first, to: user)
            let ids = [first.id.text] + (try await stores.append(count: 9, to: user))
            let page = try await stores.page(InboxQuery(limit: 4), of: user)
            #expect(page.items.map { id(in: $0.text) } == Array(ids.reversed().prefix(4)))
            try await stores.append(count: 3, to: user)
            try await stores.append(Sample.notification(collapse: "k"), to: user)
            _ = try await stores.markRead(.upTo(ids[5]), of: user)
            let next = try await stores.page(InboxQuery(before: page.cursor, limit: 200), of: user)
            #expect(next.items.map { id(in: $0.text) } == Array(ids.reversed().dropFirst(4)))
        },
        ContractCase("A page goes on although the item it ended with is gone") { stores in
            let user = Sample.user()
            let cap = stores.limits.inboxItems
            let ids = try await stores.append(count: cap, to: user)
            let page = try await stores.page(InboxQuery(limit: cap - 2), of: user)
            try await stores.append(count: 3, to: user)
            let next = try await stores.page(InboxQuery(before: page.cursor, limit: 5), of: user)
            #expect(next.items.isEmpty && next.cursor == nil, "\(ids.count)")
        },
        ContractCase("Pages of one category, of the unread, and of both") { stores in
            let user = Sample.user()
            var expected: [(id: String, category: String, read: Bool)] = []
            for index in 0..<24 {
                let notification = Sample.notification(category: ["like", "comment", "follow"][index % 3])
                try await stores.append(notification, to: user)
                expected.insert((notification.id.text, notification.category, index % 4 == 0), at: 0)
            }
            _ = try await stores.markRead(.ids(expected.filter(\.read).map(\.id)), of: user)
            for category in ["like", "follow", "absent", nil] {
                for unreadOnly in [true, false] {
                    let items = try await stores.items(of: user, limit: 3, category: category, unreadOnly: unreadOnly)
                    let wanted = expected.filter {
                        (category == nil || $0.category == category) && !(unreadOnly && $0.read)
                    }
                    #expect(items.map { id(in: $0.text) } == wanted.map(\.id))
                    #expect(items.map { $0.text.hasSuffix(",\"read\":true}") } == wanted.map(\.read))
                }
            }
            let page = try await stores.page(InboxQuery(limit: 1, category: "like", unreadOnly: true), of: user)
            #expect(page.counts == InboxCounts(unread: unread(18), byCategory: ["like": 6, "comment": 6, "follow": 6]))
        },
        ContractCase("A cursor that no page gave finds nothing") { stores in
            let user = Sample.user()
            try await stores.append(count: 3, to: user)
            for cursor in ["", "x", "-1", "1e9x", "9223372036854775808", "'; DROP", "nan"] {
                let page = try await stores.page(InboxQuery(before: cursor, limit: 5), of: user)
                #expect(page.items.isEmpty && page.cursor == nil, "\(cursor)")
                #expect(page.counts.unread == unread(3))
            }
        },
    ]

    /// The id of an item as it stands in a page.
    static func id(in item: String) -> String {
        String(item.dropFirst("{\"id\":\"".count).prefix { $0 != "\"" })
    }
}

// MARK: Marks

extension InboxStoreContract {
    static let marking: [ContractCase<StoresUnderTest>] = [
        ContractCase(
            "Items are marked by their ids; the event names those that were unread, in the order of the request"
        ) {
            stores in
            let user = Sample.user()
            let ids = try await stores.append(count: 4, to: user)
            let event = Sample.eventID("mark-1")
            let first = try await stores.markRead(
                .ids([ids[2], "unknown", ids[0], ids[2]]), of: user, id: event, at: Sample.now + 7)
            let frame = EventFrames.inboxRead(
                seq: 5, id: event, timestamp: Sample.now + 7, selection: .ids([ids[2], ids[0]]), category: nil,
                unread: unread(2))
            let entry = AppendedEntry(seq: 5, id: "mark-1", previous: ids[3], frame: frame)
            #expect(first.entry?.frame.text == frame.text)
            #expect(first.entry == entry)
            #expect(first.counts == InboxCounts(unread: unread(2), byCategory: ["like": 2]))
            #expect(try await stores.read(user, after: 4).entries.map(\.frame) == [frame])

            let more = try await stores.markRead(.ids([ids[0], ids[1]]), of: user, id: Sample.eventID("mark-2"))
            #expect(
                more.entry?.frame.text
                    == EventFrames.inboxRead(
                        seq: 6, id: Sample.eventID("mark-2"), timestamp: Sample.now, selection: .ids([ids[1]]),
                        category: nil,
                        unread: unread(1)
                    ).text)
            #expect(more.entry?.previous == "mark-1")
            #expect(try await stores.items(of: user, unreadOnly: true).map { id(in: $0.text) } == [ids[3]])
        },
        ContractCase("Marking again, or marking nothing, appends nothing") { stores in
            let user = Sample.user()
            let ids = try await stores.append(count: 2, to: user)
            #expect(try await stores.markRead(.ids(ids), of: user).entry != nil)
            let selections: [ReadSelection] = [
                .ids(ids), .ids([]), .ids(["unknown"]), .upTo(ids[1]), .upTo("unknown"), .all,
            ]
            for selection in selections {
                let again = try await stores.markRead(selection, of: user)
                #expect(again.entry == nil)
                #expect(again.counts == InboxCounts(unread: unread(0), byCategory: [:]))
            }
            #expect(try await stores.open(user).head.seq == 3)
        },
        ContractCase("Marking up to an item marks it and all older ones") { stores in
            let user = Sample.user()
            let ids = try await stores.append(count: 5, to: user)
            let event = Sample.eventID("up-to")
            let outcome = try await stores.markRead(.upTo(ids[2]), of: user, id: event)
            #expect(
                outcome.entry?.frame.text
                    == EventFrames.inboxRead(
                        seq: 6, id: event, timestamp: Sample.now, selection: .upTo(ids[2]), category: nil,
                        unread: unread(2)
                    ).text)
            #expect(try await stores.items(of: user, unreadOnly: true).map { id(in: $0.text) } == [ids[4], ids[3]])
            #expect(try await stores.markRead(.upTo(ids[1]), of: user).entry == nil)
            #expect(try await stores.markRead(.upTo("unknown"), of: user).entry == nil)
            #expect(try await stores.markRead(.upTo(ids[3]), of: user).counts.unread == unread(1))
        },
        ContractCase("Marking all marks everything, once") { stores in
            let user = Sample.user()
            try await stores.append(count: 3, category: "a", to: user)
            try await stores.append(count: 2, category: "b", to: user)
            let event = Sample.eventID("all")
            let outcome = try await stores.markRead(.all, of: user, id: event)
            #expect(
                outcome.entry?.frame.text
                    == EventFrames.inboxRead(
                        seq: 6, id: event, timestamp: Sample.now, selection: .all, category: nil, unread: unread(0)
                    ).text)
            #expect(outcome.counts == InboxCounts(unread: unread(0), byCategory: [:]))
            #expect(try await stores.items(of: user).count == 5)
            #expect(try await stores.open(user).unread == unread(0))
        },
        ContractCase("With a category only items of it are marked") { stores in
            let user = Sample.user()
            let a = try await stores.append(count: 2, category: "a", to: user)
            let b = try await stores.append(count: 2, category: "b", to: user)
            let a2 = try await stores.append(count: 1, category: "a", to: user)
            let event = Sample.eventID("category")
            #expect(try await stores.markRead(.ids([a[0]]), category: "b", of: user).entry == nil)
            #expect(try await stores.markRead(.all, category: "absent", of: user).entry == nil)
            let byIDs = try await stores.markRead(.ids([b[1], a[1]]), category: "a", of: user, id: event)
            #expect(
                byIDs.entry?.frame.text
                    == EventFrames.inboxRead(
                        seq: 6, id: event, timestamp: Sample.now, selection: .ids([a[1]]), category: "a",
                        unread: unread(4)
                    ).text)
            #expect(byIDs.counts.byCategory == ["a": 2, "b": 2])
            // The item named is of another category; it still says how far.
            let upTo = try await stores.markRead(.upTo(b[0]), category: "a", of: user, id: event)
            #expect(
                upTo.entry?.frame.text
                    == EventFrames.inboxRead(
                        seq: 7, id: event, timestamp: Sample.now, selection: .upTo(b[0]), category: "a",
                        unread: unread(3)
                    ).text)
            let all = try await stores.markRead(.all, category: "b", of: user, id: event)
            #expect(
                all.entry?.frame.text
                    == EventFrames.inboxRead(
                        seq: 8, id: event, timestamp: Sample.now, selection: .all, category: "b", unread: unread(1)
                    ).text)
            #expect(try await stores.items(of: user, unreadOnly: true).map { id(in: $0.text) } == a2)
        },
        ContractCase("Marks of many tasks at once mark each item once") { stores in
            let user = Sample.user()
            let ids = try await stores.append(count: 20, to: user)
            let outcomes = try await withThrowingTaskGroup(of: ReadOutcome.self) { group in
                for index in 0..<40 {
                    group.addTask {
                        try await stores.markRead(.ids([ids[index % 20]]), of: user, id: .new(atMilliseconds: 0))
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.compactMap(\.entry).count == 20)
            #expect(try await stores.counts(of: user).unread == unread(0))
            #expect(try await stores.drift(of: user) == 0)
        },
        ContractCase("A user's marks leave other users alone, though the ids are the same") { stores in
            let (user, other) = (Sample.user(), Sample.user())
            let notification = Sample.notification()
            for one in [user, other] { try await stores.append(notification, to: one) }
            _ = try await stores.markRead(.ids([notification.id.text]), of: user)
            #expect(try await stores.counts(of: user).unread == unread(0))
            #expect(try await stores.counts(of: other).unread == unread(1))
        },
    ]
}
