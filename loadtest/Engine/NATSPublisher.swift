import Glibc
import NATSBus
import Wire

/// Publishes through NATS: durable notifications to JetStream, whose acknowledgements it waits for, live events plainly.
///
/// It speaks NATS's text protocol itself, on the worker's one loop: a client library has threads of its own, which on a
/// machine of two cores are what would be measured.
final class NATSPublisher: Publisher {
    /// Durable publishes whose acknowledgement is open. JetStream takes some 100,000 a second; this is a tenth of that.
    private static let inFlightMax = 8192
    /// Bytes that may wait for the socket.
    private static let waitingBytesMax = 4 << 20
    private static let patienceSeconds: UInt64 = 10

    private struct Open {
        var ticket = Ticket(session: -1, number: 0)
        var sentAt: UInt64 = 0
        var isOpen = false
    }

    private var link: PublisherLink
    private let inbox: String
    // The beginnings of what is published, put together once.
    private let notifyStart: [UInt8]
    private let liveStart: [UInt8]
    private let topicStart: [UInt8]
    private let replyStart: [UInt8]
    private let outcome: (Ticket, PublishOutcome) -> Void
    /// The publish with number n stands at n modulo its size.
    private var open = [Open](repeating: Open(), count: inFlightMax)
    private var oldest = 0
    private var next = 0
    private(set) var inFlight = 0
    private var isBroken = false

    init(
        url: String, prefix: String, poller: Poller, outcome: @escaping (Ticket, PublishOutcome) -> Void
    ) throws {
        let configuration = try NATSConfiguration(urls: url)
        guard !configuration.usesTLS else { throw LoadError("--nats: tls:// is not supported, use nats://") }
        let server = configuration.servers[0]
        self.outcome = outcome
        inbox = "_INBOX.load\(UInt64.random(in: 0 ... .max))"
        notifyStart = Array("PUB \(prefix).in.notify.".utf8)
        liveStart = Array("PUB \(prefix).live.user.".utf8)
        topicStart = Array("PUB \(prefix).live.topic.".utf8)
        replyStart = Array(" \(inbox).".utf8)
        link = try PublisherLink(
            to: try Endpoint.resolve(host: server.host, port: server.port, option: "--nats"), option: "--nats")
        try begin(configuration.credentials)
        try poller.add(link.descriptor, tag: Worker.Tag.publisher)
    }

