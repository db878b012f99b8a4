import Bus
import Core
import Synchronization
import Testing

// The stream APUS_IN: stored, handed out until settled.

extension BusContract {
    static let durable: [ContractCase<BusesUnderTest>] = storing + settling

    private static let storing: [ContractCase<BusesUnderTest>] = [
        busCase("What was stored before anyone consumed is handed out, in order, with its headers", nodes: 2) {
            nodes, subjects in
            for number in 0..<20 {
                try await nodes[0].store(
                    BusMessage(
                        subject: "\(subjects.inNotify).u\(number)", headers: [("ce-id", "e\(number)")],
                        payload: Array("\(number)".utf8)))
            }
            let got = Recorder<DurableMessage>()
            try await nodes[1].consume(inFlightMax: 100) { message in
                got.record(message)
                message.settle(.done)
            }
            let received = try await got.wait(for: 20)
            #expect(received.map(\.message.text) == (0..<20).map(String.init))
            #expect(received.map(\.message.subject) == (0..<20).map { "\(subjects.inNotify).u\($0)" })
            #expect(received.map { $0.message.header("CE-ID") } == (0..<20).map { "e\($0)" })
            #expect(received.allSatisfy { $0.deliveries == 1 })
            #expect(received.map(\.streamSequence) == Array(1...20))
        },
        busCase("The same dedup id is stored once, and both calls succeed", nodes: 2) { nodes, subjects in
            let got = Recorder<String>()
            try await nodes[0].store(BusMessage(subjects.inNotify, "first"), dedupID: "id-1")
            try await nodes[1].store(BusMessage(subjects.inMessage, "again"), dedupID: "id-1")
            try await nodes[1].store(BusMessage(subjects.inMessage, "second"), dedupID: "id-2")
            try await nodes[1].consume(inFlightMax: 10) { message in
                got.record(message.message.text)
                message.settle(.done)
            }
            #expect(try await got.wait(for: 2) == ["first", "second"])
        },
        busCase("A plain publish to a subject of the stream is stored as well", nodes: 2) { nodes, subjects in
            let got = Recorder<String>()
            try await nodes[1].consume(inFlightMax: 10) { message in
                got.record(message.message.text)
                message.settle(.done)
            }
            nodes[0].publish(BusMessage("\(subjects.inNotify).u1", "plain"))
            #expect(try await got.wait(for: 1) == ["plain"])
        },
        busCase("What is dead is stored, and not handed out", nodes: 2) { nodes, subjects in
            let got = Recorder<String>()
            try await nodes[0].store(
                BusMessage(
                    subject: subjects.dead, headers: [("Apus-Reason", "bad JSON")], payload: Array("dead".utf8)))
            try await nodes[0].store(BusMessage(subjects.inNotify, "living"))
            try await nodes[1].consume(inFlightMax: 10) { message in
                got.record(message.message.text)
                message.settle(.done)
            }
            #expect(try await got.wait(for: 1) == ["living"])
        },
        busCase("Storing on a subject that no stream takes fails", nodes: 1) { nodes, subjects in
            let message = BusMessage(subjects.liveAll, "")
            let error = try await #require(throws: StoreError.self) { try await nodes[0].store(message) }
            #expect(!error.message.isEmpty)
        },
    ]

