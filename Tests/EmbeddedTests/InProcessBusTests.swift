import ApusTesting
import Bus
import Core
import Dispatch
import Synchronization
import Testing

@testable import Embedded

@Suite("The in-process bus")
struct InProcessBusTests {
    private func subjects() throws -> Subjects { try #require(Subjects(prefix: "apus")) }

    @Test("drops what a slow handler leaves no room for, tells so once, and delivers again when there is room")
    func overflow() async throws {
        let subjects = try subjects()
        let events = Mutex<[BusEvent]>([])
        let bus = InProcessBus(subjects: subjects, network: .init(), backlogMax: 10) { event in
            events.withLock { $0.append(event) }
        }
        let entered = Atomic(false)
        let gate = DispatchSemaphore(value: 0)
        let got = Mutex<[String]>([])
        try await bus.subscribe(subjects.nodesAll, queue: nil) { message in
            if !entered.exchange(true, ordering: .acquiringAndReleasing) { gate.wait() }
            got.withLock { $0.append(String(decoding: message.payload, as: UTF8.self)) }
        }
        func publish(_ text: String) { bus.publish(BusMessage(subject: subjects.nodesAll, payload: Array(text.utf8))) }
        publish("first")
        try await eventually("the handler is busy") { entered.load(ordering: .acquiring) }
        for number in 0..<50 { publish("\(number)") }
        try await eventually("the loss is told") { events.withLock { !$0.isEmpty } }
        gate.signal()
        try await eventually("the rest arrives") { got.withLock { $0.count } == 11 }
        publish("later")
        try await eventually("it goes on") { got.withLock { $0.last } == "later" }
        #expect(got.withLock { $0 } == ["first"] + (0..<10).map(String.init) + ["later"])
        #expect(events.withLock { $0 } == [.messagesLost])
        await bus.close()
    }

    @Test("gives what a closed node held to another one")
    func takeover() async throws {
        let subjects = try subjects()
        let network = InProcessBus.Network()
        let (a, b) = (
            InProcessBus(subjects: subjects, network: network), InProcessBus(subjects: subjects, network: network)
        )
        let held = Mutex<[DurableMessage]>([])
        try await a.consume(inFlightMax: 10) { message in held.withLock { $0.append(message) } }
        for number in 0..<3 {
            try await answer {
                b.publishDurable(
                    BusMessage(subject: subjects.inNotify, payload: [UInt8(number)]), dedupID: "\(number)", $0)
            }
        }
        try await eventually("all are held") { held.withLock { $0.count } == 3 }
        await a.close()
        let got = Mutex<[(payload: [UInt8], deliveries: Int)]>([])
        try await b.consume(inFlightMax: 10) { message in
            got.withLock { $0.append((message.message.payload, message.deliveries)) }
            message.settle(.done)
        }
        try await eventually("the other node has them") { got.withLock { $0.count } == 3 }
        #expect(got.withLock { $0.map(\.payload) } == [[0], [1], [2]])
        #expect(got.withLock { $0.map(\.deliveries) } == [2, 2, 2])
        for message in held.withLock({ $0 }) { message.settle(.retry(afterMilliseconds: 0)) }
        await b.close()
    }

    @Test("closes only when its handlers have returned", arguments: [false, true])
    func closing(durable: Bool) async throws {
        let subjects = try subjects()
        let network = InProcessBus.Network()
        let (bus, other) = (
            InProcessBus(subjects: subjects, network: network), InProcessBus(subjects: subjects, network: network)
        )
        let entered = Mutex(0)
        let left = Mutex(0)
        let closed = Mutex(false)
        let gate = DispatchSemaphore(value: 0)
        let handle: @Sendable () -> Void = {
            entered.withLock { $0 += 1 }
            gate.wait()
            left.withLock { $0 += 1 }
        }
        if durable {
            try await bus.consume(inFlightMax: 10) { _ in handle() }
        } else {
            try await bus.subscribe(subjects.inAll, queue: nil) { _ in handle() }
        }
        for number in 0..<3 { other.publish(BusMessage(subject: subjects.inNotify, payload: [UInt8(number)])) }
        try await eventually("a handler is busy") { entered.withLock { $0 } == 1 }
        let closing = Task {
            await bus.close()
            closed.withLock { $0 = true }
            return left.withLock { $0 }
        }
        try await eventually("the bus is closing") { !bus.isConnected }
        #expect(!closed.withLock { $0 })
        gate.signal()
        #expect(await closing.value == 1, "close waited for the handler")
        #expect(entered.withLock { $0 } == 1, "and it was not called for what had come meanwhile")
        await other.close()
    }

    @Test("refuses subjects that are none")
    func malformed() async throws {
        let subjects = try subjects()
        let bus = InProcessBus(subjects: subjects)
        for subject in ["", ".", "a..b", "a b", "a.>.b", "a\n"] {
            await #expect(throws: StoreError.self) { try await bus.subscribe(subject, queue: nil) { _ in } }
        }
        for subject in ["", "apus.in.*", "apus.in.>", "apus.in. x"] {
            await #expect(throws: StoreError.self) {
                try await answer { bus.publishDurable(BusMessage(subject: subject, payload: []), dedupID: "x", $0) }
            }
            bus.publish(BusMessage(subject: subject, payload: []))
        }
        await bus.close()
    }
}