    private func begin(_ credentials: NATSConfiguration.Credentials) throws {
        let hello = JSONWriter.object {
            $0.member("verbose", false)
            $0.member("pedantic", false)
            $0.member("lang", "swift")
            $0.member("version", "1")
            $0.member("name", "apus-loadtest")
            switch credentials {
            case .none, .file: break
            case .password(let user, let password):
                $0.member("user", user)
                $0.member("pass", password)
            case .token(let token): $0.member("auth_token", token)
            }
        }
        link.append(Array("CONNECT ".utf8) + hello + Array("\r\nSUB \(inbox).* 1\r\nPING\r\n".utf8))
        guard link.flush() else { throw LoadError("--nats: the server closed the connection") }
        while true {
            let text = String(decoding: link.input, as: UTF8.self)
            if let error = text.firstMatch(of: /-ERR '([^']*)'/) { throw LoadError("--nats: \(error.1)") }
            if text.contains("PONG\r\n") { break }
            guard link.waitForInput(milliseconds: 5000) else { throw LoadError("--nats: that is no NATS server") }
        }
        link.consume(link.input.count)
    }

    // MARK: Publishing

    var isFull: Bool {
        isBroken || link.waitingBytes > Self.waitingBytesMax || open[next % Self.inFlightMax].isOpen
    }

    func notify(user: [UInt8], id: [UInt8], data: [UInt8], _ ticket: Ticket) {
        let number = next
        next += 1
        open[number % Self.inFlightMax] = Open(ticket: ticket, sentAt: Clock.now(), isOpen: true)
        inFlight += 1
        link.write {
            $0 += notifyStart
            $0 += user
            $0 += replyStart
            Decimal.append(UInt64(number), to: &$0)
            let count = Self.noteStart.count + id.count + Self.noteMiddle.count + data.count + 1
            Self.append(bytes: count, to: &$0)
            // {"id":…,"type":"load.note","data":{…}}
            $0 += Self.noteStart
            $0 += id
            $0 += Self.noteMiddle
            $0 += data
            $0 += Self.end
        }
    }

    func live(user: [UInt8], data: [UInt8], _ ticket: Ticket) {
        link.write {
            $0 += liveStart
            $0 += user
            Self.append(live: data, to: &$0)
        }
    }

    func topic(_ name: String, data: [UInt8], _ ticket: Ticket) {
        link.write {
            $0 += topicStart
            $0 += name.utf8
            Self.append(live: data, to: &$0)
        }
    }

    private static func append(live data: [UInt8], to out: inout [UInt8]) {
        append(bytes: liveBody.count + data.count + 1, to: &out)
        out += liveBody
        out += data
        out += end
    }

    /// The last word of a line, and its end.
    private static func append(bytes: Int, to out: inout [UInt8]) {
        out.append(UInt8(ascii: " "))
        Decimal.append(UInt64(bytes), to: &out)
        out += lineEnd
    }

    private static let lineEnd = Array("\r\n".utf8)
    private static let end = Array("}\r\n".utf8)
    private static let noteStart = Array(#"{"id":""#.utf8)
    private static let noteMiddle = Array(#"","type":"load.note","data":"#.utf8)
    private static let liveBody = Array(#"{"type":"load.live","data":"#.utf8)

    // MARK: The connection

    func flush(_ now: UInt64) {
        guard !isBroken else { return }
        if link.waitingBytes > 0, !link.flush() { broken("the connection to NATS was lost") }
        giveUpOld(now)
    }

    func ready(_ event: Poller.Event, _ now: UInt64) {
        guard !isBroken else { return }
        if event.isReadable || event.isOver {
            let isThere = link.fill()
            takeInput()
            if !isThere { return broken("the connection to NATS was lost") }
        }
        flush(now)
    }

    private func takeInput() {
        var at = 0
        let input = link.input
        while let end = input[at...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = input[at..<end]
            if line.first == UInt8(ascii: "M") {
                guard let size = Self.number(line.reversed().drop { $0 <= 0x20 }.prefix { $0 > 0x20 }.reversed()),
                    input.count >= end + 1 + size + 2
                else { break }
                answer(line, input[end + 1..<end + 1 + size])
                at = end + 1 + size + 2
                continue
            }
            if line.starts(with: "PING".utf8) { link.append("PONG\r\n".utf8) }
            if line.starts(with: "-ERR".utf8) {
                outcome(
                    Ticket(session: -1, number: 0),
                    .refused("NATS: \(String(decoding: line, as: UTF8.self).prefix { $0 != "\r" })"))
            }
            at = end + 1
        }
        link.consume(at)
    }

    private static func number(_ digits: some Sequence<UInt8>) -> Int? {
        var number = 0
        for digit in digits {
            guard 0x30...0x39 ~= digit else { return nil }
            number = number &* 10 &+ Int(digit & 15)
        }
        return number
    }

    /// `MSG <inbox>.<number> 1 <bytes>`, and JetStream's answer.
    private func answer(_ line: ArraySlice<UInt8>, _ payload: ArraySlice<UInt8>) {
        // What stands before the subject is `MSG `.
        let digits = line.dropFirst(replyStart.count + 3).prefix { $0 > 0x20 }
        guard let number = Self.number(digits) else { return }
        let isStored = payload.starts(with: #"{"stream""#.utf8)
        let text = isStored ? "" : "JetStream: \(String(decoding: payload.prefix(200), as: UTF8.self))"
        settle(number, isStored ? .stored : .refused(text))
    }

    private func settle(_ number: Int, _ outcome: PublishOutcome) {
        let at = number % Self.inFlightMax
        guard number >= oldest, number < next, open[at].isOpen else { return }
        open[at].isOpen = false
        inFlight -= 1
        self.outcome(open[at].ticket, outcome)
        while oldest < next, !open[oldest % Self.inFlightMax].isOpen { oldest += 1 }
    }

    private func giveUpOld(_ now: UInt64) {
        while oldest < next, open[oldest % Self.inFlightMax].sentAt + Self.patienceSeconds * Clock.second < now {
            settle(oldest, .unanswered("JetStream did not answer within \(Self.patienceSeconds) s"))
        }
    }

    private func broken(_ why: String) {
        isBroken = true
        loseAll(why)
    }

    func giveUp() { loseAll("JetStream did not answer before the end of the run") }

    private func loseAll(_ why: String) {
        while oldest < next { settle(oldest, .unanswered(why)) }
    }
}
