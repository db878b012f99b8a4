import Foundation
import GRDB

/// Reads a table of another program's SQLite file, for imports. The file is opened for reading only; the other program
/// may write meanwhile.
public final class TableReader: Sendable {
    public struct Row: Hashable, Sendable {
        /// SQLite's own number of the row.
        public var number: Int64
        /// In the order of the columns that were asked for, as text; nil for NULL.
        public var values: [[UInt8]?]
    }

    /// What a SQLite file begins with.
    public static let signature = Array("SQLite format 3\0".utf8)

    public let columns: [String]
    private let path: String
    private let table: String
    private let database: DatabaseQueue

    /// - Throws: `TableReaderError`, whose text is for the operator.
    public init(path: String, table: String) throws(TableReaderError) {
        var configuration = Configuration()
        configuration.label = "apus.reader"
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        self.path = path
        self.table = table
        do {
            database = try DatabaseQueue(path: path, configuration: configuration)
            columns = try database.read { db in
                let encoding: String = try db.first("PRAGMA encoding", [])?[0] ?? ""
                guard encoding == "UTF-8" else {
                    throw TableReaderError("\(path): its texts are \(encoding); convert it to UTF-8")
                }
                guard try db.tableExists(table) else {
                    let names = try db.all("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", []) {
                        $0[0] as String
                    }
                    throw TableReaderError(
                        "\(path): has no table \(table); it has \(names.isEmpty ? "none" : names.joined(separator: ", "))"
                    )
                }
                return try db.columns(in: table).map(\.name)
            }
        } catch { throw Self.error(error, path) }
    }

    /// Rows by their numbers, those after `number`; the first after 0.
    public func rows(of columns: [String], after number: Int64, limit: Int) async throws(TableReaderError) -> [Row] {
        // A cast to BLOB is the text of the value, whatever its type.
        let list = columns.map { "CAST(\(Self.quoted($0)) AS BLOB)" }.joined(separator: ", ")
        let sql = "SELECT rowid, \(list) FROM \(Self.quoted(table)) WHERE rowid > ? ORDER BY rowid LIMIT ?"
        do {
            return try await database.read { db in
                try db.all(sql, [number, limit]) { row in
                    Row(number: row[0], values: try (1...columns.count).map { try row.optionalBytes($0) })
                }
            }
        } catch { throw Self.error(error, path) }
    }

    private static func quoted(_ name: String) -> String {
        "\"" + name.replacingOccurrences(of: "\"", with: "\"\"") + "\""
    }

    private static func error(_ error: any Error, _ path: String) -> TableReaderError {
        if let error = error as? TableReaderError { return error }
        let detail = (error as? DatabaseError).map { $0.message ?? "\($0.extendedResultCode)" } ?? "\(error)"
        return TableReaderError("\(path): cannot be read as a SQLite file (\(detail))")
    }
}

/// Why a SQLite file cannot be read: the file, what is wrong and the fix.
public struct TableReaderError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
