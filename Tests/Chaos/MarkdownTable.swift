import Foundation

/// A table of Markdown, as far as the report writes it and reads it again. A row goes by its first column.
struct MarkdownTable {
    let columns: [String]
    /// So many columns are words; the others are figures, on the right.
    private let words: Int
    private(set) var rows: [[String]] = []

    private static let nothing = "–"

    init(_ columns: [String], words: Int) {
        self.columns = columns
        self.words = words
    }

    /// The table in a text whose first column is called so; nil when there is none.
    init?(in text: Substring, under name: String) {
        let lines = text.split(separator: "\n").drop { !$0.hasPrefix("| \(name) |") }.prefix { $0.hasPrefix("|") }
        guard let head = lines.first else { return nil }
        self.init(Self.cells(head), words: 1)
        rows = lines.dropFirst(2).map(Self.cells)
    }

    private static func cells(_ line: Substring) -> [String] {
        line.dropFirst(2).dropLast(2).components(separatedBy: " | ")
    }

    mutating func add(_ cells: [String]) { rows.append(cells) }

    /// Keeps a row of an earlier table, column by column as they are called: that table may have had fewer.
    mutating func keep(_ name: String, of old: MarkdownTable?) {
        guard let old, let row = old.rows.first(where: { $0.first == name }) else { return }
        let cells = Dictionary(zip(old.columns, row)) { first, _ in first }
        rows.append(columns.map { cells[$0] ?? Self.nothing })
    }

    var lines: [String] {
        let rule = columns.indices.map { $0 < words ? "---" : "--:" }.joined(separator: "|")
        return [line(columns), "|\(rule)|"] + rows.map(line)
    }

    private func line(_ cells: [String]) -> String { "| \(cells.joined(separator: " | ")) |" }
}
