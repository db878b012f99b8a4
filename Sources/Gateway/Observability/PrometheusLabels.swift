/// The labels of one sample, as they stand on the page: `{a="b",c="d"}`, or nothing.
struct PrometheusLabels: Hashable, Sendable, Comparable, CustomStringConvertible {
    private let inner: String

    init(_ dimensions: [(String, String)]) {
        inner = dimensions.map(Self.pair).joined(separator: ",")
    }

    private init(inner: String) {
        self.inner = inner
    }

    func adding(_ name: String, _ value: String) -> PrometheusLabels {
        PrometheusLabels(inner: inner.isEmpty ? Self.pair((name, value)) : inner + "," + Self.pair((name, value)))
    }

    var description: String { inner.isEmpty ? "" : "{\(inner)}" }

    static func < (a: PrometheusLabels, b: PrometheusLabels) -> Bool { a.inner < b.inner }

    private static func pair(_ dimension: (String, String)) -> String {
        "\(name(dimension.0, colons: false))=\"\(escaped(dimension.1, quotes: true))\""
    }

    /// A metric's or label's name: what is not allowed in it becomes `_`.
    static func name(_ text: String, colons: Bool) -> String {
        var out = ""
        for character in text.utf8 {
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                if out.isEmpty { out = "_" }
                out.append(Character(Unicode.Scalar(character)))
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"):
                out.append(Character(Unicode.Scalar(character)))
            case UInt8(ascii: ":") where colons: out.append(":")
            default: out.append("_")
            }
        }
        return out.isEmpty ? "_" : out
    }

    /// Backslash, line feed and, in label values, the quote are escaped.
    static func escaped(_ text: String, quotes: Bool) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\"" where quotes: out += "\\\""
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}

enum PrometheusNumber {
    /// Whole numbers without a fraction; infinities and NaN as the format spells them.
    static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        if let whole = Int64(exactly: value) { return "\(whole)" }
        return "\(value)"
    }
}
