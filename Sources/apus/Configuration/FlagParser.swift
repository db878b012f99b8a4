/// Reads settings from a command line: `--name value`, `--name=value`, `--flag`.
///
/// ArgumentParser reads the subcommands and their own options; what it does not know is left to this table-driven parser,
/// so that a setting is described in one place.
struct FlagParser {
    let settings: [Setting]

    func parse(_ arguments: [String]) throws(ConfigurationError) -> [Setting: String] {
        var values: [Setting: String] = [:]
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--"), argument != "--" else {
                throw ConfigurationError(
                    "unexpected argument \(argument.debugDescription); settings are given as --name value")
            }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let setting = settings.first(where: { $0.flag == parts[0] }) else { throw unknown(parts[0]) }
            let value = try parts.count == 2 ? parts[1] : self.value(of: setting, &rest)
            if let before = values[setting] {
                guard setting.kind == .list else {
                    throw ConfigurationError("\(setting.flag) is given twice; give it once")
                }
                values[setting] = before + "," + value
            } else {
                values[setting] = value
            }
        }
        return values
    }

    private func value(of setting: Setting, _ rest: inout ArraySlice<String>) throws(ConfigurationError) -> String {
        if setting.kind == .flag {
            guard let next = rest.first, next == "true" || next == "false" else { return "true" }
            return rest.removeFirst()
        }
        guard let next = rest.popFirst(), !next.hasPrefix("--") else {
            throw ConfigurationError(
                "\(setting.flag) needs a value; give it as \(setting.flag) value, or \(setting.flag)=value")
        }
        return next
    }

    private func unknown(_ flag: String) -> ConfigurationError {
        let near = Spelling.nearest(to: flag, among: settings.map(\.flag)).map { "did you mean \($0)?" }
        return ConfigurationError("unknown setting \(flag); \(near ?? "see apus serve --help")")
    }
}

enum Spelling {
    /// The candidate that is most like `text`; nil when none is.
    static func nearest(to text: String, among candidates: [String]) -> String? {
        let ranked = candidates.map { ($0, distance(Array(text.utf8), Array($0.utf8))) }
        guard let best = ranked.min(by: { $0.1 < $1.1 }), best.1 <= max(2, text.count / 4) else { return nil }
        return best.0
    }

    /// Levenshtein distance.
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let substituted = diagonal + (x == y ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[b.count]
    }
}
