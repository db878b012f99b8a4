import Core
import Testing

@testable import apus

@Suite("Separated fields")
struct DelimitedParserTests {
    /// The fields of all rows, parsed in pieces of `size` bytes.
    private func rows(_ text: String, backslash: Bool = false, size: Int = 1000) throws -> [[String?]] {
        try parsed(text, backslash: backslash, size: size).map { row in
            row.fields.map { $0.map { String(decoding: $0, as: UTF8.self) } }
        }
    }

    private func parsed(_ text: String, backslash: Bool = false, size: Int = 1000) throws -> [DelimitedParser.Row] {
        let bytes = Array(text.utf8)
        let header = bytes.prefix { $0 != UInt8(ascii: "\n") }
        var parser = DelimitedParser(DelimitedParser.Dialect(header: header, backslash: backslash))
        var rows: [DelimitedParser.Row] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            rows += try parser.consume(bytes[start..<min(bytes.count, start + size)])
        }
        return try rows + parser.finish()
    }

    @Test(
        "CSV: quotes hold separators, line breaks and doubled quotes, wherever the bytes are cut",
        arguments: [1, 2, 3, 7, 1000])
    func quotes(size: Int) throws {
        let text = "id,content\n1,\"a, \"\"b\"\"\nc\"\n2,\"\"\n3,plain \"x\"\n4,泡泡🫧\n\n5,no line break"
        #expect(
            try rows(text, size: size) == [
                ["id", "content"], ["1", "a, \"b\"\nc"], ["2", ""], ["3", "plain \"x\""], ["4", "泡泡🫧"],
                ["5", "no line break"],
            ])
    }

    @Test("a backslash is a character of CSV, unless it is said to escape; \\N alone is NULL", arguments: [1, 1000])
    func backslash(size: Int) throws {
        #expect(
            try rows("a,b\n\\N,\"\\N\"\nx\\ny,\"\\\"\n", size: size) == [
                ["a", "b"], [nil, "\\N"], ["x\\ny", "\\"],
            ])
        #expect(
            try rows("a,b\n\\N,\"\\N\"\n\"say \\\"hi\\\"\",\"a\\\nb\\\\\"\n", backslash: true, size: size) == [
                ["a", "b"], [nil, "N"], ["say \"hi\"", "a\nb\\"],
            ])
    }

    @Test("with tabs in the header it is what mysql --batch writes: escapes, and quotes are characters")
    func tabs() throws {
        let text = "id\tcontent\n1\ta\\tb\\nc\\\\d\n2\t\"half\n3\t\\N\n4\tNULL\n5\ta,b\n6\tx\\\ny\n7\t\\\\N\n8\tcr\r\n"
        #expect(
            try rows(text) == [
                ["id", "content"], ["1", "a\tb\nc\\d"], ["2", "\"half"], ["3", nil], ["4", "NULL"], ["5", "a,b"],
                ["6", "x\ny"], ["7", "\\N"], ["8", "cr\r"],
            ])
    }

    @Test("rows may end with CR LF, when the header does")
    func carriageReturns() throws {
        #expect(
            try rows("a,b\r\n1,x\r\n2,\"y\r\nz\"\r\n3,\r\n\r\n") == [
                ["a", "b"], ["1", "x"], ["2", "y\r\nz"], ["3", ""],
            ])
        #expect(try rows("a,b\n1,x\r\n") == [["a", "b"], ["1", "x\r"]])
    }

    @Test("rows know their lines, and characters after a closing quote make one malformed")
    func lines() throws {
        let rows = try parsed("a,b\n1,\"x\ny\"\n2,\"x\"z\n3,w\n")
        #expect(rows.map(\.line) == [1, 2, 4, 5])
        #expect(rows.map(\.isMalformed) == [false, false, true, false])
    }

    @Test("a quote that nobody closes is an error with its line, at the end or when a row is too long for any")
    func unclosed() throws {
        #expect(throws: DelimitedParser.Problem.unclosedQuote(line: 2)) { try parsed("a,b\n1,\"x\n2,y\n") }
        let long = "a,b\n1,x\n2,\"" + String(repeating: "y\n", count: Limits.importRowBytesMax)
        #expect(throws: DelimitedParser.Problem.rowTooLong(line: 3)) { try parsed(long, size: 100_000) }
    }
}