    private static let settling: [ContractCase<BusesUnderTest>] = [
        busCase("A message that could not be dealt with comes again after its time, and others do not wait", nodes: 2) {
            nodes, subjects in
            let got = Recorder<(text: String, deliveries: Int, sequence: UInt64, at: ContinuousClock.Instant)>()
            // Both are stored before the first delivery: on a busy machine storing can take longer than the retry.
            try await nodes[0].store(BusMessage(subjects.inNotify, "bad"))
            try await nodes[0].store(BusMessage(subjects.inNotify, "good"))
            try await nodes[1].consume(inFlightMax: 10) { message in
                let text = message.message.text
                got.record((text, message.deliveries, message.streamSequence, .now))
                message.settle(text == "bad" && message.deliveries < 3 ? .retry(afterMilliseconds: 200) : .done)
            }
            let received = try await got.wait(for: 4)
            #expect(received.map(\.text) == ["bad", "good", "bad", "bad"])
            let bad = received.filter { $0.text == "bad" }
            #expect(bad.map(\.deliveries) == [1, 2, 3])
            #expect(Set(bad.map(\.sequence)).count == 1)
            #expect(bad[1].at - bad[0].at >= .milliseconds(190) && bad[2].at - bad[1].at >= .milliseconds(190))
        },
        busCase("At most inFlightMax messages are unsettled at once", nodes: 2) { nodes, subjects in
            for number in 0..<12 { try await nodes[0].store(BusMessage(subjects.inNotify, "\(number)")) }
            let unsettled = Mutex((now: 0, most: 0))
            let got = Recorder<DurableMessage>()
            try await nodes[1].consume(inFlightMax: 3) { message in
                unsettled.withLock {
                    $0.now += 1
                    $0.most = max($0.most, $0.now)
                }
                got.record(message)
            }
            for settled in 0..<12 {
                let message = try await got.wait(for: settled + 1)[settled]
                if settled < 10 { _ = try await got.wait(for: settled + 3) }
                unsettled.withLock { $0.now -= 1 }
                message.settle(.done)
            }
            #expect(got.all.map(\.message.text) == (0..<12).map(String.init))
            #expect(unsettled.withLock { $0.most } == 3)
        },
        busCase("Nodes that consume share the messages: each is handed to one", nodes: 3) { nodes, subjects in
            let got = nodes.map { _ in Recorder<String>() }
            for index in [0, 1] {
                try await nodes[index].consume(inFlightMax: 50) { message in
                    got[index].record(message.message.text)
                    message.settle(.done)
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask { try await nodes[2].store(BusMessage(subjects.inNotify, "\(number)")) }
                }
                try await group.waitForAll()
            }
            try await eventually("all are handed out") { got[0].count + got[1].count >= 200 }
            #expect(Set(got[0].all + got[1].all) == Set((0..<200).map(String.init)))
            #expect(got[0].count + got[1].count == 200)
        },
        busCase("A node that closed is handed nothing more; another one gets all", nodes: 3) { nodes, subjects in
            let (closed, open) = (Recorder<String>(), Recorder<String>())
            for (node, recorder) in zip(nodes, [closed, open]) {
                try await node.consume(inFlightMax: 10) { message in
                    recorder.record(message.message.text)
                    message.settle(.done)
                }
            }
            try await nodes[2].store(BusMessage(subjects.inNotify, "before"))
            try await eventually("one of them has it") { closed.count + open.count == 1 }
            await nodes[0].close()
            let before = closed.count
            for number in 0..<50 { try await nodes[2].store(BusMessage(subjects.inNotify, "\(number)")) }
            let received = try await open.wait(for: 51 - before)
            #expect(received.suffix(50) == (0..<50).map(String.init)[...])
            #expect(closed.count == before)
        },
        busCase("Messages may be settled later, in another order, from any thread", nodes: 1) { nodes, subjects in
            let got = Recorder<DurableMessage>()
            try await nodes[0].consume(inFlightMax: 20) { got.record($0) }
            for number in 0..<40 { try await nodes[0].store(BusMessage(subjects.inNotify, "\(number)")) }
            let first = try await got.wait(for: 20).prefix(20)
            await withTaskGroup(of: Void.self) { group in
                for message in first.reversed() { group.addTask { message.settle(.done) } }
            }
            let all = try await got.wait(for: 40)
            #expect(all.map(\.message.text) == (0..<40).map(String.init))
            #expect(all.allSatisfy { $0.deliveries == 1 })
        },
    ]
}
