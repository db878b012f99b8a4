import Wire

/// What a reply with an error says (PROTOCOL, "Requests and replies").
struct ErrorReply: Equatable {
    let code: String
    let message: String
    /// When to ask again; nil when that does not help.
    let retryMilliseconds: UInt64?

    /// Longer pauses than this are no pauses.
    private static let retryMax: UInt64 = 600_000

    /// - Returns: nil when it is no reply with an error.
    // SAFETY: `payload` is copied before it is read.
    init?(_ payload: UnsafeRawBufferPointer) {
        guard let error = (try? JSONObject(payload))?["error"]?.object else { return nil }
        code = error["code"]?.string ?? "?"
        message = error["message"]?.string ?? ""
        retryMilliseconds = error["retry_ms"]?.integer.map { min(UInt64(clamping: $0), Self.retryMax) }
    }
}
