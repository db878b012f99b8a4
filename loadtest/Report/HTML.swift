/// Pieces of HTML.
enum HTML {
    /// Text that stands for itself, in elements and in quoted attributes.
    static func escaped(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.append(character)
            }
        }
        return result
    }

    /// A coordinate: a tenth of a unit is less than anyone sees.
    static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
    }

    /// Rows of two columns: a name and a value.
    static func pairs(_ rows: [(String, String)]) -> String {
        let body = rows.map { "<tr><th scope=\"row\">\(escaped($0.0))</th><td>\(escaped($0.1))</td></tr>" }
        return "<table class=\"pairs\"><tbody>\(body.joined(separator: "\n"))</tbody></table>\n"
    }

    /// - Parameters:
    ///   - caption: What the table has; read by screen readers, shown above it.
    ///   - isText: Its cells are words rather than figures.
    static func table(_ caption: String, head: [String], rows: [[String]], isText: Bool = false) -> String {
        let titles = head.map { "<th scope=\"col\">\(escaped($0))</th>" }.joined()
        let body = rows.map { row in
            "<tr>"
                + row.enumerated().map { index, cell in
                    index == 0 ? "<th scope=\"row\">\(escaped(cell))</th>" : "<td>\(escaped(cell))</td>"
                }.joined() + "</tr>"
        }
        return """
            <div class="wide"><table\(isText ? " class=\"texts\"" : "")><caption>\(escaped(caption))</caption><thead><tr>\(titles)</tr></thead>
            <tbody>\(body.joined(separator: "\n"))</tbody></table></div>

            """
    }
}
