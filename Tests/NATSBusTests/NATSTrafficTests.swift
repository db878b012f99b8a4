import ApusTesting
import Bus
import Core
import Dispatch
import Synchronization
import Testing

@testable import NATSBus

@Suite("Traffic on the NATS bus", .natsServer)
struct NATSTrafficTests {
    private func node(_ subjects: Subjects, _ adjust: (inout NATSConfiguration) -> Void = { _ in }) async throws -> Node
    {
        try await Node.connected(try #require(WithNATSServer.current).url, subjects: subjects, adjust)
    }

    @Test("2,000 durable messages go through, each once")
    func many() async throws {
        let subjects = try Subjects.forTest()
        let (publisher, consumer) = (try await node(subjects), try await node(subjects))
        let got = Texts()
        try await consumer.bus.consume(inFlightMax: 256) { message in
            got.add(message.message.text)
            message.settle(.done)
        }
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<2000 { group.addTask { try await publisher.store("\(number)") } }
            try await group.waitForAll()
        }
        try await eventually("all came") { got.count >= 2000 }
        #expect(ContinuousClock.now - start < .seconds(20))
        #expect(Set(got.all).count == 2000 && got.count == 2000)
        await publisher.bus.close()
        await consumer.bus.close()
    }

    @Test("A stored message is handed out within milliseconds, while others are unsettled")
    func latency() async throws {
        let subjects = try Subjects.forTest()
        let node = try await node(subjects)
        let got = Texts()
        try await node.bus.consume(inFlightMax: 100) { message in
            got.add(message.message.text)
            message.settle(.done)
        }
        var times: [Duration] = []
        for number in 0..<50 {
            let start = ContinuousClock.now
            try await node.store("\(number)")
            while got.count <= number { await Task.yield() }
            times.append(ContinuousClock.now - start)
        }
        times.sort()
        // Store, hand out: typically under a millisecond; the bound is for a busy machine.
        #expect(times[25] < .seconds(1), "median \(times[25]), longest \(times[49])")
        await node.bus.close()
    }

    @Test("What NATS cannot carry is refused before it reaches the server, and the connection lives on")
    func refused() async throws {
        let subjects = try Subjects.forTest()
        let node = try await node(subjects)
        let bus = node.bus
        let bad = [
            "", "a b", "a..b", ".a", "a.", "a.*", "a.>", "a\r\nPUB x 0\r\n", String(repeating: "x", count: 2000),
        ]
        let before = bus.droppedTotal
        for subject in bad { bus.publish(BusMessage(subject: subject, payload: [])) }
        bus.publish(BusMessage(subject: "a", payload: [], replyTo: "b c"))
        bus.publish(BusMessage(subject: "a", headers: [("x", "1\r\ny: 2")], payload: []))
        bus.publish(BusMessage(subject: "a", headers: [("x:y", "1")], payload: []))
        #expect(bus.droppedTotal == before + bad.count + 3)
        for subject in ["", "a b", "a..b", "a.>.b", "a*", "a.b>"] {
            await #expect(throws: NATSBusError.self) { try await bus.subscribe(subject, queue: nil) { _ in } }
        }
        await #expect(throws: NATSBusError.self) { try await bus.subscribe("a", queue: "q q") { _ in } }
        let error = try await #require(throws: StoreError.self) {
            _ = try await answer { bus.request(BusMessage(subject: "a b", payload: []), timeoutMilliseconds: 100, $0) }
        }
        #expect(error.outcome == .notStored)
        // Over the server's limit of 1 MiB.
        let huge = BusMessage(subject: subjects.inNotify, payload: [UInt8](repeating: 0, count: 2_000_000))
        let tooLarge = try await #require(throws: StoreError.self) {
            try await answer { bus.publishDurable(huge, dedupID: "huge", $0) }
        }
        #expect(tooLarge.outcome == .notStored)
        #expect(bus.isConnected && node.events == [.connected])
        await bus.close()
    }

    @Test("A request that nobody can answer fails at once and says so")
    func noResponders() async throws {
        let node = try await node(.forTest())
        let start = ContinuousClock.now
        let error = try await #require(throws: StoreError.self) {
            _ = try await answer {
                node.bus.request(BusMessage(subject: "nobody.here", payload: []), timeoutMilliseconds: 20_000, $0)
            }
        }
        #expect(error.outcome == .notStored && error.message.contains("nobody answers on nobody.here"))
        #expect(ContinuousClock.now - start < .seconds(5))
        await node.bus.close()
    }

    @Test("A handler that is too slow loses messages, and the bus says so")
    func slowHandler() async throws {
        let subjects = try Subjects.forTest()
        let (publisher, slow) = (try await node(subjects), try await node(subjects) { $0.undeliveredMax = 10 })
        let got = Texts()
        let gate = DispatchSemaphore(value: 0)
        try await slow.bus.subscribe(subjects.liveAll, queue: nil) { message in
            _ = gate.wait(timeout: .now() + 5)
            got.add(message.text)
        }
        for number in 0..<200 {
            publisher.bus.publish(BusMessage(subject: subjects.liveAll, payload: Array("\(number)".utf8)))
        }
        try await eventually("the loss was told") { slow.events.contains(.messagesLost) }
        for _ in 0..<20 { gate.signal() }
        try await eventually("what was kept came") { got.count >= 10 }
        #expect(got.count < 200 && slow.bus.isConnected)
        await publisher.bus.close()
        await slow.bus.close()
    }

    @Test("Only so many requests wait; the next one fails at once")
    func requestsAreBounded() async throws {
        let node = try await node(.forTest()) { $0.requestsMax = 2 }
        try await node.bus.subscribe("\(node.subjects.prefix).silent", queue: nil) { _ in }
        let message = BusMessage(subject: "\(node.subjects.prefix).silent", payload: [])
        let failed = Texts()
        for _ in 0..<2 { node.bus.request(message, timeoutMilliseconds: 10_000) { _ in failed.add("waiting") } }
        node.bus.request(message, timeoutMilliseconds: 10_000) { failed.add("\($0)") }
        #expect(failed.count == 1 && failed.all[0].contains("too many"))
        await node.bus.close()
        #expect(failed.count == 3)
    }

    @Test("A closed bus leaves nothing behind: no object, no callback")
    func nothingLeft() async throws {
        let subjects = try Subjects.forTest()
        for _ in 0..<5 {
            let gone = WeakBus(try await usedAndClosed(subjects))
            try await eventually("the bus is released") { gone.bus == nil }
        }
    }

    private func usedAndClosed(_ subjects: Subjects) async throws -> NATSBus {
        let node = try await node(subjects)
        try await node.bus.subscribe(subjects.nodesAll, queue: nil) { _ in }
        try await node.bus.consume(inFlightMax: 4) { $0.settle(.done) }
        try await node.store("x")
        await node.bus.close()
        #expect(node.bus.state.withLock { $0.link == nil && $0.subscriptions.isEmpty && $0.consumer == nil })
        return node.bus
    }
}

/// Holds a bus without keeping it.
private final class WeakBus: Sendable {
    weak let bus: NATSBus?
    init(_ bus: NATSBus) { self.bus = bus }
}
