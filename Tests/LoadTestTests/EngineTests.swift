import Foundation
import Spawn
import Testing

@testable import apus_loadtest

@Suite("Pieces of the load generator's engine")
struct EngineTests {
    @Test("a marker is found in whatever surrounds it, and says what was written")
    func marker() throws {
        let marker = Marker(run: .max, stream: 7, number: 123_456, time: 1_234_567_890_123)
        var payload: [UInt8] = []
        marker.append(to: &payload, bytes: 100)
        #expect(payload.count == 100)
        let frame = Array(#"{"ev":"topic","topic":"a","data":"#.utf8) + payload + Array("}".utf8)
        let twice = frame + frame
        twice.withUnsafeBytes { bytes in
            let first = Marker.find(in: bytes, from: 0)
            #expect(first?.marker == marker)
            let second = Marker.find(in: bytes, from: first?.end ?? 0)
            #expect(second?.marker == marker)
            #expect(Marker.find(in: bytes, from: second?.end ?? 0) == nil)
        }
        let object = try JSONSerialization.jsonObject(with: Data(payload)) as? [String: String]
        #expect(object?.count == 2)
    }

    @Test("text that only looks like a marker is passed over")
    func noMarker() {
        for text in [#""lt":"1.2.3""#, #""lt":"x""#, #""lt":""#, "", #"{"lt":"1.2"#] {
            Array(text.utf8).withUnsafeBytes { #expect(Marker.find(in: $0, from: 0) == nil, "\(text)") }
        }
    }

    @Test("the head of an event is read from its first bytes")
    func eventHead() {
        func head(_ text: String) -> (EventHead.Kind, UInt32, String)? {
            Array(text.utf8).withUnsafeBytes { bytes in
                EventHead.read(bytes).map {
                    ($0.kind, $0.seq, String(decoding: bytes[$0.id], as: UTF8.self))
                }
            }
        }
        #expect(
            head(#"{"ev":"notification","seq":42,"id":"ab","ts":1}"#).map { $0 == (.notification, 42, "ab") } == true)
        #expect(head(#"{"ev":"message","seq":7,"id":"x","ts":1,"n":3}"#).map { $0 == (.message, 7, "x") } == true)
        #expect(head(#"{"ev":"inbox.read","seq":8,"id":"y"}"#).map { $0 == (.otherDurable, 8, "y") } == true)
        #expect(head(#"{"ev":"behind","seq":9}"#).map { $0 == (.behind, 9, "") } == true)
        #expect(head(#"{"ev":"topic","topic":"t","data":{}}"#)?.0 == .topic)
        #expect(head(#"{"ev":"typing","conv":"c"}"#)?.0 == .other)
        #expect(head(#"{"re":"m.1.2","ok":{}}"#)?.0 == .reply)
        for wrong in ["", "{", #"{"ev":"#, #"{"ev":"x"#, "[]", #"{"ev":"a","seq":x"#] { #expect(head(wrong) == nil) }
    }

    @Test("what workers and the controller say to each other survives a line")
    func lines() throws {
        var setup = WorkerSetup(run: 5, targets: [Endpoint(address: 0x7F00_0001, port: 8080)], origin: 99)
        (setup.count, setup.nats, setup.slowShare) = (10, "nats://h", 0.1)
        let commands: [WorkerCommand] = [
            .setup(setup), .connect(target: 3, perSecond: 1.5),
            .begin([Activity(kind: .send, rate: 2, start: 3, seconds: 4)]), .drop(count: 1, pauseMilliseconds: 2),
            .settle(topics: [1, 2], milliseconds: 3), .finish, .quit,
        ]
        var buffer = LineBuffer()
        var heard: [String] = []
        // Cut anywhere: a pipe does.
        for chunk in try commands.flatMap({ try Lines.encode($0) }).chunks(of: 7) {
            for line in buffer.take(chunk) { heard.append("\(try Lines.decode(WorkerCommand.self, line))") }
        }
        #expect(heard == commands.map { "\($0)" })
    }

    @Test("histograms of workers merge to what one histogram of all would be")
    func histograms() {
        var (whole, merged) = (LatencyHistogram(), LatencyHistogram())
        for worker in 0..<3 {
            var part = LatencyHistogram()
            for number in 0..<1000 {
                let value = UInt64(number * 1700 + worker * 333_000)
                part.record(nanoseconds: value)
                whole.record(nanoseconds: value)
            }
            let isText = merged.add(text: part.text)
            #expect(isText)
        }
        for percentile in [0, 50, 90, 99, 99.9, 100] {
            // A bucket's other edge, at most.
            let (one, other) = (Double(merged.percentile(percentile)), Double(whole.percentile(percentile)))
            #expect(abs(one - other) <= other / 1000 + 1, "\(percentile)")
        }
        #expect(merged.counts.totalCount == 3000)
        let isText = merged.add(text: "5;6")
        #expect(!isText)
    }

    @Test("sessions are split over workers in pairs, all of them, and errors say what to do")
    func plan() throws {
        let target = Target(urls: ["ws://127.0.0.1:9000/ws"], secret: "s")
        var plan = LoadPlan(sessions: 40_001)
        let setups = try plan.setups(for: target, fileLimit: 20_000)
        #expect(setups.count == 3 && setups.reduce(0) { $0 + $1.count } == 40_001)
        #expect(setups.allSatisfy { $0.first % 2 == 0 && $0.count <= 18_000 })
        #expect(zip(setups, setups.dropFirst()).allSatisfy { $0.first + $0.count == $1.first })
        // More than are comfortable for one address: others of this machine are used.
        #expect(setups[0].sources == (2...6).map { 0x7F00_0000 + $0 })
        plan.workers = 1
        #expect(throws: LoadError.self) { try plan.setups(for: target, fileLimit: 20_000) }
        plan.workers = nil
        #expect(throws: LoadError.self) { try plan.setups(for: target, fileLimit: 64) }
        #expect(throws: LoadError.self) {
            try plan.setups(for: Target(urls: ["wss://127.0.0.1/ws"], secret: "s"), fileLimit: 20_000)
        }
        #expect(throws: LoadError.self) {
            try plan.setups(for: Target(urls: ["ws://10.0.0.1:1/ws"], secret: "s"), fileLimit: 20_000)
        }
        #expect(
            try LoadPlan.sources("127.0.0.2,127.0.0.8-10").map(Endpoint.text) == [
                "127.0.0.2", "127.0.0.8", "127.0.0.9", "127.0.0.10",
            ])
        #expect(throws: LoadError.self) { try LoadPlan.sources("127.0.0.9-2") }
    }

    @Test("what is due comes out in the order of its time")
    func due() {
        var queue = DueQueue()
        var random = SplitMix(seed: 1)
        for session in 0..<200 { queue.add(Int32(session), due: UInt64(random.below(1000))) }
        var last: UInt64 = 0
        while let due = queue.first {
            #expect(due >= last)
            last = due
            _ = queue.next(by: due)
        }
        #expect(queue.count == 0)
    }

    @Test("a session costs less than 300 bytes")
    func size() {
        #expect(MemoryLayout<SessionRecord>.stride + Ledger.bytesPerSession <= 300)
    }

    @Test("a marker has to be that of the session, of its topic, or of the other one of its pair")
    func owner() {
        for stream: apus_loadtest.Stream in [.notes, .live, .own] {
            #expect(stream.owner(session: 18_001, topics: 7) == 18_001)
        }
        #expect(apus_loadtest.Stream.topic.owner(session: 18_001, topics: 7) == 18_001 % 7)
        #expect(apus_loadtest.Stream.topic.owner(session: 5, topics: 0) == 0)
        #expect(apus_loadtest.Stream.messages.owner(session: 18_001, topics: 0) == 18_000)
        #expect(apus_loadtest.Stream.messages.owner(session: 18_000, topics: 0) == 18_001)
    }

    @Test("an answer is owed to what was said some time ago, and to what was told to wait for a long one")
    func owed() {
        let s = Clock.second
        var send = PendingSend(meant: 1)
        #expect(!send.isOwed(at: 100 * s), "it waits for its session")
        (send.isSaid, send.saidAt) = (true, 100 * s)
        #expect(!send.isOwed(at: 101 * s) && send.isOwed(at: 102 * s))
        (send.firstPostponedAt, send.postponedUntil) = (101 * s, 103 * s)
        #expect(!send.isOwed(at: 110 * s) && send.isOwed(at: 111 * s))
    }

    @Test("latency is charged to the server unless the tool itself kept the session away")
    func charged() {
        var record = SessionRecord()
        (record.phase, record.flags, record.since) = (.waiting, [.welcomed], 50)
        #expect(record.isCharged(10) && record.mayWrite(10))
        record.flags.insert(.dropped)
        #expect(!record.isCharged(49) && record.isCharged(50))
        #expect(!record.mayWrite(49) && record.mayWrite(50))
        record.phase = .open
        #expect(!record.isCharged(49) && record.mayWrite(0))
        (record.phase, record.flags) = (.none, [.welcomed])
        #expect(!record.mayWrite(100))
        record.flags = [.welcomed, .slow]
        #expect(!record.isCharged(100))
    }

    @Test("an error reply says its code and how long to wait")
    func errorReply() {
        func read(_ text: String) -> ErrorReply? { Array(text.utf8).withUnsafeBytes { ErrorReply($0) } }
        let wait = read(#"{"re":"y","error":{"code":"unavailable","message":"no store","retry_ms":21}}"#)
        #expect(wait?.code == "unavailable" && wait?.message == "no store" && wait?.retryMilliseconds == 21)
        let forGood = read(#"{"re":"y","error":{"code":"internal","message":""}}"#)
        #expect(forGood != nil && forGood?.retryMilliseconds == nil)
        let long = read(#"{"re":"y","error":{"code":"unavailable","message":"","retry_ms":9000000000000000000}}"#)
        #expect(long?.retryMilliseconds == 600_000)
        #expect(read(#"{"re":"y","ok":{}}"#) == nil && read("{") == nil)
    }

    @Test("a batch of the backend API is cut where its bytes or its number would be too many")
    func batches() {
        #expect(HTTPPublisher.batchCount([Int](repeating: 150, count: 1000)) == 200)
        let large = HTTPPublisher.batchCount([Int](repeating: 16_000, count: 1000))
        #expect(large == 512 * 1024 / 16_001)
        #expect(HTTPPublisher.batchCount([700_000, 1]) == 1 && HTTPPublisher.batchCount([Int]()) == 0)
    }

    @Test("a sample that comes late is added to its second, not shown as a second one")
    func lateSample() {
        var log = RunLog(workers: 2, sampleSeconds: 1)
        func sample(_ interval: Int, held: Int, deliveries: Int) -> WorkerSample {
            var sample = WorkerSample()
            (sample.interval, sample.held, sample.tally.deliveries) = (interval, held, deliveries)
            return sample
        }
        for interval in 0..<5 { _ = log.take(sample(interval, held: 10, deliveries: 100), of: 0, phase: "p") }
        // The first second was not waited for any longer; the second worker was stopped meanwhile.
        #expect(log.samples.map(\.at) == [1] && log.samples[0].sessions == 10)
        let shown = log.take(sample(0, held: 7, deliveries: 70), of: 1, phase: "p")
        #expect(shown.isEmpty && log.samples.count == 1)
        #expect(log.samples[0].sessions == 17 && log.samples[0].counts.deliveries == 170)
        // It leaves out what it slept through: nobody waits for that.
        let rest = log.take(sample(4, held: 7, deliveries: 7), of: 1, phase: "p")
        #expect(rest.map(\.at) == [2, 3, 4, 5] && log.total.deliveries == 577)
    }

    // The kernel took 4 MB for one that does not read, so no node ever met it.
    @Test("a session that does not read takes in a few kilobytes")
    func slowSocket() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        let port = try FreePort.next()
        let bound = Endpoint.loopback(port).withAddress { bind(listener, $0, $1) }
        try #require(bound == 0 && listen(listener, 1) == 0)
        guard case .started(let client) = Sockets.connect(to: .loopback(port), from: nil, isSlow: true) else {
            Issue.record("it does not connect")
            return
        }
        defer { close(client) }
        let server = accept(listener, nil, nil)
        try #require(server >= 0)
        defer { close(server) }
        let bytes = [UInt8](repeating: 0, count: 1024)
        var taken = 0
        while taken < 1 << 20 {
            // What is on its way for a moment counts as well: it is asked again until nothing is taken for 200 ms.
            var one = pollfd(fd: server, events: Int16(POLLOUT), revents: 0)
            guard poll(&one, 1, 200) > 0 else { break }
            let count = send(server, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            guard count > 0 else { break }
            taken += count
        }
        #expect(taken < 512 << 10, "\(taken)")
    }
}

extension Array {
    fileprivate func chunks(of count: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: self.count, by: count).map { self[$0..<Swift.min($0 + count, self.count)] }
    }
}
