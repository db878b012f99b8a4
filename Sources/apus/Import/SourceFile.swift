import Embedded
import Foundation

/// Tells what kind of file it is.
enum SourceFile {
    /// Opens a file as what its first bytes say it is.
    ///
    /// - Parameters:
    ///   - table: Which one of a SQLite file.
    ///   - backslash: `DelimitedParser.Dialect`.
    static func open(_ path: String, table: String, backslash: Bool) throws -> any RowSource {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else {
            throw ImportFileError("\(path): is no file; give the path of one")
        }
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw ImportFileError("\(path): this user may not read it; change its mode or its owner")
        }
        let start = try DelimitedFile.chunk(of: file, path)
        if start.starts(with: TableReader.signature) { return try TableFile(path, table: table) }
        if let other = kind(of: start) { throw ImportFileError("\(path): \(other)") }
        return try DelimitedFile(file, path: path, start: start, backslash: backslash)
    }

    /// What it is, when it is neither SQLite nor CSV: in words that say what to do.
    private static func kind(of start: [UInt8]) -> String? {
        if start.isEmpty { return "is empty; export the table with a header line" }
        if start.starts(with: [0x1F, 0x8B]) { return "is compressed; unpack it first: gunzip" }
        if start.starts(with: Array("PK\u{3}\u{4}".utf8)) { return "is compressed; unpack it first: unzip" }
        if start.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) { return "is compressed; unpack it first: unzstd" }
        if start.starts(with: Array("PGDMP".utf8)) {
            return "is a dump of PostgreSQL in its own form; export the one table with COPY … TO … CSV HEADER"
        }
        if ["--", "/*", "INSERT INTO", "CREATE TABLE"].contains(where: { start.starts(with: Array($0.utf8)) }) {
            return "is a dump of SQL commands; export the one table with a header line"
        }
        if start.starts(with: [0xFF, 0xFE]) || start.starts(with: [0xFE, 0xFF]) {
            return "is UTF-16; convert it to UTF-8: iconv -f utf-16 -t utf-8"
        }
        return start.contains(0) ? "is neither CSV nor SQLite" : nil
    }
}
