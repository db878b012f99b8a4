/// Subjects as NATS has them: tokens joined by dots.
struct SubjectPattern: Sendable {
    private let tokens: [Substring]

    /// - Returns: nil when a token is empty or holds white space, or `>` is not the last one.
    init?(_ text: String) {
        guard let tokens = Self.tokens(of: text), !tokens.dropLast().contains(">") else { return nil }
        self.tokens = tokens
    }

    /// The tokens of a subject or pattern; nil when it is malformed.
    static func tokens(of text: String) -> [Substring]? {
        let tokens = text.split(separator: ".", omittingEmptySubsequences: false)
        let isWellFormed = tokens.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F } }
        return isWellFormed ? tokens : nil
    }

    /// The tokens of a subject that may be published to: without wildcards.
    static func subject(_ text: String) -> [Substring]? {
        tokens(of: text).flatMap { $0.contains("*") || $0.contains(">") ? nil : $0 }
    }

    /// Whether a subject's tokens fit: `*` stands for one token, `>` for one or more.
    func matches(_ subject: [Substring]) -> Bool {
        for (index, token) in tokens.enumerated() {
            guard index < subject.count else { return false }
            if token == ">" { return true }
            if token != "*", token != subject[index] { return false }
        }
        return tokens.count == subject.count
    }
}
