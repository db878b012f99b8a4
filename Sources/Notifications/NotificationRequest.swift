import Core
import Wire

/// A backend's wish to notify somebody: recipients and what they get.
public struct NotificationRequest: Hashable, Sendable {
    public var recipients: [UserID]
    public var notification: Notification

    public init(recipients: [UserID], notification: Notification) {
        self.recipients = recipients
        self.notification = notification
    }
}

/// Around the body: what the transport knew.
public struct NotificationEnvelope: Sendable {
    /// The recipient named by the subject (`apus.in.notify.<user>`).
    public var recipient: String?
    /// `Nats-Msg-Id` or `Idempotency-Key`: the id when the body has none.
    public var fallbackID: String?
    /// `ce-*` headers, names in lower case without the prefix, values as they came: CloudEvents in binary mode when
    /// `specversion` is there.
    public var cloudEvent: [String: String]
    /// When it arrived; the event's time when it tells none.
    public var nowMilliseconds: Int64

    public init(
        recipient: String? = nil, fallbackID: String? = nil, cloudEvent: [String: String] = [:], nowMilliseconds: Int64
    ) {
        self.recipient = recipient
        self.fallbackID = fallbackID
        self.cloudEvent = cloudEvent
        self.nowMilliseconds = nowMilliseconds
    }
}

extension NotificationRequest {
    /// Reads a notification in any of its three forms (PROTOCOL §3): CloudEvents structured, CloudEvents binary, plain.
    ///
    /// - Throws: `bad_request` or `too_large`, with the field that is wrong.
    public static func parse(_ body: [UInt8], _ envelope: NotificationEnvelope) throws(ApusError) -> NotificationRequest
    {
        guard body.count <= Limits.notificationBytesMax else {
            throw ApusError(
                .tooLarge, "a notification has at most \(Limits.notificationBytesMax) bytes, this one \(body.count)")
        }
        if envelope.cloudEvent["specversion"] != nil { return try binary(body, envelope) }
        return try parse(try JSONObject.request(body), envelope)
    }

    /// Reads a notification that is a JSON object already: an item of a batch.
    public static func parse(_ object: JSONObject, _ envelope: NotificationEnvelope) throws(ApusError)
        -> NotificationRequest
    {
        try object["specversion"] == nil ? plain(object, envelope) : structured(object, envelope)
    }

    // MARK: The three forms

    private static func plain(_ object: JSONObject, _ envelope: NotificationEnvelope) throws(ApusError)
        -> NotificationRequest
    {
        var draft = Draft(envelope)
        draft.id = try object.text("id")
        draft.type = try object.text("type")
        draft.recipients = try recipients(object, envelope, subject: nil)
        try draft.takeOptions(object)
        draft.actor = try opaque(object, "actor", .object)
        draft.object = try opaque(object, "object", .object)
        draft.data = object.present("data").map { Array($0.bytes) }
        return try draft.finished()
    }

    private static func structured(_ object: JSONObject, _ envelope: NotificationEnvelope) throws(ApusError)
        -> NotificationRequest
    {
        guard try object.text("specversion") == "1.0" else { throw .badRequest("specversion: must be \"1.0\"") }
        var draft = Draft(envelope)
        draft.id = try object.text("id")
        draft.type = try object.text("type")
        draft.source = try object.text("source")
        guard draft.source?.isEmpty == false else { throw .badRequest("source: is missing (CloudEvents 1.0)") }
        draft.time = try object.text("time")
        draft.recipients = try recipients(object, envelope, subject: try object.text("subject"))
        try draft.takeOptions(object)
        draft.actor = try opaque(object, "actor", .object)
        draft.object = try opaque(object, "object", .object)
        guard object.present("data_base64") == nil else { throw .badRequest("data_base64: only JSON data is taken") }
        draft.data = object.present("data").map { Array($0.bytes) }
        return try draft.finished()
    }

