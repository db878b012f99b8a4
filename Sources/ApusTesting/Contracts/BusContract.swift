import Bus
import Core
import Synchronization
import Testing

/// The promises of `Bus`. The durable half stands in `BusContract+Durable.swift`.
///
///     @Test("The bus", arguments: BusContract.cases)
///     func bus(_ promise: ContractCase<BusesUnderTest>) async throws { try await promise.check(buses) }
public enum BusContract {
    public static let cases: [ContractCase<BusesUnderTest>] = publishing + handling + requesting + closing + durable

    static func busCase(
        _ promise: String, nodes: Int, _ check: @escaping @Sendable ([any Bus], Subjects) async throws -> Void
    ) -> ContractCase<BusesUnderTest> {
        ContractCase(promise) { buses in try await buses.withNodes(nodes, check) }
    }
}

// MARK: Publishing

extension BusContract {
    private static let publishing: [ContractCase<BusesUnderTest>] = [
        busCase("A message reaches the subscribers of all nodes, the publisher's own too", nodes: 3) {
            nodes, subjects in
            let got = nodes.map { _ in Recorder<BusMessage>() }
            for (node, recorder) in zip(nodes, got) {
                #expect(node.isConnected)
                try await node.subscribe(subjects.nodesAll, queue: nil) { recorder.record($0) }
            }
            let message = BusMessage(
                subject: subjects.nodesAll, headers: [("Apus-A", "1 2: ü"), ("traceparent", "00-ab")],
                payload: Array("hello".utf8), replyTo: "\(subjects.prefix).answer.1")
            nodes[0].publish(message)
            for recorder in got {
                let received = try #require(try await recorder.wait(for: 1).first)
                #expect(received.subject == subjects.nodesAll && received.text == "hello")
                #expect(received.replyTo == message.replyTo)
                #expect(received.header("apus-a") == "1 2: ü" && received.header("Traceparent") == "00-ab")
                #expect(received.header("other") == nil && received.headers.count == 2)
            }
        },
        busCase("Payloads come through byte for byte, empty and large ones too", nodes: 2) { nodes, subjects in
            let got = Recorder<BusMessage>()
            try await nodes[1].subscribe(subjects.liveAll, queue: nil) { got.record($0) }
            let payloads = [[], Array(0...255), [UInt8](repeating: 0, count: 3), (0..<300_000).map { UInt8($0 & 255) }]
            for payload in payloads { nodes[0].publish(BusMessage(subject: subjects.liveAll, payload: payload)) }
            let received = try await got.wait(for: payloads.count)
            #expect(received.map(\.payload) == payloads)
            #expect(received.allSatisfy { $0.replyTo == nil && $0.headers.isEmpty })
        },
        busCase("A publisher's messages on a subject arrive in order, each once", nodes: 2) { nodes, subjects in
            let got = Recorder<String>()
            try await nodes[1].subscribe("\(subjects.prefix).live.user.*", queue: nil) { got.record($0.text) }
            for number in 0..<1000 { nodes[0].publish(BusMessage("\(subjects.prefix).live.user.1", "\(number)")) }
            #expect(try await got.wait(for: 1000) == (0..<1000).map(String.init))
        },
        busCase("* stands for one token and > for one or more", nodes: 2) { nodes, subjects in
            let base = subjects.prefix + ".w"
            let patterns = ["a", "a.*", "a.>", "*.b", "a.*.c", ">"]
            let got = patterns.map { _ in Recorder<String>() }
            for (pattern, recorder) in zip(patterns, got) {
                try await nodes[1].subscribe("\(base).\(pattern)", queue: nil) {
                    recorder.record(String($0.subject.dropFirst(base.count + 1)))
                }
            }
            let sent = ["a", "a.b", "b.b", "a.b.c", "a.x.c", "b", "a.b.c.d", "end"]
            for subject in sent { nodes[0].publish(BusMessage("\(base).\(subject)", "")) }
            nodes[0].publish(BusMessage(base, "outside: > needs a token"))
            for pattern in ["a", "a.*", "a.>", "*.b", "a.*.c"] {
                nodes[0].publish(
                    BusMessage("\(base).\(pattern.replacing("*", with: "z").replacing(">", with: "z"))", ""))
            }
            _ = try await got[5].wait(for: sent.count + 5)
            #expect(try await got[0].wait(for: 2) == ["a", "a"])
            #expect(try await got[1].wait(for: 3) == ["a.b", "a.z", "a.z"])
            #expect(try await got[2].wait(for: 7) == ["a.b", "a.b.c", "a.x.c", "a.b.c.d", "a.z", "a.z", "a.z.c"])
            #expect(try await got[3].wait(for: 3) == ["a.b", "b.b", "z.b"])
            #expect(try await got[4].wait(for: 3) == ["a.b.c", "a.x.c", "a.z.c"])
            #expect(got[5].all.prefix(sent.count) == sent[...])
        },
        busCase("Of the subscriptions with one queue one gets each message, those without all", nodes: 3) {
            nodes, subjects in
            let subject = subjects.rpc("x")
            let (shared, other, plain) = (Recorder<String>(), Recorder<String>(), Recorder<String>())
            for node in nodes { try await node.subscribe(subject, queue: "workers") { shared.record($0.text) } }
            try await nodes[1].subscribe(subject, queue: "others") { other.record($0.text) }
            try await nodes[2].subscribe(subject, queue: nil) { plain.record($0.text) }
            let sent = (0..<200).map(String.init)
            for text in sent { nodes[0].publish(BusMessage(subject, text)) }
            #expect(try await Set(shared.wait(for: 200)) == Set(sent))
            #expect(try await other.wait(for: 200) == sent)
            #expect(try await plain.wait(for: 200) == sent)
            _ = try await nodes[0].ask(BusMessage(try await echo(on: nodes[1], subjects), "flush"))
            #expect(shared.count == 200)
        },
    ]

