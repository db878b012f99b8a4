/// A row of a file, whatever the file is.
struct SourceRow: Hashable, Sendable {
    /// Where it stands: `line 12`, `row 7`.
    var place: String
    /// In the order of the source's columns; nil is NULL.
    var fields: [[UInt8]?]
    var isMalformed = false
}

/// A file with rows, read once from the beginning to the end.
protocol RowSource {
    /// The names of its columns.
    var columns: [String] { get }

    /// Some more rows; empty at the end.
    mutating func next() async throws -> [SourceRow]
}