    private static func binary(_ body: [UInt8], _ envelope: NotificationEnvelope) throws(ApusError)
        -> NotificationRequest
    {
        let attributes = try decoded(envelope.cloudEvent)
        guard attributes["specversion"] == "1.0" else { throw .badRequest("ce-specversion: must be \"1.0\"") }
        var draft = Draft(envelope)
        draft.id = attributes["id"]
        draft.type = attributes["type"]
        draft.source = attributes["source"]
        guard draft.source?.isEmpty == false else { throw .badRequest("ce-source: is missing (CloudEvents 1.0)") }
        draft.time = attributes["time"]
        draft.category = attributes["category"]
        draft.collapse = attributes["collapse"]
        if let text = attributes["ttl_s"] ?? attributes["ttls"] {
            guard let seconds = Int64(text) else { throw .badRequest("ce-ttls: must be an integer") }
            draft.ttlSeconds = seconds
        }
        let to = attributes["to"].map { $0.split(separator: ",").map { $0.trimmed } }
        if let one = envelope.recipient, let to, to != [one] {
            throw .badRequest("ce-to: names another user than the subject")
        }
        draft.recipients = try list(
            to ?? envelope.recipient.map { [$0] } ?? attributes["subject"].map { [recipient(ofSubject: $0)] },
            "ce-subject")
        if !body.isEmpty {
            do { draft.data = Array(try JSONValue.document(body).bytes) } catch {
                throw .badRequest("the body (data) is no JSON: \(error)")
            }
        }
        return try draft.finished()
    }

    /// What the headers stand for: unquoted, then percent-decoded once (CloudEvents 1.0, HTTP and NATS bindings, §3.1.3.2).
    private static func decoded(_ headers: [String: String]) throws(ApusError) -> [String: String] {
        var attributes: [String: String] = [:]
        for (name, value) in headers {
            guard let text = PercentEncoding.decoded(unquoted(value)) else {
                throw .badRequest("ce-\(name): is not percent-encoded UTF-8; write % as %25")
            }
            attributes[name] = text
        }
        return attributes
    }

    /// Without the quotes and backslashes of a quoted string (RFC 9110 §5.6.4); anything else as it is.
    private static func unquoted(_ text: String) -> String {
        guard text.utf8.count >= 2, text.utf8.first == UInt8(ascii: "\""), text.utf8.last == UInt8(ascii: "\"") else {
            return text
        }
        var out = ""
        var isEscaped = false
        for character in text.dropFirst().dropLast() {
            isEscaped = character == "\\" && !isEscaped
            if !isEscaped { out.append(character) }
        }
        return out
    }

    // MARK: Recipients

    /// The subject of the bus, else `to`, else the CloudEvent's `subject`. Everyone is named once.
    private static func recipients(
        _ object: JSONObject, _ envelope: NotificationEnvelope, subject: String?
    ) throws(ApusError) -> [UserID] {
        if let to = object.present("to") {
            guard envelope.recipient == nil || to.string == envelope.recipient else {
                throw .badRequest("to: names another user than the subject")
            }
            if let one = to.string { return try list([one], "to") }
            return try list(try object.texts("to", countMax: Limits.recipientsMax), "to")
        }
        if let one = envelope.recipient { return try list([one], "the subject's user") }
        return try list(subject.map { [recipient(ofSubject: $0)] }, "to")
    }

    private static func recipient(ofSubject subject: String) -> String {
        subject.hasPrefix("user/") ? String(subject.dropFirst(5)) : subject
    }

    private static func list(_ names: [String]?, _ field: String) throws(ApusError) -> [UserID] {
        guard let names, !names.isEmpty else { throw .badRequest("\(field): names no recipient") }
        guard names.count <= Limits.recipientsMax else {
            throw .badRequest("\(field): at most \(Limits.recipientsMax) recipients, not \(names.count)")
        }
        var users: [UserID] = []
        var seen = Set<UserID>()
        for (index, name) in names.enumerated() {
            guard let user = UserID(name) else {
                throw .badRequest(
                    "\(names.count == 1 ? field : "\(field)[\(index)]"): is no user id (1 to 64 of A-Za-z0-9._:@+=~-)")
            }
            if seen.insert(user).inserted { users.append(user) }
        }
        return users
    }

    private static func opaque(_ object: JSONObject, _ key: String, _ kind: JSONValue.Kind) throws(ApusError)
        -> [UInt8]?
    {
        guard let value = object.present(key) else { return nil }
        guard value.kind == kind else { throw .badRequest("\(key): must be an object") }
        return Array(value.bytes)
    }
}