    /// Subscribes a responder that sends every question back; gives its subject.
    static func echo(on node: any Bus, _ subjects: Subjects) async throws -> String {
        let subject = subjects.rpc("echo-" + RandomToken.make(length: 6))
        try await node.subscribe(subject, queue: "echo") { message in
            guard let replyTo = message.replyTo else { return }
            node.publish(BusMessage(subject: replyTo, headers: message.headers, payload: message.payload))
        }
        return subject
    }
}

// MARK: Handlers

extension BusContract {
    private static let handling: [ContractCase<BusesUnderTest>] = [
        busCase("A subscription's handler is called for one message after another", nodes: 2) { nodes, subjects in
            let inside = Mutex(0)
            let overlaps = Mutex(0)
            let got = Recorder<String>()
            try await nodes[1].subscribe(subjects.nodesAll, queue: nil) { message in
                let others = inside.withLock { inside in
                    defer { inside += 1 }
                    return inside
                }
                overlaps.withLock { $0 += others }
                var sum = 0
                for number in 0..<2000 { sum &+= number }
                inside.withLock { $0 -= 1 }
                got.record("\(sum)")
            }
            for node in nodes { for _ in 0..<200 { node.publish(BusMessage(subjects.nodesAll, "")) } }
            _ = try await got.wait(for: 400)
            #expect(overlaps.withLock { $0 } == 0)
        },
        busCase("A handler may publish to itself; it is not called inside its own call", nodes: 1) { nodes, subjects in
            let bus = nodes[0]
            let inside = Mutex(false)
            let got = Recorder<String>()
            try await bus.subscribe(subjects.nodesAll, queue: nil) { message in
                #expect(!inside.withLock { $0 })
                inside.withLock { $0 = true }
                if message.text.utf8.count < 4 {
                    for _ in 0..<2 { bus.publish(BusMessage(subjects.nodesAll, message.text + "x")) }
                }
                inside.withLock { $0 = false }
                got.record(message.text)
            }
            bus.publish(BusMessage(subjects.nodesAll, "x"))
            #expect(try await got.wait(for: 15).count == 15)
        },
    ]
}

// MARK: Requests

