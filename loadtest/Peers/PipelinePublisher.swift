import CEvents
import Glibc

/// Publishes by `POST /pub/<channel>`, without waiting for an answer before the next request: one connection has its
/// requests in order, so all of one channel go over the same one.
final class PipelinePublisher: Publisher {
    private static let connections = 4
    /// Requests on one connection that are not answered: enough to keep the server busy, few enough not to wait there.
    private static let inFlightMax = 256

    private let backend: Endpoint
    private let poller: Poller
    private var links: [PublisherLink] = []
    private var open: [Int]
    private let outcome: (Ticket, PublishOutcome) -> Void
    private var isBroken = false

    init(
        to backend: Endpoint, poller: Poller, outcome: @escaping (Ticket, PublishOutcome) -> Void
    ) throws {
        self.backend = backend
        self.poller = poller
        self.outcome = outcome
        open = Array(repeating: 0, count: Self.connections)
        for number in 0..<Self.connections { links.append(try connect(number)) }
    }

    private func connect(_ number: Int) throws -> PublisherLink {
        let link = try PublisherLink(to: backend, option: "--peer")
        try poller.add(link.descriptor, tag: Worker.Tag.publisher | UInt64(number))
        return link
    }

    /// The server closed a connection: one over which nothing was under way is made again, for some servers keep none
    /// that was idle for 10 s.
    private func closed(_ number: Int) {
        guard open[number] == 0, links[number].waitingBytes == 0, let link = try? connect(number) else {
            return broken()
        }
        close(links[number].descriptor)
        links[number] = link
    }

    var inFlight: Int { open.reduce(0, +) }

    /// One full connection holds up all: which one the next event needs is not known yet.
    var isFull: Bool { isBroken || open.contains { $0 >= Self.inFlightMax } }

    /// There is nothing durable here.
    func notify(user: [UInt8], id: [UInt8], data: [UInt8], _ ticket: Ticket) { live(user: user, data: data, ticket) }

    func live(user: [UInt8], data: [UInt8], _ ticket: Ticket) {
        // The last digits are as good as any hash.
        post(user, data, on: Int(user.last ?? 0) % Self.connections)
    }

    func topic(_ name: String, data: [UInt8], _ ticket: Ticket) {
        post(Array(name.utf8), data, on: Int(name.utf8.last ?? 0) % Self.connections)
    }

    private func post(_ channel: [UInt8], _ data: [UInt8], on number: Int) {
        open[number] += 1
        links[number].write {
            $0 += "POST /pub/".utf8
            $0 += channel
            $0 += " HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(data.count)\r\n\r\n".utf8
            $0 += data
        }
    }

    func flush(_ now: UInt64) {
        guard !isBroken else { return }
        for number in links.indices where links[number].waitingBytes > 0 && !links[number].flush() { broken() }
    }

    func ready(_ event: Poller.Event, _ now: UInt64) {
        let number = Int(event.tag & 0xFF)
        guard !isBroken, links.indices.contains(number) else { return }
        if event.isReadable || event.isOver {
            let isThere = links[number].fill()
            takeAnswers(number)
            if !isThere { closed(number) }
        }
        flush(now)
    }

    private func takeAnswers(_ number: Int) {
        let (answers, used) = HTTPAnswers.read(links[number].input)
        links[number].consume(used)
        open[number] -= answers.count
        for status in answers where !(200..<300).contains(status) {
            outcome(Ticket(session: -1, number: 0), .refused("the server answered a publish with \(status)"))
        }
    }

    private func broken() {
        guard !isBroken else { return }
        isBroken = true
        outcome(Ticket(session: -1, number: 0), .unanswered("the server closed the connection of a publisher"))
    }

    func giveUp() {
        guard !isBroken else { return }
        for _ in 0..<inFlight {
            outcome(Ticket(session: -1, number: 0), .unanswered("the server did not answer before the end of the run"))
        }
    }
}

/// Answers to pipelined requests.
enum HTTPAnswers {
    /// The statuses of the whole answers, and how many bytes they have. Bodies are passed over by their `Content-Length`.
    static func read(_ input: [UInt8]) -> (statuses: [Int], used: Int) {
        var statuses: [Int] = []
        var at = 0
        input.withUnsafeBytes { bytes in
            // SAFETY: `base` is read below `bytes.count` and inside this closure only.
            guard let base = bytes.baseAddress else { return }
            while at < bytes.count {
                let end = apus_find(base + at, bytes.count - at, "\r\n\r\n", 4)
                guard end >= 0 else { break }
                let bodyStart = at + end + 4
                let head = UnsafeRawBufferPointer(rebasing: bytes[at..<bodyStart])
                let length = contentLength(head)
                guard bytes.count - bodyStart >= length else { break }
                statuses.append(status(head))
                at = bodyStart + length
            }
        }
        return (statuses, at)
    }

    /// Of `HTTP/1.1 200 OK`.
    private static func status(_ head: UnsafeRawBufferPointer) -> Int {
        Int(String(decoding: head.dropFirst(9).prefix(3), as: UTF8.self)) ?? 0
    }

    // SAFETY: `head` is read below its count.
    private static func contentLength(_ head: UnsafeRawBufferPointer) -> Int {
        let name: StaticString = "\r\ncontent-length:"
        guard let base = head.baseAddress else { return 0 }
        // Servers write it in any case; none writes another letter's bit pattern between these.
        for at in 0..<max(0, head.count - name.utf8CodeUnitCount)
        where head[at] == 0x0D
            && strncasecmp(
                (base + at).assumingMemoryBound(to: CChar.self),
                UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), name.utf8CodeUnitCount) == 0
        {
            var length = 0
            for byte in head[(at + name.utf8CodeUnitCount)...] where byte != UInt8(ascii: " ") {
                guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { break }
                length = length * 10 + Int(byte - UInt8(ascii: "0"))
            }
            return length
        }
        return 0
    }
}
