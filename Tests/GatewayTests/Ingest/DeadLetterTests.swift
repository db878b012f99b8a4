import Bus
import Core
import Testing

@testable import Gateway

/// A letter that NATS refuses goes round until the stream forgets the event: so none may be refused for what is in it.
@Suite("A dead letter can be stored, whatever the event was")
struct DeadLetterTests {
    private func letter(
        _ headers: [(name: String, value: String)] = [], payload: [UInt8] = [], reason: String = "bad_request: no"
    ) -> DeadLetter {
        DeadLetter(event: BusMessage(subject: "apus.in.notify", headers: headers, payload: payload), reason: reason)
    }

    /// What a message takes of NATS's `max_payload`.
    private func size(_ message: BusMessage) -> Int {
        message.headers.reduce(message.payload.count) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
    }

    @Test("It has what came, byte for byte, with its reason and its subject")
    func usual() {
        let message = letter([("ce-id", "1")], payload: Array("not json".utf8)).whole(to: "apus.dead")
        #expect(message.subject == "apus.dead" && message.payload == Array("not json".utf8))
        #expect(message.headers.map(\.name) == ["ce-id", "Apus-Reason", "Apus-Subject"])
        #expect(message.headers.map(\.value) == ["1", "bad_request: no", "apus.in.notify"])
    }

    @Test("What the event told JetStream, or claims to be Apus's, is not passed on")
    func orders() {
        let message = letter([
            ("Nats-Expected-Stream", "APUS_IN"), ("nats-expected-last-sequence", "7"), ("NATS-Rollup", "all"),
            ("Nats-Msg-Id", "a"), ("apus-reason", "none"), ("x-natsume", "kept"),
        ]).whole(to: "apus.dead")
        #expect(message.headers.map(\.name) == ["x-natsume", "Apus-Reason", "Apus-Subject"])
        #expect(message.header("Apus-Reason") == "bad_request: no")
    }

    @Test("An event that had all that a message may have is cut, and the letter says so")
    func large() {
        let payload = (0..<1_048_500).map { UInt8(truncatingIfNeeded: $0) }
        let message = letter([("ce-id", "1")], payload: payload).whole(to: "apus.dead")
        #expect(size(message) <= Limits.deadLetterBytesMax + 100)
        #expect(message.payload.count > 900_000 && message.payload == Array(payload.prefix(message.payload.count)))
        #expect(message.header("Apus-Truncated") == "1048500" && message.header("ce-id") == "1")
    }

    @Test("Headers that leave no room for Apus's own are left out, the others stay")
    func manyHeaders() {
        let headers = [("first", "1"), ("large", String(repeating: "x", count: 65_000)), ("last", "2")]
        let message = letter(headers.map { (name: $0.0, value: $0.1) }, payload: [1, 2, 3]).whole(to: "apus.dead")
        #expect(message.headers.map(\.name) == ["first", "last", "Apus-Reason", "Apus-Subject", "Apus-Truncated"])
        #expect(message.payload == [1, 2, 3] && message.header("Apus-Truncated") == "3")
    }

    @Test("A reason is one line, and short")
    func reason() {
        let message = letter(reason: "a\r\nb" + String(repeating: "c", count: 1000)).whole(to: "apus.dead")
        let reason = message.header("Apus-Reason") ?? ""
        #expect(reason.hasPrefix("a  bc") && reason.count == 500)
    }

    @Test("The bare one has nothing of the event but where it came from")
    func bare() {
        let message = letter([("a b", "1")], payload: [1, 2, 3]).bare(to: "apus.dead")
        #expect(message.headers.map(\.name) == ["Apus-Reason", "Apus-Subject", "Apus-Truncated"])
        #expect(message.payload.isEmpty && message.header("Apus-Truncated") == "3")
    }
}