extension BusContract {
    private static let requesting: [ContractCase<BusesUnderTest>] = [
        busCase("A request is answered by one of the responders, on another node or this one", nodes: 2) {
            nodes, subjects in
            let subject = try await echo(on: nodes[1], subjects)
            let answer = try await nodes[0].ask(
                BusMessage(subject: subject, headers: [("A", "b")], payload: Array("ping".utf8)))
            #expect(answer.text == "ping" && answer.header("a") == "b")
            #expect(try await nodes[1].ask(BusMessage(subject, "own")).text == "own")
        },
        busCase("Many requests at once get their own answers", nodes: 2) { nodes, subjects in
            let subject = try await echo(on: nodes[1], subjects)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let answer = try await nodes[0].ask(BusMessage(subject, "\(number)"))
                        #expect(answer.text == "\(number)")
                    }
                }
                try await group.waitForAll()
            }
        },
        busCase("A request that nobody answers fails in time, as unknown; a late answer goes nowhere", nodes: 2) {
            nodes, subjects in
            let subject = subjects.rpc("silent")
            let questions = Recorder<BusMessage>()
            try await nodes[1].subscribe(subject, queue: nil) { questions.record($0) }
            let calls = Recorder<Result<String, StoreError>>()
            nodes[0].request(BusMessage(subject, "?"), timeoutMilliseconds: 100) { calls.record($0.map(\.text)) }
            let result = try await calls.wait(for: 1)[0]
            #expect(throws: StoreError.self) { try result.get() }
            if case .failure(let error) = result { #expect(error.outcome == .unknown) }
            let replyTo = try #require(try await questions.wait(for: 1)[0].replyTo)
            nodes[1].publish(BusMessage(replyTo, "late"))
            _ = try await nodes[0].ask(BusMessage(try await echo(on: nodes[1], subjects), "flush"))
            #expect(calls.count == 1)
        },
        busCase("A request to a subject without responders fails", nodes: 1) { nodes, subjects in
            let subject = subjects.rpc("nobody")
            let error = try await #require(throws: StoreError.self) {
                _ = try await nodes[0].ask(BusMessage(subject, "?"), timeoutMilliseconds: 300)
            }
            #expect(!error.message.isEmpty)
        },
    ]
}

// MARK: Closing

extension BusContract {
    private static let closing: [ContractCase<BusesUnderTest>] = [
        busCase("After close no handler is called, and calls fail without harm", nodes: 3) { nodes, subjects in
            let (closed, open) = (Recorder<String>(), Recorder<String>())
            try await nodes[1].subscribe(subjects.nodesAll, queue: nil) { closed.record($0.text) }
            try await nodes[2].subscribe(subjects.nodesAll, queue: nil) { open.record($0.text) }
            await nodes[1].close()
            #expect(!nodes[1].isConnected && nodes[0].isConnected)
            for number in 0..<50 { nodes[0].publish(BusMessage(subjects.nodesAll, "\(number)")) }
            _ = try await open.wait(for: 50)
            #expect(closed.count == 0)
            nodes[1].publish(BusMessage(subjects.nodesAll, "dropped"))
            await #expect(throws: StoreError.self) {
                _ = try await nodes[1].ask(BusMessage(subjects.rpc("x"), ""), timeoutMilliseconds: 500)
            }
            await #expect(throws: StoreError.self) { try await nodes[1].store(BusMessage(subjects.inNotify, "")) }
            await #expect(throws: (any Error).self) {
                try await nodes[1].subscribe(subjects.nodesAll, queue: nil) { _ in }
            }
            await nodes[1].close()
        },
        busCase("What was published before close is handed out", nodes: 2) { nodes, subjects in
            let got = Recorder<String>()
            try await nodes[1].subscribe(subjects.nodesAll, queue: nil) { got.record($0.text) }
            for number in 0..<200 { nodes[0].publish(BusMessage(subjects.nodesAll, "\(number)")) }
            await nodes[0].close()
            #expect(try await got.wait(for: 200) == (0..<200).map(String.init))
        },
    ]
}
