import ApusTesting
import Bus
import Core
import Foundation
import Synchronization
import Testing

@testable import NATSBus

@Suite("The NATS bus through outages")
struct NATSOutageTests {
    @Test("Nothing stored is lost when nats-server is killed and comes back, and consuming goes on by itself")
    func kill() async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        let subjects = try Subjects.forTest()
        let publisher = try await Node.connected(server.url, subjects: subjects)
        let consumer = try await Node.connected(server.url, subjects: subjects) { $0.ackWaitMilliseconds = 2_000 }
        let got = Texts()
        try await consumer.bus.consume(inFlightMax: 64) { message in
            got.add(message.message.text)
            message.settle(.done)
        }
        let live = Texts()
        try await consumer.bus.subscribe(subjects.liveAll, queue: nil) { live.add($0.text) }

        for number in 0..<50 { try await publisher.store("\(number)") }
        server.killNow()
        try await eventually("both noticed") { !publisher.bus.isConnected && !consumer.bus.isConnected }
        await #expect(throws: StoreError.self) { try await publisher.store("away") }
        try await server.start()
        let back = ContinuousClock.now
        try await eventually("both are back") { publisher.bus.isConnected && consumer.bus.isConnected }
        #expect(ContinuousClock.now - back < .seconds(5))

        for number in 50..<100 { try await publisher.store("\(number)") }
        let all = Set((0..<100).map(String.init))
        try await eventually("all came") { all.isSubset(of: got.all) }
        publisher.bus.publish(BusMessage(subject: subjects.liveAll, payload: Array("live".utf8)))
        try await eventually("the subscription was renewed") { live.all == ["live"] }
        #expect(consumer.events == [.connected, .disconnected, .connected, .messagesLost])
        await publisher.bus.close()
        await consumer.bus.close()
    }

    @Test("Messages that were handed out and not settled come again, after a kill of the node and of the server")
    func unsettled() async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        let subjects = try Subjects.forTest()
        let node = try await Node.connected(server.url, subjects: subjects) { $0.ackWaitMilliseconds = 1_000 }
        let deliveries = Mutex<[Int]>([])
        let held = Mutex<[DurableMessage]>([])
        try await node.bus.consume(inFlightMax: 8) { message in
            deliveries.withLock { $0.append(message.deliveries) }
            if message.deliveries < 3 { held.withLock { $0.append(message) } } else { message.settle(.done) }
        }
        try await node.store("stubborn")
        try await eventually("it was handed out") { deliveries.withLock { $0.count } == 1 }
        try await server.killAndRestart()
        try await eventually("it came again until it was settled") { deliveries.withLock { $0.last } ?? 0 >= 3 }
        try await eventually("nothing is pending") {
            try await node.admin("CONSUMER.INFO.\(subjects.inStream).notifier").contains(#""num_ack_pending":0"#)
        }
        await node.bus.close()
    }

    @Test("A handler that forgets its message keeps no place: the message comes again, and others meanwhile")
    func forgotten() async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        let node = try await Node.connected(server.url, subjects: .forTest()) { $0.ackWaitMilliseconds = 500 }
        let got = Texts()
        try await node.bus.consume(inFlightMax: 1) { message in
            got.add("\(message.message.text) \(message.deliveries)")
            if message.deliveries == 2 || message.message.text == "good" { message.settle(.done) }
        }
        try await node.store("forgotten")
        try await node.store("good")
        try await eventually("all came") { got.count >= 3 }
        #expect(Set(got.all) == ["forgotten 1", "good 1", "forgotten 2"])
        await node.bus.close()
    }

    @Test("Closing gives back what is unsettled at once, so another node need not wait for the acknowledgement's time")
    func handOver() async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        let subjects = try Subjects.forTest()
        let (first, second) = (
            try await Node.connected(server.url, subjects: subjects),
            try await Node.connected(server.url, subjects: subjects)
        )
        let held = Mutex<[DurableMessage]>([])
        try await first.bus.consume(inFlightMax: 8) { message in held.withLock { $0.append(message) } }
        for number in 0..<5 { try await second.store("\(number)") }
        try await eventually("the first has them") { held.withLock { $0.count } == 5 }
        let got = Texts()
        try await second.bus.consume(inFlightMax: 8) { message in
            got.add(message.message.text)
            message.settle(.done)
        }
        await first.bus.close()
        for message in held.withLock({ $0 }) { message.settle(.done) }
        try await eventually("the second has them", within: 10) { got.count == 5 }
        await second.bus.close()
    }

    @Test("A consumer that is deleted under us is made again and goes on behind what was settled")
    func consumerDeleted() async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        let subjects = try Subjects.forTest()
        let node = try await Node.connected(server.url, subjects: subjects)
        let got = Texts()
        try await node.bus.consume(inFlightMax: 8) { message in
            got.add(message.message.text)
            message.settle(.done)
        }
        for number in 0..<10 { try await node.store("\(number)") }
        try await eventually("they came") { got.count == 10 }
        try await eventually("they are settled") {
            try await node.admin("CONSUMER.INFO.\(subjects.inStream).notifier").contains(#""num_ack_pending":0"#)
        }
        // The node looks every five seconds how far the consumer is.
        _ = try await node.bus.jetStream.noteProgress()
        let before = try await created(node)
        // A server that is busy writing the consumer's state may answer with an error, although it goes away.
        _ = try await node.admin("CONSUMER.DELETE.\(subjects.inStream).notifier")
        try await eventually("it was made again") {
            guard let now = try? await created(node) else { return false }
            return now != before
        }
        for number in 10..<20 { try await node.store("\(number)") }
        try await eventually("the others came") { got.count >= 20 }
        #expect(got.all == (0..<20).map(String.init))
        await node.bus.close()
    }

    /// When the consumer was made, as the server says.
    private func created(_ node: Node) async throws -> Substring {
        let info = try await node.admin("CONSUMER.INFO.\(node.subjects.inStream).notifier")
        guard let key = info.firstRange(of: #""created":""#) else { throw TestFailure("no consumer: \(info)") }
        return info[key.upperBound...].prefix { $0 != "\"" }
    }

    @Test("A stream that is deleted under us is made again")
    func streamDeleted() async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        let subjects = try Subjects.forTest()
        let node = try await Node.connected(server.url, subjects: subjects)
        let got = Texts()
        try await node.bus.consume(inFlightMax: 8) { message in
            got.add(message.message.text)
            message.settle(.done)
        }
        try await node.store("before")
        try await eventually("it came") { got.count == 1 }
        _ = try await node.bus.jetStream.noteProgress()
        _ = try await node.admin("STREAM.DELETE.\(subjects.inStream)")
        try await eventually("it can be stored again") { (try? await node.store("after", id: "after")) != nil }
        try await eventually("it came") { got.all == ["before", "after"] }
        await node.bus.close()
    }

    /// Numbers begin again with a stream. A message that was named by its number was taken for one before.
    @Test("An event has one name at all its deliveries, and in a stream that was made anew none has it again")
    func names() async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        let subjects = try Subjects.forTest()
        let node = try await Node.connected(server.url, subjects: subjects)
        let got = Mutex<[DurableMessage]>([])
        try await node.bus.consume(inFlightMax: 8) { message in
            got.withLock { $0.append(message) }
            message.settle(message.deliveries == 1 ? .retry(afterMilliseconds: 10) : .done)
        }
        try await node.store("before")
        try await eventually("it came twice") { got.withLock { $0.count } == 2 }
        _ = try await node.bus.jetStream.noteProgress()
        _ = try await node.admin("STREAM.DELETE.\(subjects.inStream)")
        try await eventually("it can be stored again") { (try? await node.store("after", id: "after")) != nil }
        try await eventually("it came twice") { got.withLock { $0.count } == 4 }
        let all = got.withLock { $0 }
        #expect(all.map(\.message.text) == ["before", "before", "after", "after"])
        #expect(all.map(\.streamSequence) == [1, 1, 1, 1])
        #expect(all[0].nameInStream == all[1].nameInStream && all[2].nameInStream == all[3].nameInStream)
        #expect(all[0].nameInStream != all[2].nameInStream)
        await node.bus.close()
    }

    @Test("Publishing while NATS is away neither waits nor queues: it is dropped and counted")
    func publishAway() async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        let subjects = try Subjects.forTest()
        let node = try await Node.connected(server.url, subjects: subjects)
        let got = Texts()
        try await node.bus.subscribe(subjects.liveAll, queue: nil) { got.add($0.text) }
        server.killNow()
        try await eventually("it noticed") { !node.bus.isConnected }
        let before = node.bus.droppedTotal
        let start = ContinuousClock.now
        for _ in 0..<10_000 { node.bus.publish(BusMessage(subject: subjects.liveAll, payload: [1])) }
        #expect(ContinuousClock.now - start < .seconds(2))
        #expect(node.bus.droppedTotal == before + 10_000)
        try await server.start()
        try await eventually("it is back") { node.bus.isConnected }
        node.bus.publish(BusMessage(subject: subjects.liveAll, payload: Array("new".utf8)))
        try await eventually("only the new one comes") { got.all == ["new"] }
        await node.bus.close()
    }

    @Test("Closing ends in good time although the server stands still")
    func closeStuck() async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        let node = try await Node.connected(server.url, subjects: .forTest())
        for name in ["a", "b", "c", "d"] { try await node.bus.subscribe("x.\(name)", queue: nil) { _ in } }
        try await node.bus.consume(inFlightMax: 8) { $0.settle(.done) }
        server.signal(SIGSTOP)
        node.bus.publish(BusMessage(subject: "x.a", payload: [1]))
        let start = ContinuousClock.now
        await node.bus.close()
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test("A server that stands still for 12 s makes no caller wait, is noticed, and is used again")
    func standStill() async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        let subjects = try Subjects.forTest()
        let node = try await Node.connected(server.url, subjects: subjects) {
            $0.outboxMessagesMax = 1_000
            $0.ackWaitMilliseconds = 2_000
        }
        let got = Texts()
        try await node.bus.consume(inFlightMax: 8) { message in
            got.add(message.message.text)
            message.settle(.done)
        }
        try await node.store("before")
        try await eventually("it came") { got.all == ["before"] }

        server.signal(SIGSTOP)
        let stopped = ContinuousClock.now
        let big = [UInt8](repeating: 7, count: 60_000)
        var longest = Duration.zero
        while ContinuousClock.now - stopped < .seconds(12) {
            let start = ContinuousClock.now
            for _ in 0..<20 { node.bus.publish(BusMessage(subject: subjects.liveAll, payload: big)) }
            longest = max(longest, ContinuousClock.now - start)
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(longest < .seconds(1))
        #expect(!node.bus.isConnected && node.bus.droppedTotal > 100)
        await #expect(throws: StoreError.self) { try await node.store("away") }
        server.signal(SIGCONT)
        try await eventually("it is back", within: 10) { node.bus.isConnected }
        try await node.store("after")
        try await eventually("consuming goes on") { got.all.contains("after") }
        await node.bus.close()
    }
}
