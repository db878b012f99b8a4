/// What a JetStream delivery says about itself in its reply subject.
///
///     $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>
///     $JS.ACK.<domain>.<account hash>.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>[.<random>]
///
/// Source: NATS ADR-15; the second form is of newer servers and of leaf nodes with domains.
struct AckSubject: Hashable, Sendable {
    var stream: String
    var consumer: String
    /// How often the message was handed out, this time included.
    var deliveries: Int
    var streamSequence: UInt64
    /// When the stream took the message, in nanoseconds since 1970.
    var storedAtNanoseconds: Int64

    /// - Returns: nil when `subject` is not of either form.
    init?(_ subject: String) {
        // Bytes, not characters: this is done for every event.
        let tokens = subject.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard tokens.count == 9 || tokens.count >= 11, tokens[0].elementsEqual("$JS".utf8),
            tokens[1].elementsEqual("ACK".utf8)
        else { return nil }
        let first = tokens.count == 9 ? 2 : 4
        guard let deliveries = Int(Substring(tokens[first + 2])), deliveries > 0,
            let sequence = UInt64(Substring(tokens[first + 3])), let time = Int64(Substring(tokens[first + 5])),
            !tokens[first].isEmpty, !tokens[first + 1].isEmpty
        else { return nil }
        stream = String(Substring(tokens[first]))
        consumer = String(Substring(tokens[first + 1]))
        self.deliveries = deliveries
        streamSequence = sequence
        storedAtNanoseconds = time
    }
}
