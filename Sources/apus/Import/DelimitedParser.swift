import Core

/// Reads rows of separated fields as the bytes arrive: CSV (RFC 4180), and what MySQL and PostgreSQL write.
///
///     "a ""b"", c",d        quotes, when the dialect has them: separators, line breaks and doubled quotes inside
///     a\tb\nc<TAB>d         escapes, when the dialect has them: \t \n \r \0 \b, and any other character for itself
///     \N                    NULL, in every dialect, as a field of its own without quotes
struct DelimitedParser {
    /// How a file is written.
    struct Dialect: Hashable {
        var separator: UInt8
        var hasQuotes: Bool
        var hasEscapes: Bool
        /// Whether rows end with CR LF. Otherwise a CR is part of its field.
        var endsWithCarriageReturn: Bool

        /// Told by the header: with tabs it is what `mysql --batch` and `COPY` write, with escapes and without quotes;
        /// otherwise it is CSV.
        /// - Parameter backslash: Whether a CSV has escapes too (`SELECT … INTO OUTFILE` with `ESCAPED BY '\\'`).
        init(header: some Sequence<UInt8>, backslash: Bool = false) {
            let line = Array(header)
            let hasTabs = line.contains(UInt8(ascii: "\t"))
            separator = hasTabs ? UInt8(ascii: "\t") : UInt8(ascii: ",")
            hasQuotes = !hasTabs
            hasEscapes = hasTabs || backslash
            endsWithCarriageReturn = line.last == UInt8(ascii: "\r")
        }
    }

    struct Row: Hashable {
        /// Where it begins; 1 is the first line of the file.
        var line: Int
        /// nil is NULL.
        var fields: [[UInt8]?] = []
        /// Something stands between a closing quote and the separator.
        var isMalformed = false
    }

    enum Problem: Error, Hashable {
        /// The file ends inside the quotes of this row.
        case unclosedQuote(line: Int)
        /// A row beyond `Limits.importRowBytesMax`, most likely for the same reason.
        case rowTooLong(line: Int)
    }

    private enum State { case fieldStart, plain, quoted, quoteInQuoted, escape, escapeInQuoted }

    private let dialect: Dialect
    private var state = State.fieldStart
    private var line = 1
    private var row = Row(line: 1)
    private var rowBytes = 0
    private var field: [UInt8] = []
    private var isFieldQuoted = false
    /// The field began with an escaped N, which alone is NULL.
    private var beganWithNull = false

    init(_ dialect: Dialect) { self.dialect = dialect }

    /// Takes more bytes. - Returns: The rows that ended in them.
    mutating func consume(_ bytes: some Sequence<UInt8>) throws(Problem) -> [Row] {
        var rows: [Row] = []
        for byte in bytes {
            rowBytes += 1
            guard rowBytes <= Limits.importRowBytesMax else { throw .rowTooLong(line: row.line) }
            if byte == UInt8(ascii: "\n") { line += 1 }
            if step(byte) { endRow(&rows) }
        }
        return rows
    }

    /// The file is over. - Returns: The last row, when no line break ended it.
    mutating func finish() throws(Problem) -> [Row] {
        switch state {
        case .quoted, .escapeInQuoted: throw .unclosedQuote(line: row.line)
        case .fieldStart where row.fields.isEmpty: return []
        default: break
        }
        var rows: [Row] = []
        endField()
        endRow(&rows)
        return rows
    }

    // MARK: Steps

    /// - Returns: Whether the row is over.
    private mutating func step(_ byte: UInt8) -> Bool {
        switch state {
        case .fieldStart:
            if dialect.hasQuotes, byte == UInt8(ascii: "\"") {
                (state, isFieldQuoted) = (.quoted, true)
                return false
            }
            return plain(byte)
        case .plain: return plain(byte)
        case .quoted:
            switch byte {
            case UInt8(ascii: "\""): state = .quoteInQuoted
            case UInt8(ascii: "\\") where dialect.hasEscapes: state = .escapeInQuoted
            default: field.append(byte)
            }
            return false
        case .quoteInQuoted:
            switch byte {
            case UInt8(ascii: "\""):
                field.append(byte)
                state = .quoted
            case dialect.separator, UInt8(ascii: "\n"): return plain(byte)
            case UInt8(ascii: "\r") where dialect.endsWithCarriageReturn: break
            default:
                row.isMalformed = true
                return plain(byte)
            }
            return false
        case .escape, .escapeInQuoted:
            beganWithNull = state == .escape && field.isEmpty && byte == UInt8(ascii: "N")
            field.append(Self.unescaped(byte))
            state = state == .escape ? .plain : .quoted
            return false
        }
    }

    private mutating func plain(_ byte: UInt8) -> Bool {
        state = .plain
        switch byte {
        case dialect.separator: endField()
        case UInt8(ascii: "\n"):
            if dialect.endsWithCarriageReturn, !isFieldQuoted, field.last == UInt8(ascii: "\r") { field.removeLast() }
            endField()
            return true
        case UInt8(ascii: "\\") where dialect.hasEscapes: state = .escape
        default: field.append(byte)
        }
        return false
    }

    private mutating func endField() {
        let isNull = !isFieldQuoted && (beganWithNull ? field == [UInt8(ascii: "N")] : isNullMark)
        row.fields.append(isNull ? nil : field)
        field = []
        (state, isFieldQuoted, beganWithNull) = (.fieldStart, false, false)
    }

    /// With escapes, these two bytes would be an escaped backslash and an N.
    private var isNullMark: Bool { !dialect.hasEscapes && field == [UInt8(ascii: "\\"), UInt8(ascii: "N")] }

    private mutating func endRow(_ rows: inout [Row]) {
        // An empty line is no row.
        if row.fields != [[]] { rows.append(row) }
        row = Row(line: line)
        rowBytes = 0
    }

    private static func unescaped(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "n"): UInt8(ascii: "\n")
        case UInt8(ascii: "t"): UInt8(ascii: "\t")
        case UInt8(ascii: "r"): UInt8(ascii: "\r")
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "0"): 0x00
        default: byte
        }
    }
}
