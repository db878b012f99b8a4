import GRDB

import struct Foundation.Data

// Small helpers over GRDB: cached statements, and bytes in and out without detours.

extension Database {
    /// Runs a statement that is prepared once per text. - Returns: how many rows it changed.
    @discardableResult
    func run(_ sql: String, _ arguments: StatementArguments) throws -> Int {
        try cachedStatement(sql: sql).execute(arguments: arguments)
        return changesCount
    }

    func first(_ sql: String, _ arguments: StatementArguments) throws -> Row? {
        try Row.fetchOne(cachedStatement(sql: sql), arguments: arguments)
    }

    /// All rows, each read by `read` before the next is fetched.
    func all<Value>(_ sql: String, _ arguments: StatementArguments, _ read: (Row) throws -> Value) throws -> [Value] {
        let cursor = try Row.fetchCursor(cachedStatement(sql: sql), arguments: arguments)
        var values: [Value] = []
        while let row = try cursor.next() { values.append(try read(row)) }
        return values
    }
}

extension Row {
    /// The bytes of a BLOB column.
    func bytes(_ index: Int) throws -> [UInt8] { try optionalBytes(index) ?? [] }

    /// The bytes of a BLOB column; nil when it is NULL.
    func optionalBytes(_ index: Int) throws -> [UInt8]? {
        try withUnsafeData(atIndex: index) { $0.map { [UInt8]($0) } }
    }
}
