import Embedded

/// A table of a SQLite file.
struct TableFile: RowSource {
    private static let rowsAtOnce = 1000

    let columns: [String]
    private let reader: TableReader
    private var number: Int64 = 0

    init(_ path: String, table: String) throws(ImportFileError) {
        do { reader = try TableReader(path: path, table: table) } catch { throw ImportFileError(error.description) }
        columns = reader.columns
    }

    mutating func next() async throws -> [SourceRow] {
        do {
            let rows = try await reader.rows(of: columns, after: number, limit: Self.rowsAtOnce)
            number = rows.last?.number ?? number
            return rows.map { SourceRow(place: "row \($0.number)", fields: $0.values) }
        } catch { throw ImportFileError(error.description) }
    }
}
