import Core

/// A notification that was understood and validated, ready to be appended for any number of users.
///
/// What backends put into it (`actor`, `object`, `data`) is opaque: `rest` carries those bytes as they came.
public struct Notification: Hashable, Sendable {
    /// Deduplicates for 24 hours per recipient.
    public var id: EventID
    /// At most `Limits.categoryBytesMax` bytes; counted separately in `by_category`.
    public var category: String
    /// A later notification with the same key replaces the earlier unread one.
    public var collapse: String?
    /// When it disappears from the inbox; milliseconds since 1970.
    public var expiresAtMilliseconds: Int64?
    /// When it happened; milliseconds since 1970.
    public var timestampMilliseconds: Int64
    /// The members of the notification's JSON object that follow `id`, without braces:
    /// `"type":"…","category":"…","ts":…,"actor":{…},"object":{…},"data":{…}`.
    public var rest: [UInt8]

    public init(
        id: EventID, category: String, collapse: String?, expiresAtMilliseconds: Int64?,
        timestampMilliseconds: Int64, rest: [UInt8]
    ) {
        self.id = id
        self.category = category
        self.collapse = collapse
        self.expiresAtMilliseconds = expiresAtMilliseconds
        self.timestampMilliseconds = timestampMilliseconds
        self.rest = rest
    }
}