/// A notification while its fields are gathered.
private struct Draft {
    var envelope: NotificationEnvelope
    var id: String?
    var type: String?
    var source: String?
    var time: String?
    var category: String?
    var collapse: String?
    var ttlSeconds: Int64?
    var recipients: [UserID] = []
    var actor: [UInt8]?
    var object: [UInt8]?
    var data: [UInt8]?

    /// What is added to what a backend wrote: category, time, and names of members.
    private static let addedBytesMax = 512

    init(_ envelope: NotificationEnvelope) { self.envelope = envelope }

    mutating func takeOptions(_ object: JSONObject) throws(ApusError) {
        category = try object.text("category")
        collapse = try object.text("collapse")
        ttlSeconds = try object.integer("ttl_s", 1...Int64(Limits.ttlSecondsMax))
        _ = try object.flag("push")
        _ = try object.text("traceparent")
    }

    func finished() throws(ApusError) -> NotificationRequest {
        guard let type, Self.isName(type, Limits.typeBytesMax) else {
            throw .badRequest("type: must be 1 to \(Limits.typeBytesMax) bytes without quotes or control characters")
        }
        let category = category ?? Self.defaultCategory(type)
        guard Self.isName(category, Limits.categoryBytesMax) else {
            throw .badRequest(
                "category: must be 1 to \(Limits.categoryBytesMax) bytes without quotes or control characters")
        }
        if let collapse {
            guard Self.isName(collapse, Limits.collapseBytesMax) else {
                throw .badRequest(
                    "collapse: must be 1 to \(Limits.collapseBytesMax) bytes without quotes or control characters")
            }
        }
        if let ttlSeconds, !(1...Int64(Limits.ttlSecondsMax)).contains(ttlSeconds) {
            throw .badRequest("ttl_s: must be from 1 to \(Limits.ttlSecondsMax)")
        }
        let timestamp = try timestamp()
        let rest = rest(type, category, timestamp)
        guard rest.count <= Limits.notificationBytesMax + Self.addedBytesMax else {
            throw ApusError(
                .tooLarge, "a notification has at most \(Limits.notificationBytesMax) bytes, this one \(rest.count)")
        }
        let notification = Notification(
            id: try eventID(), category: category, collapse: collapse,
            expiresAtMilliseconds: ttlSeconds.map { envelope.nowMilliseconds + $0 * 1000 },
            timestampMilliseconds: timestamp, rest: rest)
        return NotificationRequest(recipients: recipients, notification: notification)
    }

    private func eventID() throws(ApusError) -> EventID {
        guard let given = id ?? envelope.fallbackID else { return .new(atMilliseconds: envelope.nowMilliseconds) }
        guard let id = EventID(given) else {
            throw .badRequest(
                "id: must be 1 to \(Limits.eventIDBytesMax) bytes without quotes, backslashes or control characters")
        }
        return id
    }

    /// The event's own time when it tells one, else that of its arrival.
    private func timestamp() throws(ApusError) -> Int64 {
        guard let time else { return envelope.nowMilliseconds }
        guard let milliseconds = Timestamp.milliseconds(rfc3339: time) else {
            throw .badRequest("time: must be an RFC 3339 timestamp")
        }
        return milliseconds
    }

    private func rest(_ type: String, _ category: String, _ timestamp: Int64) -> [UInt8] {
        let whole = JSONWriter.object {
            $0.member("type", type)
            $0.member("category", category)
            $0.member("ts", timestamp)
            if let source { $0.member("source", source) }
            if let actor { $0.raw("actor", actor) }
            if let object { $0.raw("object", object) }
            if let data { $0.raw("data", data) }
        }
        return Array(whole.dropFirst().dropLast())
    }

    /// The part of `type` before its last dot (PROTOCOL §3); the whole when it has none. Cut to what a category may have.
    static func defaultCategory(_ type: String) -> String {
        let whole = type.lastIndex(of: ".").map { type[..<$0] } ?? type[...]
        var cut = whole.isEmpty ? type[...] : whole
        while cut.utf8.count > Limits.categoryBytesMax { cut = cut.dropLast() }
        return String(cut)
    }

    static func isName(_ text: String, _ bytesMax: Int) -> Bool { text.utf8.count <= bytesMax && EventID(text) != nil }
}

extension Substring {
    fileprivate var trimmed: String {
        String(drop(while: { $0 == " " }).reversed().drop(while: { $0 == " " }).reversed())
    }
}
