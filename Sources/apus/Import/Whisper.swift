import Core
import Wire

/// One of paopao's direct messages: a row of `p_message` with type 4.
struct Whisper: Hashable, Sendable {
    var id: Int64
    var sender: Int64
    var receiver: Int64
    /// Seconds since 1970.
    var createdSeconds: Int64
    var isRead: Bool
    /// UTF-8.
    var content: [UInt8]

    /// Why a row is not imported; the raw value stands in the summary.
    enum Reason: String, Hashable, Sendable, CaseIterable {
        case otherType = "another type"
        case deleted = "deleted in paopao"
        case toOneself = "to oneself"
        case badID = "unusable id"
        case badUser = "unusable user id"
        case badTime = "created_on is no time in seconds"
        case badContent = "content is NULL or not UTF-8"
        case tooLong = "content is too long"
        case malformed = "not a row of this table"
        case doubled = "the same id again"

        /// Whether the row is as it should be: nobody has to look at it.
        var isExpected: Bool { self == .otherType || self == .deleted }
    }

    /// The message's body: `{"text":…}`.
    static func body(_ content: [UInt8]) -> [UInt8] {
        JSONWriter.object { $0.member("text", String(decoding: content, as: UTF8.self)) }
    }
}
