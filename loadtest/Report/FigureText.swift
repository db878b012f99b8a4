import Foundation

/// Figures as people read them. The locale is not asked: reports of two machines are compared.
enum FigureText {
    /// `1,234,567`
    static func count(_ value: Int) -> String {
        let digits = String(value.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return value < 0 ? "-" + text : text
    }

    /// Three digits that count, or all before the point: `0.71`, `12.3`, `1,234`.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return "–" }
        let size = abs(value)
        guard size < 1e18 else { return String(format: "%.3g", value) }
        // Sums of tenths are seldom whole by the last bit.
        if size >= 100 || abs(value - value.rounded()) < 1e-6 { return count(Int(value.rounded())) }
        return fixed(value, size >= 10 ? 1 : 2)
    }

    /// `1.6 M`, `75.2 k`, `812`: for the live display and for axes.
    static func short(_ value: Double) -> String {
        let size = abs(value)
        if size >= 999_500 { return trimmed(value / 1e6) + " M" }
        if size >= 9_999.5 { return trimmed(value / 1e3) + " k" }
        return number(value)
    }

    /// `512 B`, `4.3 KiB`, `9.7 GiB`
    static func bytes(_ value: Int) -> String {
        let size = Double(value.magnitude)
        let sign = value < 0 ? "-" : ""
        for (unit, factor) in [("GiB", 1_073_741_824.0), ("MiB", 1_048_576), ("KiB", 1024)] where size >= factor {
            return "\(sign)\(trimmed(size / factor)) \(unit)"
        }
        return "\(value) B"
    }

    /// `0.71 ms`, `1.24 s`
    static func milliseconds(_ value: Double) -> String {
        value >= 10_000 ? number(value / 1000) + " s" : number(value) + " ms"
    }

    /// `45 s`, `2:05 min`, `1:02:03 h`
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite else { return "–" }
        let whole = Int(min(max(0, seconds), 1e15).rounded())
        if whole < 60 { return "\(whole) s" }
        let parts = [whole / 3600, whole / 60 % 60, whole % 60].map { ($0 < 10 ? "0" : "") + "\($0)" }
        return whole < 3600 ? "\(whole / 60):\(parts[2]) min" : "\(whole / 3600):\(parts[1]):\(parts[2]) h"
    }

    /// A `RunFigure`'s.
    static func value(_ value: Double, _ unit: String) -> String {
        switch unit {
        case "": number(value)
        case "bytes": abs(value) < 100_000 ? number(value) + " bytes" : bytes(Int(value))
        case "ms": milliseconds(value)
        case "s": value < 60 ? number(value) + " s" : duration(value)
        case "/s": number(value) + "/s"
        default: number(value) + " " + unit
        }
    }

    static func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

    private static func trimmed(_ value: Double) -> String {
        abs(value) >= 100 || abs(value - value.rounded()) < 1e-6 ? count(Int(value.rounded())) : fixed(value, 1)
    }
}
