import Glibc

/// Whose publish an answer is about.
struct Ticket: Equatable {
    /// The session that is to get it; -1 for a topic.
    var session: Int32
    var number: UInt32
    var stream = Stream.topic

    /// Some publishers do not know which one it was.
    var text: String { number > 0 ? "number \(number)" : "a publish" }
}

enum PublishOutcome {
    /// It is stored, or on its way for what is not stored.
    case stored
    /// It is not.
    case refused(String)
    /// No answer came.
    case unanswered(String)
    /// The server said to come later; what was not stored is not published again, for it might come twice.
    case unavailable(String)
    /// The server said to come later, and it will be published again: what becomes of it is told then.
    case postponed(String)
}

/// How events get to the server under test. All of it happens on the worker's one thread.
protocol Publisher: AnyObject {
    /// Nothing more may be given to it now: the server is behind.
    var isFull: Bool { get }
    /// Publishes whose outcome is open.
    var inFlight: Int { get }
    /// The run is judged: what has no answer gets none.
    func giveUp()
    /// Publishes a durable notification; `id` names it, `data` is a JSON object.
    func notify(user: [UInt8], id: [UInt8], data: [UInt8], _ ticket: Ticket)
    /// Publishes a live event to a user. No outcome is told, unless it fails.
    func live(user: [UInt8], data: [UInt8], _ ticket: Ticket)
    func topic(_ name: String, data: [UInt8], _ ticket: Ticket)
    /// Sends what was published; called in every turn of the loop.
    func flush(_ now: UInt64)
    /// Something happened on one of its descriptors, which have tags from `Worker.Tag.publisher` on.
    func ready(_ event: Poller.Event, _ now: UInt64)
}

/// A TCP connection of a publisher: what waits to be sent, and what came.
struct PublisherLink {
    let descriptor: Int32
    private var out: [UInt8] = []
    private var sent = 0
    private(set) var input: [UInt8] = []

    /// Connects, waiting for it. - Throws: With what names the option and the fix.
    init(to endpoint: Endpoint, option: String) throws {
        switch Sockets.connect(to: endpoint, from: nil) {
        case .failed(let code): throw LoadError("\(option): \(Sockets.explain(code, endpoint, source: nil))")
        case .started(let descriptor):
            self.descriptor = descriptor
            guard Self.isReady(descriptor, POLLOUT, milliseconds: 5000) else {
                close(descriptor)
                throw LoadError("\(option): no answer from \(endpoint.text) within 5 s")
            }
            let code = Sockets.error(of: descriptor)
            guard code == 0 else {
                close(descriptor)
                throw LoadError("\(option): \(Sockets.explain(code, endpoint, source: nil))")
            }
        }
    }

    /// Waits until the descriptor is ready.
    private static func isReady(_ descriptor: Int32, _ what: Int32, milliseconds: Int32) -> Bool {
        var one = pollfd(fd: descriptor, events: Int16(what), revents: 0)
        return poll(&one, 1, milliseconds) > 0
    }

    /// Waits for more input; for the beginning, before there is a loop. - Returns: false when nothing came.
    mutating func waitForInput(milliseconds: Int32) -> Bool {
        Self.isReady(descriptor, POLLIN, milliseconds: milliseconds) && fill()
    }

    var waitingBytes: Int { out.count - sent }

    mutating func append(_ bytes: some Sequence<UInt8>) { out.append(contentsOf: bytes) }

    /// Lets `body` write behind what waits.
    mutating func write(_ body: (inout [UInt8]) -> Void) { body(&out) }

    /// Sends as much as the socket takes. - Returns: false when the connection is broken.
    mutating func flush() -> Bool {
        while sent < out.count {
            let count = out.withUnsafeBytes {
                // SAFETY: `sent` is below the count of the bytes, which live through this closure.
                send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN
            }
            sent += count
        }
        out.removeAll(keepingCapacity: true)
        sent = 0
        return true
    }

    /// Reads all that is there. - Returns: false when the other side is gone.
    mutating func fill() -> Bool {
        while true {
            let start = input.count
            let room = 65_536
            var count = 0
            input.append(contentsOf: repeatElement(0, count: room))
            input.withUnsafeMutableBytes {
                // SAFETY: `room` bytes were appended at `start`.
                count = read(descriptor, $0.baseAddress! + start, room)
            }
            input.removeLast(room - max(0, count))
            if count == 0 { return false }
            if count < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN
            }
            if count < room { return true }
        }
    }

    mutating func consume(_ count: Int) { input.removeFirst(count) }
}
