import Foundation

/// One setting: its names in the three places where it can be given, and what there is to say about it.
struct Setting: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case text
        /// A whole number.
        case number
        /// `true` or `false`; as a flag it needs no value.
        case flag
        /// Several values with commas; a list in a file.
        case list
    }

    enum Confidentiality: Hashable, Sendable {
        case open
        /// Shown as its length.
        case secret
        /// A URL whose user, password and query are hidden.
        case url
    }

    /// As in a file: `redis.url`.
    let name: String
    let kind: Kind
    /// What holds when it is not given; nil when nothing does.
    let standard: String?
    let confidentiality: Confidentiality
    /// One sentence, for `--help` and the documentation.
    let about: String

    init(
        _ name: String, _ kind: Kind = .text, default standard: String? = nil,
        shown confidentiality: Confidentiality = .open, about: String
    ) {
        self.name = name
        self.kind = kind
        self.standard = standard
        self.confidentiality = confidentiality
        self.about = about
    }

    var components: [String] { name.split(separator: ".").map(String.init) }
    /// As on the command line: `--redis-url`.
    var flag: String { "--" + components.joined(separator: "-") }
    /// As in the environment: `APUS_REDIS_URL`.
    var variable: String { "APUS_" + components.joined(separator: "_").uppercased() }

    /// A value as it may be shown to people and logs.
    func shown(_ value: String) -> String {
        switch confidentiality {
        case .open: value
        case .secret: "<\(value.utf8.count) bytes, not shown>"
        case .url: Self.withoutUser(value)
        }
    }

    /// Of several URLs, everything from the first user to the last `@` goes: a password may have commas.
    private static func withoutUser(_ url: String) -> String {
        // The path of a file has neither.
        guard let scheme = url.range(of: "://") else { return url }
        var shown = url
        if let query = shown.firstIndex(of: "?") {
            // A password with a bare '?' in it, or one behind it with a bare '@': nobody knows where it ends.
            if shown[query...].contains("@") { return shown[..<scheme.upperBound] + "***" }
            shown = shown[..<query] + "?***"
        }
        if let at = shown.lastIndex(of: "@") {
            let start = scheme.upperBound
            if start <= at { shown.replaceSubrange(start..<at, with: "***") }
        }
        return shown
    }
}
