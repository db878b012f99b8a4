import Chat
import Core
import Embedded

/// The names that imported messages have in a conversation.
enum ImportedName {
    private static let prefix = "pp-"

    static func message(_ id: Int64) -> String { prefix + String(id) }
    static func read(_ id: Int64) -> String { prefix + "read-" + String(id) }

    /// The whisper that a message came from; nil for any other. The entry's id tells too: a client can choose a `cid`.
    static func whisper(of message: StoredMessage) -> Int64? {
        guard message.cid == message.id, message.cid.hasPrefix(prefix) else { return nil }
        return Int64(message.cid.dropFirst(prefix.count))
    }
}

/// How much of a pair's whispers is in its conversation already. They are written in one order, so the newest one tells.
struct ImportStanding: Sendable {
    /// The newest whisper of the file that is there, and its number; nil when none is.
    var newest: (place: PairSorter.Place, n: Int64)?
    /// When the newest message was sent, whoever wrote it; milliseconds since 1970. nil: there is none.
    var lastMilliseconds: Int64?
    /// Messages of any kind.
    var messages: Int64 = 0
    var head = EntryPosition.start
    /// How far the two have read.
    var lowReadN: Int64 = 0
    var highReadN: Int64 = 0

    private static let pageMessages = 200

    /// Looks from the newest message back to the first one that the file has too. Usually that is the newest one.
    static func find(
        _ conversation: ConversationID, of low: UserID, _ pair: PairSorter.Pair, in sorter: PairSorter,
        at target: ImportTarget
    ) async throws -> ImportStanding {
        var standing = ImportStanding()
        guard let summary = try await target.summary(of: conversation, for: low) else { return standing }
        standing.lastMilliseconds = summary.last?.timestampMilliseconds
        standing.messages = summary.messages
        standing.head = summary.head
        standing.lowReadN = summary.readN
        standing.highReadN = summary.others.first?.readN ?? 0
        var page = summary.last.map { [$0] } ?? []
        while let first = page.first {
            for message in page.reversed() {
                guard let id = ImportedName.whisper(of: message), let place = try await sorter.place(of: id, in: pair)
                else { continue }
                standing.newest = (place, message.n)
                return standing
            }
            page = try await target.history(
                of: conversation, for: low, before: first.n, limit: Self.pageMessages)
        }
        return standing
    }

    /// Whether a whisper is there, or stands before one that is.
    func covers(_ place: PairSorter.Place) -> Bool { newest.map { place <= $0.place } ?? false }
}
