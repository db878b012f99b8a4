import Core

/// What an error of the server means for who asked.
enum RedisErrors {
    /// Redis gives these before the first write of a script (GUARANTEES, "Scripts validate everything…"), so nothing
    /// was written.
    private static let refusals = [
        "OOM", "READONLY", "MISCONF", "LOADING", "BUSY", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "CROSSSLOT",
        "MOVED", "ASK", "TRYAGAIN", "NOSCRIPT", "NOAUTH", "NOPERM", "WRONGPASS", "EXECABORT", "APUS",
    ]

    /// The kind of an error. Redis 6 wraps errors of commands in scripts: `ERR Error running script … -OOM command …`.
    static func kind(_ message: String) -> String {
        let first = word(message[...])
        if refusals.contains(first) { return first }
        if let inner = refusals.first(where: { kind in contains(message, "-\(kind) ") }) { return inner }
        return first
    }

    /// An error reply as the port's error. Whatever is not known to be a refusal may have come after a write.
    static func storeError(_ message: String) -> StoreError {
        let kind = kind(message)
        let outcome: StoreError.Outcome = refusals.contains(kind) ? .notStored : .unknown
        return StoreError(outcome, "Redis: \(message.prefix(160))")
    }

    private static func word(_ text: Substring) -> String {
        String(text.prefix { $0 != " " })
    }

    private static func contains(_ text: String, _ part: String) -> Bool {
        let (text, part) = (Array(text.utf8), Array(part.utf8))
        guard text.count >= part.count else { return false }
        return (0...(text.count - part.count)).contains { text[$0..<($0 + part.count)].elementsEqual(part) }
    }
}
