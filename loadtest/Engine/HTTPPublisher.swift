import Glibc
import Wire

/// Publishes through the backend API (PROTOCOL §4): what waits for a connection goes out as one batch.
final class HTTPPublisher: Publisher {
    /// Durable events may go side by side; live ones are in order on one connection.
    private static let durableConnections = 4
    private static let batchMax = 200
    private static let queueMax = 20_000
    private static let patienceSeconds: UInt64 = 10

    /// What waits for one path.
    private struct Queue {
        let path: String
        var bodies: [[UInt8]] = []
        var tickets: [Ticket] = []
    }

    private struct Connection {
        var link: PublisherLink?
        /// Of the batch that is not answered; empty when idle.
        var tickets: [Ticket] = []
        var sentAt: UInt64 = 0
        var retryAt: UInt64 = 0
        let isDurable: Bool
    }

    private let backend: Endpoint
    private let key: String
    private let poller: Poller
    private let outcome: (Ticket, PublishOutcome) -> Void
    private var durable = Queue(path: "/v1/notifications")
    private var others: [Queue] = []
    private var connections: [Connection] = []

    init(
        backend: Endpoint, key: String, poller: Poller, outcome: @escaping (Ticket, PublishOutcome) -> Void
    ) throws {
        (self.backend, self.key, self.poller, self.outcome) = (backend, key, poller, outcome)
        for number in 0...Self.durableConnections {
            connections.append(Connection(isDurable: number < Self.durableConnections))
            try connect(number)
        }
    }

    private func connect(_ number: Int) throws {
        let link = try PublisherLink(to: backend, option: "--backend")
        connections[number].link = link
        try poller.add(link.descriptor, tag: Worker.Tag.publisher | UInt64(number))
    }

    // MARK: Publishing

    var isFull: Bool { durable.tickets.count + others.reduce(0) { $0 + $1.tickets.count } > Self.queueMax }

    var inFlight: Int {
        durable.tickets.count + others.reduce(0) { $0 + $1.tickets.count }
            + connections.reduce(0) { $0 + $1.tickets.count }
    }

    func notify(user: [UInt8], id: [UInt8], data: [UInt8], _ ticket: Ticket) {
        var body = Array(#"{"to":""#.utf8) + user
        body += #"","id":""#.utf8
        body += id
        body += #"","type":"load.note","data":"#.utf8
        body += data
        body.append(UInt8(ascii: "}"))
        durable.bodies.append(body)
        durable.tickets.append(ticket)
    }

    func live(user: [UInt8], data: [UInt8], _ ticket: Ticket) {
        add("/v1/live", Array(#"{"to":""#.utf8) + user + Array(#"","type":"load.live","data":"#.utf8) + data, ticket)
    }

    func topic(_ name: String, data: [UInt8], _ ticket: Ticket) {
        add("/v1/topics/\(name)", Array(#"{"type":"load.live","data":"#.utf8) + data, ticket)
    }

    private func add(_ path: String, _ body: [UInt8], _ ticket: Ticket) {
        let at = others.firstIndex { $0.path == path } ?? others.count
        if at == others.count { others.append(Queue(path: path)) }
        others[at].bodies.append(body + [UInt8(ascii: "}")])
        others[at].tickets.append(ticket)
    }

    func flush(_ now: UInt64) {
        for number in connections.indices {
            if !connections[number].tickets.isEmpty {
                if connections[number].sentAt + Self.patienceSeconds * Clock.second < now {
                    broken(number, "the backend API did not answer within \(Self.patienceSeconds) s", now)
                } else if connections[number].link?.flush() == false {
                    broken(number, "the connection to the backend API was lost", now)
                }
                continue
            }
            if connections[number].isDurable {
                if !durable.tickets.isEmpty { send(&durable, on: number, now) }
            } else if let at = others.firstIndex(where: { !$0.tickets.isEmpty }) {
                send(&others[at], on: number, now)
                // Every path has its turn.
                others.append(others.remove(at: at))
            }
        }
    }

    private func send(_ queue: inout Queue, on number: Int, _ now: UInt64) {
        if connections[number].link == nil {
            guard connections[number].retryAt <= now, (try? connect(number)) != nil else { return }
        }
        let count = min(Self.batchMax, queue.tickets.count)
        var body: [UInt8] = [UInt8(ascii: "[")]
        body += queue.bodies[..<count].joined(separator: [UInt8(ascii: ",")])
        body.append(UInt8(ascii: "]"))
        let head = """
            POST \(queue.path) HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(key)\r\n\
            Content-Type: application/json\r\nContent-Length: \(body.count)\r\n\r\n
            """
        connections[number].tickets = Array(queue.tickets[..<count])
        connections[number].sentAt = now
        queue.tickets.removeFirst(count)
        queue.bodies.removeFirst(count)
        connections[number].link?.append(Array(head.utf8) + body)
        if connections[number].link?.flush() == false {
            broken(number, "the connection to the backend API was lost", now)
        }
    }

    // MARK: Answers

    func ready(_ event: Poller.Event, _ now: UInt64) {
        let number = Int(event.tag & 0xFF)
        guard connections.indices.contains(number), connections[number].link != nil else { return }
        if event.isReadable || event.isOver {
            let isThere = connections[number].link?.fill() ?? false
            takeAnswer(number)
            if !isThere { return broken(number, "the connection to the backend API was lost", now) }
        }
        flush(now)
    }

    private func takeAnswer(_ number: Int) {
        guard let link = connections[number].link,
            let end = link.input.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound
        else { return }
        let head = String(decoding: link.input[..<end], as: UTF8.self).lowercased()
        guard let length = head.firstMatch(of: /content-length: *(\d+)/).flatMap({ Int($0.1) }),
            link.input.count >= end + length
        else { return }
        let body = Array(link.input[end..<end + length])
        connections[number].link?.consume(end + length)
        let tickets = connections[number].tickets
        connections[number].tickets = []
        judge(head.hasPrefix("http/1.1 200"), body, tickets, status: String(head.dropFirst(9).prefix(3)))
    }

    private func judge(_ isGood: Bool, _ body: [UInt8], _ tickets: [Ticket], status: String) {
        if isGood, body.firstRange(of: Array(#""error""#.utf8)) == nil {
            for ticket in tickets { outcome(ticket, .stored) }
            return
        }
        let object = try? JSONObject(body)
        let results = object?["results"]?.array ?? []
        let whole = object?["error"]?.object?["message"]?.string ?? "status \(status)"
        for (at, ticket) in tickets.enumerated() {
            let item = at < results.count ? results[at].object : nil
            if let error = item?["error"]?.object {
                let text = "the backend API: \(error["message"]?.string ?? "an error")"
                outcome(ticket, error["code"]?.string == "unavailable" ? .unknown(text) : .refused(text))
            } else if item != nil, isGood {
                outcome(ticket, .stored)
            } else {
                outcome(ticket, status == "503" ? .unknown(whole) : .refused("the backend API: \(whole)"))
            }
        }
    }

    private func broken(_ number: Int, _ why: String, _ now: UInt64) {
        if let link = connections[number].link { close(link.descriptor) }
        connections[number].link = nil
        connections[number].retryAt = now + Clock.second
        let tickets = connections[number].tickets
        connections[number].tickets = []
        for ticket in tickets { outcome(ticket, .unknown(why)) }
    }
}