@Suite("A stream in memory")
struct DurableStreamTests {
    private func message(_ number: Int) -> BusMessage { BusMessage(subject: "s", payload: [UInt8(number)]) }

    @Test("forgets dedup ids after two minutes")
    func dedupWindow() {
        var stream = DurableStream()
        let second: UInt64 = 1_000_000_000
        #expect(stream.store(message(1), dedupID: "a", nowNanoseconds: 0) == .stored)
        #expect(stream.store(message(2), dedupID: "a", nowNanoseconds: 120 * second - 1) == .duplicate)
        #expect(stream.store(message(3), dedupID: "a", nowNanoseconds: 120 * second) == .stored)
        #expect(stream.count == 2)
    }

    @Test("refuses what it has no room for, and takes it again when something was settled")
    func full() {
        var stream = DurableStream()
        for number in 0..<DurableStream.messagesMax {
            #expect(stream.store(message(number & 255), dedupID: nil, nowNanoseconds: 0) == .stored)
        }
        #expect(stream.store(message(0), dedupID: "a", nowNanoseconds: 0) == .full)
        stream.add(consumer: 1, inFlightMax: 1)
        for handout in stream.handOut() { stream.done(handout) }
        #expect(stream.store(message(0), dedupID: "a", nowNanoseconds: 0) == .stored, "a refused id was not remembered")
    }

    @Test("keeps only the newest when nobody consumes it")
    func ring() {
        var stream = DurableStream(newestKept: 3)
        for number in 0..<10 { #expect(stream.store(message(number), dedupID: nil, nowNanoseconds: 0) == .stored) }
        stream.add(consumer: 1, inFlightMax: 10)
        #expect(stream.handOut().map(\.message.payload) == [[7], [8], [9]])
    }

    @Test("takes each delivery's settlement once, and a stale one not at all")
    func stale() throws {
        var stream = DurableStream()
        stream.add(consumer: 1, inFlightMax: 1)
        for number in 0..<2 { _ = stream.store(message(number), dedupID: nil, nowNanoseconds: 0) }
        let first = try #require(stream.handOut().first)
        let givenBack = [stream.giveBack(first), stream.giveBack(first)]
        #expect(givenBack == [true, false])
        stream.makeReady(first.sequence)
        let second = try #require(stream.handOut().first)
        #expect(second.sequence == first.sequence && second.deliveries == 2)
        stream.done(first)
        #expect(stream.count == 2 && stream.handOut().isEmpty, "the first delivery is no longer its own")
        stream.done(second)
        stream.done(second)
        #expect(stream.count == 1 && stream.handOut().map(\.message.payload) == [[1]])
    }
}
