import Core
import Wire

/// A backend's message in a user's name (PROTOCOL §3): `{"from","to" or "conv","cid","body"}`.
public struct MessageRequest: Hashable, Sendable {
    public var from: UserID
    public var conversation: ConversationID
    public var cid: ClientMessageID
    public var body: [UInt8]

    /// Reads a message.
    ///
    /// - Parameter fallbackID: What names the event when it has no `cid`: `Nats-Msg-Id`, `Idempotency-Key`, or its place
    ///   in the stream. The same again is the same message.
    /// - Throws: `bad_request` or `too_large`, with the field that is wrong.
    public static func parse(_ object: JSONObject, fallbackID: String?) throws(ApusError) -> MessageRequest {
        let from = try object.user("from")
        let conversation: ConversationID
        switch try object.target() {
        case .conversation(let given): conversation = given
        case .user(let other):
            guard let made = ConversationID(between: from, and: other) else {
                throw .badRequest("to: is the sender")
            }
            conversation = made
        }
        let cid =
            try object.cid() ?? fallbackID.flatMap(Self.cid(naming:)) ?? ClientMessageID(RandomToken.make(length: 16))
        guard let cid else { throw .badRequest("cid: must match [A-Za-z0-9_-]{1,64}") }
        return MessageRequest(from: from, conversation: conversation, cid: cid, body: try object.messageBody())
    }

    /// Ids of events have more characters than a `cid` may have.
    private static func cid(naming id: String) -> ClientMessageID? {
        ClientMessageID(id)
            ?? ClientMessageID(
                "e-" + String(Fingerprint.of(id.utf8), radix: 36)
                    + String(Fingerprint.of("\(id)\u{1F}".utf8), radix: 36))
    }
}
