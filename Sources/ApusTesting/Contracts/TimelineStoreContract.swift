import Core
import Notifications
import Testing
import Timelines

/// The promises of `TimelineStore`. What stands in timelines is brought there through the adapter's `InboxStore`.
public enum TimelineStoreContract {
    public static let cases: [ContractCase<StoresUnderTest>] = numbering + resuming + reading
}

// MARK: Numbers

extension TimelineStoreContract {
    private static let numbering: [ContractCase<StoresUnderTest>] = [
        ContractCase("A timeline comes into being when it is first opened, and keeps its epoch") { stores in
            let user = Sample.user()
            let first = try await stores.open(user)
            #expect(first.verdict == .fresh)
            #expect(!first.head.epoch.isEmpty)
            #expect(first.head.seq == 0 && first.head.last == "")
            #expect(first.unread == Unread(messages: 0, notifications: 0))
            #expect(first.entries.isEmpty)
            #expect(try await stores.open(user) == first)
            try await stores.append(Sample.notification(), to: user)
            #expect(try await stores.open(user).head.epoch == first.head.epoch)
        },
        ContractCase("A timeline comes into being when it is first appended to") { stores in
            let user = Sample.user()
            let notification = Sample.notification()
            let outcome = try await stores.append(notification, to: user)
            #expect(outcome.seq == 1)
            let head = try await stores.open(user).head
            #expect(head.seq == 1 && head.last == notification.id.text && !head.epoch.isEmpty)
        },
        ContractCase("Two timelines have different epochs") { stores in
            let a = try await stores.open(Sample.user())
            let b = try await stores.open(Sample.user())
            #expect(a.head.epoch != b.head.epoch)
        },
        ContractCase("seq is 1, 2, 3 … and each entry names the one before it") { stores in
            let user = Sample.user()
            var previous = ""
            for seq in Int64(1)...20 {
                let notification = Sample.notification()
                let outcome = try await stores.append(notification, to: user)
                let entry = try #require(outcome.entry)
                #expect(entry.seq == seq && outcome.seq == seq)
                #expect(entry.id == notification.id.text)
                #expect(entry.previous == previous)
                previous = entry.id
            }
            #expect(try await stores.open(user).head.last == previous)
        },
        ContractCase("Appends from many tasks get consecutive numbers, and none is lost") { stores in
            let user = Sample.user()
            let count = 60
            let outcomes = try await withThrowingTaskGroup(of: AppendOutcome.self) { group in
                for _ in 0..<count {
                    group.addTask { try await stores.append(Sample.notification(), to: user) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let entries = outcomes.compactMap(\.entry).sorted { $0.seq < $1.seq }
            #expect(entries.map(\.seq) == Array(1...Int64(count)))
            #expect(entries.dropFirst().map(\.previous) == entries.dropLast().map(\.id))
            #expect(entries.first?.previous == "")
            let page = try await stores.read(user, after: 0)
            #expect(page.entries == entries.map { TimelineEntry(seq: $0.seq, id: $0.id, frame: $0.frame) })
        },
        ContractCase("Calls made one after another without waiting are applied in that order") { stores in
            let user = Sample.user()
            let sent = (0..<40).map { _ in Sample.notification() }
            let opening = try await answer { (done: @escaping Completion<TimelineOpening>) in
                for notification in sent {
                    stores.inbox.append(notification, to: user, nowMilliseconds: Sample.now) { _ in }
                }
                stores.timelines.open(user, at: nil, limit: 1, done)
            }
            #expect(opening.head.seq == 40)
            #expect(try await stores.read(user, after: 0).entries.map(\.id) == sent.map(\.id.text))
        },
        ContractCase("Users whose ids look like parts of each other have their own timelines") { stores in
            let token = RandomToken.make(length: 10)
            let names =
                [token, "\(token):b", "\(token):b@c", "\(token)@c", "\(token):", "\(token):t", "\(token)=~+._-"]
                + [String(repeating: "x", count: 54) + token]
            let users = try names.map { try #require(UserID($0)) }
            for (index, user) in users.enumerated() { try await stores.append(count: index + 1, to: user) }
            let heads = try await stores.heads(users)
            #expect(heads.map(\.seq) == users.indices.map { Int64($0 + 1) })
            #expect(Set(heads.map(\.last)).count == users.count)
            for (index, user) in users.enumerated() {
                #expect(try await stores.read(user, after: 0).entries.count == index + 1)
                #expect(try await stores.counts(of: user).unread.notifications == index + 1)
                #expect(try await stores.items(of: user).count == index + 1)
            }
        },
    ]
}

// MARK: Resuming

extension TimelineStoreContract {
    private static let resuming: [ContractCase<StoresUnderTest>] = [
        ContractCase("Without a cursor the head is told and nothing is replayed") { stores in
            let user = Sample.user()
            try await stores.append(count: 3, to: user)
            let opening = try await stores.open(user)
            #expect(opening.verdict == .fresh && opening.entries.isEmpty)
            #expect(opening.head.seq == 3)
            #expect(opening.unread == Unread(messages: 0, notifications: 3))
        },
        ContractCase("A cursor at the head resumes with nothing to replay") { stores in
            let (user, head) = try await filled(stores, 5)
            let opening = try await stores.open(user, at: Cursor(epoch: head.epoch, seq: 5, last: head.last))
            #expect(opening.verdict == .resumed && opening.entries.isEmpty)
            #expect(opening.head == head)
        },
        ContractCase("A cursor in the middle resumes with every event after it, byte for byte") { stores in
            let user = Sample.user()
            let epoch = try await stores.open(user).head.epoch
            var appended: [AppendedEntry] = []
            for _ in 0..<6 { appended.append(try #require(await stores.append(Sample.notification(), to: user).entry)) }
            let opening = try await stores.open(user, at: Cursor(epoch: epoch, seq: 2, last: appended[1].id))
            #expect(opening.verdict == .resumed)
            let expected = appended.dropFirst(2).map { TimelineEntry(seq: $0.seq, id: $0.id, frame: $0.frame) }
            #expect(opening.entries == expected)
        },
        ContractCase("A cursor at 0 resumes with everything") { stores in
            let (user, head) = try await filled(stores, 4)
            let opening = try await stores.open(user, at: Cursor(epoch: head.epoch, seq: 0, last: nil))
            #expect(opening.verdict == .resumed)
            #expect(opening.entries.map(\.seq) == [1, 2, 3, 4])
        },
        ContractCase("A cursor at 0 of an empty timeline resumes") { stores in
            let user = Sample.user()
            let epoch = try await stores.open(user).head.epoch
            let opening = try await stores.open(user, at: Cursor(epoch: epoch, seq: 0, last: nil))
            #expect(opening.verdict == .resumed && opening.entries.isEmpty)
        },
        ContractCase("A cursor without an id resumes by its number") { stores in
            let (user, head) = try await filled(stores, 4)
            let opening = try await stores.open(user, at: Cursor(epoch: head.epoch, seq: 3, last: nil))
            #expect(opening.verdict == .resumed)
            #expect(opening.entries.map(\.seq) == [4])
        },
        ContractCase("A cursor beyond the head is ahead") { stores in
            let (user, head) = try await filled(stores, 4)
            let opening = try await stores.open(user, at: Cursor(epoch: head.epoch, seq: 5, last: "x"))
            #expect(opening.verdict == .resync(.ahead) && opening.entries.isEmpty)
            #expect(opening.head == head)
        },
        ContractCase("A cursor whose id is not the one at its number does not fit") { stores in
            let (user, head) = try await filled(stores, 4)
            for seq in Int64(1)...4 {
                let opening = try await stores.open(user, at: Cursor(epoch: head.epoch, seq: seq, last: "another"))
                #expect(opening.verdict == .resync(.idMismatch) && opening.entries.isEmpty)
            }
        },
        ContractCase("A cursor of another epoch is refused, whatever its number") { stores in
            let (user, head) = try await filled(stores, 4)
            for seq in [Int64(0), 2, 4, 9] {
                let opening = try await stores.open(user, at: Cursor(epoch: "other", seq: seq, last: head.last))
                #expect(opening.verdict == .resync(.epochChanged) && opening.entries.isEmpty)
                #expect(opening.head == head)
            }
        },
        ContractCase("A cursor of a timeline that is not there is of another epoch") { stores in
            let user = Sample.user()
            let opening = try await stores.open(user, at: Cursor(epoch: "gone", seq: 12, last: "x"))
            #expect(opening.verdict == .resync(.epochChanged))
            #expect(opening.head.seq == 0 && !opening.head.epoch.isEmpty)
        },
        ContractCase("A replay longer than the limit is cut there and read on without a hole") { stores in
            let (user, head) = try await filled(stores, 17)
            let opening = try await stores.open(user, at: Cursor(epoch: head.epoch, seq: 2, last: nil), limit: 5)
            #expect(opening.verdict == .resumed)
            var got = opening.entries
            #expect(got.map(\.seq) == [3, 4, 5, 6, 7])
            while let last = got.last, last.seq < head.seq {
                let page = try await stores.read(user, after: last.seq, last: last.id, epoch: head.epoch, limit: 5)
                #expect(page.resync == nil && page.head == head)
                #expect(page.more == (page.entries.last.map { $0.seq < head.seq } ?? true))
                got += page.entries
                try #require(!page.entries.isEmpty)
            }
            #expect(got.map(\.seq) == Array(3...17))
        },
    ]

    /// A user with that many events.
    private static func filled(_ stores: StoresUnderTest, _ count: Int) async throws -> (UserID, TimelineHead) {
        let user = Sample.user()
        try await stores.append(count: count, to: user)
        return (user, try await stores.open(user).head)
    }
}

// MARK: Reading and trimming

extension TimelineStoreContract {
    private static let reading: [ContractCase<StoresUnderTest>] = [
        ContractCase("Reading compares the id and the epoch when they are given") { stores in
            let (user, head) = try await filled(stores, 5)
            let all = try await stores.read(user, after: 0)
            #expect(all.entries.map(\.seq) == [1, 2, 3, 4, 5] && all.resync == nil && all.head == head && !all.more)
            let id = all.entries[2].id
            let good = try await stores.read(user, after: 3, last: id, epoch: head.epoch)
            #expect(good.entries.map(\.seq) == [4, 5] && good.resync == nil)
            let wrongID = try await stores.read(user, after: 3, last: "another", epoch: head.epoch)
            #expect(wrongID.resync == .idMismatch && wrongID.entries.isEmpty && wrongID.head == head)
            let wrongEpoch = try await stores.read(user, after: 3, last: id, epoch: "other")
            #expect(wrongEpoch.resync == .epochChanged && wrongEpoch.entries.isEmpty)
            let ahead = try await stores.read(user, after: 6)
            #expect(ahead.resync == .ahead && ahead.entries.isEmpty && !ahead.more)
            let atHead = try await stores.read(user, after: 5, last: head.last, epoch: head.epoch)
            #expect(atHead.resync == nil && atHead.entries.isEmpty && !atHead.more)
        },
        ContractCase("Frames are those of EventFrames and never change afterwards") { stores in
            let user = Sample.user()
            let first = Sample.notification(collapse: "post:9", text: "first")
            let second = Sample.notification(collapse: "post:9", text: "second")
            try await stores.append(first, to: user)
            try await stores.append(second, to: user)
            _ = try await stores.markRead(.all, of: user)
            let one = Unread(messages: 0, notifications: 1)
            let page = try await stores.read(user, after: 0)
            try #require(page.entries.count == 3)
            #expect(
                page.entries[0].frame.text
                    == EventFrames.notification(
                        seq: 1, first, item: first.id.text, updated: false, unread: one
                    ).text)
            #expect(
                page.entries[1].frame.text
                    == EventFrames.notification(
                        seq: 2, second, item: first.id.text, updated: true, unread: one
                    ).text)
        },
        ContractCase("Heads come in the order of the question, and asking creates nothing") { stores in
            let (known, unknown, opened) = (Sample.user(), Sample.user(), Sample.user())
            try await stores.append(count: 2, to: known)
            let openedHead = try await stores.open(opened).head
            let heads = try await stores.heads([unknown, known, opened, unknown])
            try #require(heads.count == 4)
            #expect(heads[0] == TimelineHead(epoch: "", seq: 0, last: ""))
            #expect(heads[1] == (try await stores.open(known).head))
            #expect(heads[2] == openedHead)
            #expect(heads[3] == heads[0])
            #expect(try await stores.heads([]).isEmpty)
            #expect(try await stores.heads([unknown]).first?.epoch == "")
        },
        ContractCase("A long timeline keeps its newest events; an older position is trimmed, never a part of the whole")
        {
            stores in
            let user = Sample.user()
            let kept = Int64(stores.limits.timelineEvents)
            let total = Int(kept) * 2 + 7
            try await stores.append(count: total, to: user)
            let head = try await stores.open(user).head
            #expect(head.seq == Int64(total))

            for seq in [Int64(0), 1, kept - 1] {
                let opening = try await stores.open(user, at: Cursor(epoch: head.epoch, seq: seq, last: nil))
                #expect(opening.verdict == .resync(.trimmed) && opening.entries.isEmpty)
                let page = try await stores.read(user, after: seq)
                #expect(page.resync == .trimmed && page.entries.isEmpty)
            }
            let page = try await stores.read(user, after: head.seq - kept, limit: Int(kept))
            #expect(page.resync == nil)
            #expect(page.entries.map(\.seq) == Array(head.seq - kept + 1...head.seq))
            let oldest = try #require(page.entries.first)
            let resumed = try await stores.open(
                user, at: Cursor(epoch: head.epoch, seq: oldest.seq, last: oldest.id), limit: 3)
            #expect(resumed.verdict == .resumed && resumed.entries.map(\.seq) == [1, 2, 3].map { oldest.seq + $0 })
            let mismatch = try await stores.open(user, at: Cursor(epoch: head.epoch, seq: oldest.seq, last: "another"))
            #expect(mismatch.verdict == .resync(.idMismatch))
        },
        ContractCase("The newest event is kept, however old it is") { stores in
            let user = Sample.user()
            let later = Sample.now + stores.limits.timelineMilliseconds * 3
            try await stores.append(count: 3, to: user)
            try await stores.append(count: 1, to: user, at: later)
            let head = try await stores.open(user).head
            #expect(head.seq == 4)
            let page = try await stores.read(user, after: 3)
            #expect(page.resync == nil && page.entries.map(\.id) == [head.last])
            let resumed = try await stores.open(user, at: Cursor(epoch: head.epoch, seq: 4, last: head.last))
            #expect(resumed.verdict == .resumed)
            let past = try await stores.open(user, at: Cursor(epoch: head.epoch, seq: 0, last: nil))
            #expect(past.verdict == .resync(.trimmed) || past.entries.map(\.seq) == [1, 2, 3, 4])
        },
    ]
}
