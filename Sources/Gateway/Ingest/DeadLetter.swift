import Bus
import Core

/// An event that could not be used, on its way to `apus.dead` (PROTOCOL §3).
///
/// NATS must take it, whatever the event was: a letter that is refused goes round for as long as the stream has the
/// event. So no header of the event tells JetStream what to do, and what would be too large with the reason is cut.
struct DeadLetter: Sendable {
    let event: BusMessage
    let reason: String

    /// The event with its reason, as much of it as NATS takes by default.
    func whole(to subject: String) -> BusMessage {
        let kept = keptHeaders
        var headers = kept.headers + ownHeaders
        let room = Limits.deadLetterBytesMax - headers.reduce(0) { $0 + Self.bytes($1) }
        let isCut = event.payload.count > room
        if isCut || kept.isCut { headers.append(truncated) }
        return BusMessage(
            subject: subject, headers: headers, payload: isCut ? Array(event.payload.prefix(room)) : event.payload)
    }

    /// Nothing of the event but where it came from: for a NATS that refuses the whole one, because it takes less, or
    /// because of a header.
    func bare(to subject: String) -> BusMessage {
        BusMessage(subject: subject, headers: ownHeaders + [truncated], payload: [])
    }

    /// The event's own headers. Those of NATS are orders to JetStream, such as `Nats-Expected-Stream`, and were meant for
    /// the stream that the event came to.
    private var keptHeaders: (headers: [(name: String, value: String)], isCut: Bool) {
        var (headers, bytes, isCut): ([(name: String, value: String)], Int, Bool) = ([], 0, false)
        for header in event.headers {
            let name = header.name.lowercased()
            if name.hasPrefix("nats-") || name.hasPrefix("apus-") { continue }
            guard bytes + Self.bytes(header) <= Limits.deadLetterHeaderBytesMax else {
                isCut = true
                continue
            }
            bytes += Self.bytes(header)
            headers.append(header)
        }
        return (headers, isCut)
    }

    private var ownHeaders: [(name: String, value: String)] {
        [("Apus-Reason", Self.headerSafe(reason)), ("Apus-Subject", Self.headerSafe(event.subject))]
    }

    /// Says that something is missing, and how many bytes the event's payload had.
    private var truncated: (name: String, value: String) { ("Apus-Truncated", String(event.payload.count)) }

    /// What a header takes in a message: `name: value` and a line end.
    private static func bytes(_ header: (name: String, value: String)) -> Int {
        header.name.utf8.count + header.value.utf8.count + 4
    }

    /// Header values have no line ends and stay short.
    private static func headerSafe(_ text: String) -> String {
        String(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : Character($0) }.prefix(500))
    }
}
