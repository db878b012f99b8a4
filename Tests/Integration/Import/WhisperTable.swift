import ApusTesting
import Foundation
import GRDB

/// A table p_message of a small community, and what Apus must show after it was imported.
struct WhisperTable {
    struct Row: Hashable {
        var id: Int
        var sender: Int
        var receiver: Int
        var type = 4
        var content: String
        var isRead: Bool
        var at: Int
        var isDeleted = false

        var conversation: String { Self.conversation(sender, receiver) }

        static func conversation(_ one: Int, _ other: Int) -> String {
            let (a, b) = ("\(one)", "\(other)")
            return a < b ? "d:\(a):\(b)" : "d:\(b):\(a)"
        }
    }

    private static let contents = [
        "hello", "a, b", "he said \"hi\"", "two\nlines", "tab\there", "back\\slash \\N \\n", "泡泡 🫧", "", "NULL", "\\N",
        "unit\u{1F}separator", "{\"text\":1}", "'; --", "\r\n",
    ]

    /// In the order of the file, which is not that of time.
    private(set) var rows: [Row] = []

    /// - Parameters:
    ///   - pairs: Conversations; user ids differ in their lengths, so that their order as text is another one.
    ///   - start: When the first one was written; seconds since 1970.
    init(seed: UInt64, users: Int, pairs: Int, whispers: Int, start: Int = 1_700_000_000) {
        var random = SeededGenerator(seed: seed)
        let names = (0..<users).map { $0 % 3 == 0 ? 90 + $0 : 100_000 + $0 }
        var talks: Set<[Int]> = []
        while talks.count < pairs {
            let (a, b) = (
                names[Int.random(in: 0..<users, using: &random)], names[Int.random(in: 0..<users, using: &random)]
            )
            if a != b { talks.insert([min(a, b), max(a, b)]) }
        }
        let list = talks.sorted { ($0[0], $0[1]) < ($1[0], $1[1]) }
        var (at, before) = (start, [0, 0])
        for id in 1...whispers {
            // A few talk much.
            let pair = list[min(Int.random(in: 0..<pairs, using: &random), Int.random(in: 0..<pairs, using: &random))]
            // Weeks in all: no deduplication of a day helps. Two of one conversation may have the same second.
            at += pair == before ? Int.random(in: 0...1, using: &random) : Int.random(in: 1...9000, using: &random)
            before = pair
            let isUp = Bool.random(using: &random)
            let text = Self.contents[Int.random(in: 0..<Self.contents.count, using: &random)]
            rows.append(
                Row(
                    id: 1000 + id * 3, sender: pair[isUp ? 0 : 1], receiver: pair[isUp ? 1 : 0],
                    content: id % 5 == 0 ? text : "\(text) \(id)", isRead: Int.random(in: 0..<100, using: &random) < 85,
                    at: at))
        }
        rows.shuffle(using: &random)
    }

    init(_ rows: [Row]) { self.rows = rows }

    mutating func add(_ more: [Row]) { rows += more }

    // MARK: What must be there

    /// The whispers that count, by conversation and in their order.
    var conversations: [String: [Row]] {
        Dictionary(
            grouping: rows.filter { $0.type == 4 && !$0.isDeleted && $0.sender != $0.receiver }, by: \.conversation
        )
        .mapValues { $0.sorted { ($0.at, $0.id) < ($1.at, $1.id) } }
    }

    var users: [Int] { Set(conversations.values.flatMap { $0.flatMap { [$0.sender, $0.receiver] } }).sorted() }

    /// How far somebody has read: the newest received one before which nothing received is unread.
    static func readN(_ user: Int, _ rows: [Row]) -> Int {
        var read = 0
        for (index, row) in rows.enumerated() where row.receiver == user {
            guard row.isRead else { break }
            read = index + 1
        }
        return read
    }

    static func unread(_ user: Int, _ rows: [Row]) -> Int {
        rows.dropFirst(readN(user, rows)).count { $0.receiver == user }
    }

    // MARK: Files

    /// As `COPY … TO … CSV HEADER` writes it.
    func csv() -> String {
        let lines = rows.map { row in
            let content = "\"" + row.content.replacingOccurrences(of: "\"", with: "\"\"") + "\""
            return
                "\(row.id),\(row.type),\(row.sender),\(row.receiver),brief,\(content),0,\(row.isRead ? 1 : 0),\(row.at),"
                + "\(row.isDeleted ? row.at : 0),\(row.isDeleted ? 1 : 0)\n"
        }
        return "id,type,sender_user_id,receiver_user_id,brief,content,post_id,is_read,created_on,deleted_on,is_del\n"
            + lines.joined()
    }

    /// As `mysql --batch` writes it.
    func tsv() -> String {
        let lines = rows.map { row in
            let content = row.content.replacingOccurrences(of: "\\", with: "\\\\")
                .replacingOccurrences(of: "\n", with: "\\n").replacingOccurrences(of: "\t", with: "\\t")
            return
                "\(row.id)\t\(row.sender)\t\(row.receiver)\t\(row.type)\t\(content)\t\(row.isRead ? 1 : 0)\t\(row.at)\t"
                + "\(row.isDeleted ? 1 : 0)\tNULL\n"
        }
        return "id\tsender_user_id\treceiver_user_id\ttype\tcontent\tis_read\tcreated_on\tis_del\tdeleted_on\n"
            + lines.joined()
    }

    /// As paopao's own file is.
    func write(sqlite path: String) async throws {
        let rows = rows
        try await DatabaseQueue(path: path).write { db in
            try db.execute(
                sql: """
                    CREATE TABLE "p_message" ("id" integer NOT NULL, "sender_user_id" integer NOT NULL,
                        "receiver_user_id" integer NOT NULL, "type" integer NOT NULL, "content" text(255) NOT NULL,
                        "is_read" integer NOT NULL, "created_on" integer NOT NULL, "is_del" integer NOT NULL,
                        PRIMARY KEY ("id"))
                    """)
            for row in rows {
                try db.execute(
                    sql: "INSERT INTO p_message VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    arguments: [
                        row.id, row.sender, row.receiver, row.type, row.content, row.isRead, row.at, row.isDeleted,
                    ])
            }
        }
    }
}
