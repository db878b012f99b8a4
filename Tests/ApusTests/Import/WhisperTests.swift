import Core
import Testing

@testable import apus

@Suite("Rows of p_message")
struct WhisperTests {
    private static let now: Int64 = 1_800_000_000
    private static let names = [
        "is_del", "content", "ID", "sender_user_id", "receiver_user_id", "type", "is_read", "created_on", "brief",
        "deleted_on",
    ]

    private func columns(_ names: [String] = Self.names) throws -> WhisperColumns {
        try WhisperColumns(names, path: "x.csv", nowSeconds: Self.now)
    }

    /// A row that is right but for what `changed` says.
    private func row(_ changed: [String: String?] = [:]) -> SourceRow {
        let usual = [
            "is_del": "0", "content": "hi \"you\"\n", "ID": "7", "sender_user_id": "100059",
            "receiver_user_id": "100058",
            "type": "4", "is_read": "1", "created_on": "1700000000", "brief": "", "deleted_on": "0",
        ]
        return SourceRow(
            place: "line 2",
            fields: Self.names.map { name in (changed[name] ?? usual[name]).map { Array($0.utf8) } })
    }

    private func reason(_ changed: [String: String?]) throws -> Whisper.Reason? {
        guard case .failure(let passed) = try columns().whisper(row(changed)) else { return nil }
        return passed.reason
    }

    @Test("columns may come in any order, in capitals, and with others between them")
    func whisper() throws {
        let whisper = try columns().whisper(row()).get()
        #expect(
            whisper
                == Whisper(
                    id: 7, sender: 100_059, receiver: 100_058, createdSeconds: 1_700_000_000, isRead: true,
                    content: Array("hi \"you\"\n".utf8)))
        #expect(String(decoding: Whisper.body(whisper.content), as: UTF8.self) == #"{"text":"hi \"you\"\n"}"#)
        #expect(try columns().whisper(row(["is_read": "0"])).get().isRead == false)
        #expect(try columns().whisper(row(["is_read": "t"])).get().isRead)
        #expect(try columns().whisper(row(["content": ""])).get().content == [])
        #expect(try columns().whisper(row(["deleted_on": "NULL"])).get().id == 7)
    }

    @Test("a row that cannot be used has a reason")
    func reasons() throws {
        #expect(try reason(["type": "2"]) == .otherType)
        #expect(try reason(["type": "2", "ID": "x"]) == .otherType)
        #expect(try reason(["type": "four"]) == .malformed)
        #expect(try reason(["is_del": "1"]) == .deleted)
        #expect(try reason(["deleted_on": "1700000001"]) == .deleted)
        for id in ["0", "-1", "1.5", "", "99999999999999999999"] { #expect(try reason(["ID": id]) == .badID) }
        #expect(try reason(["ID": nil]) == .badID)
        #expect(try reason(["sender_user_id": "0"]) == .badUser)
        #expect(try reason(["receiver_user_id": "bob"]) == .badUser)
        #expect(try reason(["receiver_user_id": "100059"]) == .toOneself)
        for time in ["0", "", "1700000000000", "2023-11-14"] { #expect(try reason(["created_on": time]) == .badTime) }
        #expect(try reason(["content": nil]) == .badContent)
        #expect(try reason(["content": String(repeating: "\u{1}", count: 3000)]) == .tooLong)
        var latin = row()
        latin.fields[1] = [0x63, 0xE4]
        #expect(throws: WhisperColumns.Passed(.badContent, id: 7)) { try columns().whisper(latin).get() }
        #expect(throws: WhisperColumns.Passed(.malformed)) {
            try columns().whisper(SourceRow(place: "line 2", fields: row().fields.dropLast())).get()
        }
    }

    @Test("a column that is missing or doubled is named")
    func missing() throws {
        for name in ["id", "sender_user_id", "receiver_user_id", "type", "content", "is_read", "created_on"] {
            let error = #expect(throws: ImportFileError.self) {
                try columns(Self.names.filter { $0.lowercased() != name })
            }
            #expect(error?.description.contains("no column \(name);") == true)
            let doubled = #expect(throws: ImportFileError.self) { try columns(Self.names + [name]) }
            #expect(doubled?.description.contains("\(name) twice") == true)
        }
        _ = try columns(Self.names.filter { $0 != "is_del" && $0 != "deleted_on" })
    }
}

@Suite("How far somebody has read")
struct ReadFrontierTests {
    @Test("is the newest received whisper before which nothing received is unread")
    func frontier() {
        var frontier = ReadFrontier()
        frontier.take(id: 10, sentByLow: true, isRead: true, n: nil)
        frontier.take(id: 11, sentByLow: true, isRead: true, n: 2)
        frontier.take(id: 12, sentByLow: false, isRead: false, n: 3)
        frontier.take(id: 13, sentByLow: true, isRead: false, n: 4)
        frontier.take(id: 14, sentByLow: true, isRead: true, n: 5)
        #expect(frontier.mark(ofLow: false) == .init(id: 11, n: 2, index: 1))
        #expect(frontier.mark(ofLow: true) == nil, "what the low one received is unread")
        #expect(frontier.readAfterUnread == 1, "the one after the hole counts as unread")
        #expect(frontier.count == 5)
    }
}

@Suite("What an import reports")
struct ImportReportTests {
    @Test("the first offenders of each reason are named, those that are as they should be are only counted")
    func offenders() {
        var counts = ImportCounts()
        for line in 1...7 { counts.pass(.init(.toOneself, id: Int64(line)), at: "line \(line)") }
        counts.pass(.init(.otherType), at: "line 9")
        (counts.rows, counts.whispers, counts.imported, counts.alreadyThere) = (20, 12, 5, 4)
        counts.refused = [.init(conversation: "d:1:2", left: 3, why: "newer messages are there already")]
        let text = ImportReport.summary(counts, isDry: false)
        #expect(text.contains(/to oneself +7 {2}line 1 \(id 1\), .*line 5 \(id 5\), …/))
        #expect(text.contains(/another type +1\n/))
        #expect(text.contains(/not imported +3\n/))
        #expect(text.contains("d:1:2: 3 whispers not imported: newer messages"))
        #expect(!ImportReport.summary(counts, isDry: true).contains("imported  "))
    }

    @Test("counts add up over batches")
    func adding() {
        var sum = ImportCounts()
        for batch in 0..<3 {
            var counts = ImportCounts()
            for line in 0..<3 { counts.pass(.init(.badTime), at: "line \(batch * 3 + line)") }
            counts.rows = 10
            sum.add(counts)
        }
        #expect(sum.rows == 30)
        #expect(sum.passed[.badTime]?.count == 9)
        #expect(sum.passed[.badTime]?.first == (0..<5).map { "line \($0)" })
    }
}
