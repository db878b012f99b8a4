import ApusTesting
import Foundation
import GRDB
import Testing

@testable import Embedded

@Suite("Sorting more records than memory should hold")
struct PairSorterTests {
    private func record(_ id: Int64, _ low: Int64, _ high: Int64, at: Int64, bytes: Int = 10) -> PairSorter.Record {
        PairSorter.Record(
            id: id, low: low, high: high, at: at, flags: id % 4,
            payload: Array(repeating: UInt8(id % 251), count: bytes))
    }

    @Test("200,000 records come out by pairs and in order, and pages go on where the last one ended")
    func many() async throws {
        var random = SeededGenerator(seed: 7)
        let sorter = try PairSorter()
        var all: [PairSorter.Record] = []
        for id in 1...Int64(200_000) {
            let (one, other) = (Int64.random(in: 1...300, using: &random), Int64.random(in: 301...600, using: &random))
            let at = Int64.random(in: 1...50_000, using: &random)
            all.append(record(id, one, other, at: at, bytes: Int.random(in: 0...600, using: &random)))
        }
        let shuffled = all.shuffled(using: &random)
        for start in stride(from: 0, to: shuffled.count, by: 5000) {
            #expect(try await sorter.add(Array(shuffled[start..<start + 5000])) == [])
        }
        let (pairs, parties) = try await sorter.sort()
        let expected = Dictionary(grouping: all) { [$0.low, $0.high] }.mapValues { $0.sorted { $0.place < $1.place } }
        #expect(pairs == expected.count)
        #expect(parties == 600)
        var (rank, seen, newest): (Int64, Int, Int64) = (0, 0, 0)
        while let page = try await Optional(sorter.pairs(after: rank, limit: 1000)), let last = page.last {
            #expect(page.map(\.rank) == Array(rank + 1...last.rank))
            rank = last.rank
            for pair in page {
                let wanted = try #require(expected[[pair.low, pair.high]])
                #expect(pair.records == wanted.count)
                let at = try #require(wanted.last?.at)
                #expect(at >= newest, "pairs come in the order of their newest records")
                (newest, seen) = (at, seen + 1)
                guard seen % 50 == 0 else { continue }
                var found = try await sorter.records(of: pair, after: nil, limit: 2)
                found += try await sorter.records(of: pair, after: found.last?.place, limit: 1000)
                #expect(found == wanted)
            }
        }
        #expect(seen == pairs)
    }

    @Test("the second record of an id is left out and told, and a record is found only in its pair")
    func doubled() async throws {
        let sorter = try PairSorter()
        #expect(try await sorter.add([record(1, 1, 2, at: 5), record(1, 1, 2, at: 6), record(2, 1, 3, at: 1)]) == [1])
        #expect(try await sorter.add([record(2, 1, 2, at: 9)]) == [2])
        _ = try await sorter.sort()
        let pairs = try await sorter.pairs(after: 0, limit: 10)
        #expect(pairs.map(\.high) == [3, 2])
        #expect(try await sorter.place(of: 2, in: pairs[0]) == PairSorter.Place(at: 1, id: 2))
        #expect(try await sorter.place(of: 1, in: pairs[0]) == nil)
        #expect(try await sorter.place(of: 9, in: pairs[0]) == nil)
    }
}

@Suite("Reading another program's SQLite file")
struct TableReaderTests {
    private func withTable<Value>(_ sql: String, _ body: (String) async throws -> Value) async throws -> Value {
        let folder = try TestFolder.make("table")
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("p.sqlite").path
        let queue = try DatabaseQueue(path: path)
        try await queue.write { try $0.execute(sql: sql) }
        return try await body(path)
    }

    @Test("rows come as text, NULL apart, in pages; the other program may go on writing")
    func rows() async throws {
        let sql = """
            PRAGMA journal_mode = WAL;
            CREATE TABLE "a b" (id INTEGER NOT NULL, content TEXT, PRIMARY KEY (id));
            INSERT INTO "a b" VALUES (3, '泡泡'), (5, NULL), (9, ''), (9007199254740993, 7)
            """
        try await withTable(sql) { path in
            let writer = try DatabaseQueue(path: path)
            let reader = try TableReader(path: path, table: "a b")
            #expect(reader.columns == ["id", "content"])
            let first = try await reader.rows(of: ["content", "id"], after: 0, limit: 2)
            #expect(first.map(\.number) == [3, 5])
            #expect(first.map(\.values) == [[Array("泡泡".utf8), Array("3".utf8)], [nil, Array("5".utf8)]])
            try await writer.write { try $0.execute(sql: "INSERT INTO \"a b\" VALUES (10, 'new')") }
            let rest = try await reader.rows(of: ["content"], after: 5, limit: 10)
            #expect(rest.map(\.values) == [[[]], [Array("new".utf8)], [Array("7".utf8)]])
            #expect(try await reader.rows(of: ["id"], after: 9_007_199_254_740_993, limit: 2).isEmpty)
        }
    }

    @Test("a table that is not there is named, with those that are")
    func missing() async throws {
        try await withTable("CREATE TABLE other (id INTEGER)") { path in
            let error = #expect(throws: TableReaderError.self) { try TableReader(path: path, table: "p_message") }
            #expect(error?.description == "\(path): has no table p_message; it has other")
        }
    }
}
