import Glibc
import Wire

/// Publishes through the backend API (PROTOCOL §4): what waits for a connection goes out as one batch.
final class HTTPPublisher: Publisher {
    /// Durable events may go side by side; live ones are in order on one connection.
    private static let durableConnections = 4
    private static let batchMax = 200
    /// Half of what the API takes in one request (PROTOCOL, "HTTP": 413 over 1 MiB).
    private static let batchBytesMax = 512 << 10
    private static let queueMax = 20_000
    private static let patienceSeconds: UInt64 = 10

    private struct Item {
        let body: [UInt8]
        let ticket: Ticket
    }

    /// What waits for one path.
    private struct Queue {
        let path: String
        var items: [Item] = []
        /// The API said not to come before.
        var notBefore: UInt64 = 0
    }

    private struct Connection {
        var link: PublisherLink?
        /// The batch that is not answered; empty when idle.
        var items: [Item] = []
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

    private var waiting: Int { durable.items.count + others.reduce(0) { $0 + $1.items.count } }

    var isFull: Bool { waiting > Self.queueMax }

    var inFlight: Int { waiting + connections.reduce(0) { $0 + $1.items.count } }

    func notify(user: [UInt8], id: [UInt8], data: [UInt8], _ ticket: Ticket) {
        var body = Array(#"{"to":""#.utf8) + user
        body += #"","id":""#.utf8
        body += id
        body += #"","type":"load.note","data":"#.utf8
        body += data
        body.append(UInt8(ascii: "}"))
        durable.items.append(Item(body: body, ticket: ticket))
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
        others[at].items.append(Item(body: body + [UInt8(ascii: "}")], ticket: ticket))
    }

    func flush(_ now: UInt64) {
        for number in connections.indices {
            if !connections[number].items.isEmpty {
                if connections[number].sentAt + Self.patienceSeconds * Clock.second < now {
                    let why = "the backend API did not answer within \(Self.patienceSeconds) s"
                    broken(number, why, now, isLost: false)
                } else if connections[number].link?.flush() == false {
                    broken(number, "the connection to the backend API was lost", now)
                }
                continue
            }
            if connections[number].isDurable {
                if !durable.items.isEmpty, durable.notBefore <= now { send(&durable, on: number, now) }
            } else if let at = others.firstIndex(where: { !$0.items.isEmpty }) {
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
        let batch = Array(queue.items[..<Self.batchCount(queue.items.lazy.map(\.body.count))])
        var body: [UInt8] = [UInt8(ascii: "[")]
        body += batch.map(\.body).joined(separator: [UInt8(ascii: ",")])
        body.append(UInt8(ascii: "]"))
        let head = """
            POST \(queue.path) HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(key)\r\n\
            Content-Type: application/json\r\nContent-Length: \(body.count)\r\n\r\n
            """
        connections[number].items = batch
        connections[number].sentAt = now
        queue.items.removeFirst(batch.count)
        connections[number].link?.append(Array(head.utf8) + body)
        if connections[number].link?.flush() == false {
            broken(number, "the connection to the backend API was lost", now)
        }
    }

    /// How many of these go into one request; one always does.
    static func batchCount(_ sizes: some Sequence<Int>) -> Int {
        var (count, bytes) = (0, 0)
        for size in sizes {
            bytes += size + 1
            if count == batchMax || (count > 0 && bytes > batchBytesMax) { break }
            count += 1
        }
        return count
    }

    // MARK: Answers

    func ready(_ event: Poller.Event, _ now: UInt64) {
        let number = Int(event.tag & 0xFF)
        guard connections.indices.contains(number), connections[number].link != nil else { return }
        if event.isReadable || event.isOver {
            let isThere = connections[number].link?.fill() ?? false
            takeAnswer(number, now)
            if !isThere { return broken(number, "the connection to the backend API was lost", now) }
        }
        flush(now)
    }

    private func takeAnswer(_ number: Int, _ now: UInt64) {
        guard let link = connections[number].link,
            let end = link.input.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound
        else { return }
        let head = String(decoding: link.input[..<end], as: UTF8.self).lowercased()
        guard let length = head.firstMatch(of: /content-length: *(\d+)/).flatMap({ Int($0.1) }),
            link.input.count >= end + length
        else { return }
        let body = Array(link.input[end..<end + length])
        connections[number].link?.consume(end + length)
        let items = connections[number].items
        connections[number].items = []
        let isDurable = connections[number].isDurable
        let status = Int(head.dropFirst(9).prefix(3)) ?? 0
        if head.contains("\nconnection: close") { broken(number, "the backend API closed the connection", now) }
        let (again, milliseconds) = judge(items, isDurable, status, body)
        guard !again.isEmpty else { return }
        // Under the same ids, so that each is stored once.
        durable.items.insert(contentsOf: again, at: 0)
        durable.notBefore = now + milliseconds * Clock.millisecond
    }

    /// Tells what became of a batch. - Returns: What is to be published again, and after how many milliseconds.
    private func judge(
        _ items: [Item], _ isDurable: Bool, _ status: Int, _ body: [UInt8]
    ) -> (again: [Item], milliseconds: UInt64) {
        let isGood = status == 200
        if isGood, body.firstRange(of: Array(#""error""#.utf8)) == nil {
            for item in items { outcome(item.ticket, .stored) }
            return ([], 0)
        }
        let object = try? JSONObject(body)
        let results = object?["results"]?.array ?? []
        let whole = object?["error"]?.object?["message"]?.string ?? "status \(status)"
        var again: [Item] = []
        var retry = object?["error"]?.object?["retry_ms"]?.integer
        for (at, item) in items.enumerated() {
            let result = at < results.count ? results[at].object : nil
            let error = result?["error"]?.object
            if error == nil, result != nil, isGood {
                outcome(item.ticket, .stored)
                continue
            }
            let text = "the backend API: \(error?["message"]?.string ?? whole)"
            let isUnavailable = error.map { $0["code"]?.string == "unavailable" } ?? (status == 503)
            if isUnavailable, isDurable { again.append(item) }
            retry = retry ?? error?["retry_ms"]?.integer
            outcome(
                item.ticket, !isUnavailable ? .refused(text) : isDurable ? .postponed(text) : .unavailable(text))
        }
        return (again, UInt64(clamping: min(retry ?? 1000, 60_000)))
    }

    /// - Parameter isLost: The connection is: what was on it and is durable is published again, under the same ids.
    private func broken(_ number: Int, _ why: String, _ now: UInt64, isLost: Bool = true) {
        if let link = connections[number].link { close(link.descriptor) }
        connections[number].link = nil
        connections[number].retryAt = now + Clock.second
        let items = connections[number].items
        connections[number].items = []
        let isRepeated = isLost && connections[number].isDurable
        for item in items { outcome(item.ticket, isRepeated ? .postponed(why) : .unanswered(why)) }
        guard isRepeated, !items.isEmpty else { return }
        durable.items.insert(contentsOf: items, at: 0)
        durable.notBefore = max(durable.notBefore, now + Clock.second)
    }

    func giveUp() {
        let items = connections.flatMap(\.items) + durable.items + others.flatMap(\.items)
        for number in connections.indices { connections[number].items = [] }
        durable.items = []
        others = []
        for item in items {
            outcome(item.ticket, .unanswered("the backend API did not answer before the end of the run"))
        }
    }
}
