import Chat
import Core
import Testing

@Suite("Entries that are older than timelines keep events")
struct OldEntryTests {
    private static let now: Int64 = 1_800_000_000_000
    private static let week = Int64(Limits.timelineDaysMax) * 86_400_000

    private func page(_ times: Int64...) throws -> EntryPage {
        let author = try #require(UserID("ann"))
        let entries = times.enumerated().map { index, time in
            LogEntry(
                position: EntryPosition(number: Int64(index + 1), id: "e\(index + 1)"), timestampMilliseconds: time,
                author: author, messages: Int64(index + 1), content: .message(cid: "c\(index)", body: Array("{}".utf8)))
        }
        let head = try #require(entries.last?.position)
        return EntryPage(from: .start, isForked: false, entries: entries, head: head, members: [author])
    }

    @Test(
        "are not written into them: the member reads the conversation afresh, be it a sweeper or a new message that finds it"
    )
    func described() throws {
        for (first, isOld) in [(Self.now - Self.week - 1, true), (Self.now - Self.week, false)] {
            let page = try page(first, Self.now)
            var (sweep, _) = FanOut.catchUp(to: page.head, nowMilliseconds: Self.now)
            _ = sweep.advanced(.gap(after: nil), by: AdvanceStep(from: page.head, entries: []))
            #expect((sweep.read(page, after: nil) == .describe) == isOld)

            let ticket = FanOutTicket(conversation: .newGroup(), mark: "1")
            let commit = Commit(
                entry: page.entries[1], previous: page.entries[0].position, members: page.members, isFannedOut: true,
                isLarge: false, ticket: ticket)
            var (fanOut, _) = FanOut.begin(commit, for: page.members[0], nowMilliseconds: Self.now)
            #expect((fanOut.read(page, after: nil) == .describe) == isOld)
        }
    }
}
