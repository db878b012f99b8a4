import Foundation

/// Tables of a document that a program writes: they stand between `<!-- generated:name -->` and `<!-- end of generated:name -->`,
/// and everything else is left as people wrote it.
enum GeneratedTables {
    struct Missing: Error, CustomStringConvertible, Equatable {
        let name: String
        let document: String
        var description: String {
            "\(document) has no place for the table \(name): it needs the lines `<!-- generated:\(name) -->` "
                + "and `<!-- end of generated:\(name) -->`"
        }
    }

    /// The text with the tables in their places.
    static func rewritten(_ text: String, _ tables: [String: String], document: String = "the document") throws
        -> String
    {
        var text = text
        for (name, table) in tables.sorted(by: { $0.key < $1.key }) {
            let (begin, end) = ("<!-- generated:\(name) -->\n", "<!-- end of generated:\(name) -->")
            guard let first = text.range(of: begin),
                let last = text.range(of: end, range: first.upperBound..<text.endIndex)
            else { throw Missing(name: name, document: document) }
            let body = table.hasSuffix("\n") ? table : table + "\n"
            // Blank lines, or a Markdown reader takes table and comment for one paragraph.
            text.replaceSubrange(first.upperBound..<last.lowerBound, with: "\n" + body + "\n")
        }
        return text
    }

    /// Writes the tables into a file. - Throws: `Missing`, with the file as it was.
    static func rewrite(_ path: String, _ tables: [String: String]) throws {
        let url = URL(fileURLWithPath: path)
        let text = try String(contentsOf: url, encoding: .utf8)
        try Data(try rewritten(text, tables, document: path).utf8).write(to: url, options: .atomic)
    }

    /// A Markdown table.
    static func markdown(head: [String], rows: [[String]]) -> String {
        func line(_ cells: [String]) -> String {
            "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
        }
        return line(head) + "|" + String(repeating: "---|", count: head.count) + "\n" + rows.map(line).joined()
    }
}
