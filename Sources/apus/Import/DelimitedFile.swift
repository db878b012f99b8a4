import Core
import Foundation

/// A file of separated fields with a header line.
struct DelimitedFile: RowSource {
    private static let chunkBytes = 256 * 1024

    let columns: [String]
    private let path: String
    private let file: FileHandle
    private var parser: DelimitedParser
    /// Rows that came with the header.
    private var waiting: [SourceRow]
    private var isOver = false

    /// - Parameter start: What was read of it already.
    init(_ file: FileHandle, path: String, start: [UInt8], backslash: Bool) throws {
        let start = start.starts(with: [0xEF, 0xBB, 0xBF]) ? start[3...] : start[...]
        guard
            let end = start.firstIndex(of: UInt8(ascii: "\n")) ?? (start.count < Self.chunkBytes ? start.endIndex : nil)
        else {
            throw ImportFileError("\(path): its first line is no header: it is longer than \(Self.chunkBytes) bytes")
        }
        var parser = DelimitedParser(DelimitedParser.Dialect(header: start[..<end], backslash: backslash))
        let rows = try Self.told(path) { () throws(DelimitedParser.Problem) in
            let rows = try parser.consume(start)
            return try rows.isEmpty ? parser.finish() : rows
        }
        guard let header = rows.first else { throw ImportFileError("\(path): has no header line") }
        self.file = file
        self.path = path
        self.parser = parser
        columns = header.fields.map { String(decoding: $0 ?? [], as: UTF8.self).trimmingCharacters(in: .whitespaces) }
        waiting = rows.dropFirst().map(Self.row)
    }

    mutating func next() async throws -> [SourceRow] {
        while waiting.isEmpty, !isOver {
            let bytes = try Self.chunk(of: file, path)
            isOver = bytes.isEmpty
            waiting = try Self.told(path) { () throws(DelimitedParser.Problem) in
                try isOver ? parser.finish() : parser.consume(bytes)
            }.map(Self.row)
        }
        defer { waiting = [] }
        return waiting
    }

    /// The next bytes; none at the end.
    static func chunk(of file: FileHandle, _ path: String) throws(ImportFileError) -> [UInt8] {
        do { return try file.read(upToCount: chunkBytes).map { [UInt8]($0) } ?? [] } catch {
            throw ImportFileError("\(path): cannot be read (\(error.localizedDescription))")
        }
    }

    private static func row(_ row: DelimitedParser.Row) -> SourceRow {
        SourceRow(place: "line \(row.line)", fields: row.fields, isMalformed: row.isMalformed)
    }

    private static func told<Value>(
        _ path: String, _ body: () throws(DelimitedParser.Problem) -> Value
    ) throws(ImportFileError) -> Value {
        do { return try body() } catch {
            switch error {
            case .unclosedQuote(let line):
                throw ImportFileError(
                    "\(path): a quote in the row of line \(line) is not closed: the file is cut off, or its quotes are "
                        + "escaped with backslashes (--backslash)")
            case .rowTooLong(let line):
                throw ImportFileError(
                    "\(path): the row of line \(line) is longer than \(Limits.importRowBytesMax) bytes: a quote in it is "
                        + "not closed, or quotes are escaped with backslashes (--backslash)")
            }
        }
    }
}
