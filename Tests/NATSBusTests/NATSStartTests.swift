import ApusTesting
import Bus
import Core
import Foundation
import NATSBus
import Testing

@Suite("Starting with a NATS that is not as it should be says what is wrong and what to do")
struct NATSStartTests {
    @Test("A server that is away is reported within the given time")
    func away() async throws {
        let port = try FreePort.next()
        let node = try Node("nats://me:hush@127.0.0.1:\(port)", subjects: .forTest()) { $0.startMilliseconds = 700 }
        let start = ContinuousClock.now
        let error = try await startUpError(node)
        #expect(ContinuousClock.now - start < .seconds(60))
        #expect(error.kind == .unreachable)
        #expect(error.message.contains("APUS_NATS_URL=nats://***@127.0.0.1:\(port)") && error.message.contains("start"))
        #expect(!error.message.contains("hush"))
    }

    @Test("A server that comes while the node waits is used")
    func late() async throws {
        let server = try NATSServer()
        defer { server.stop() }
        let node = try Node(server.url, subjects: .forTest())
        async let connected: Void = node.bus.connect()
        try await Task.sleep(for: .milliseconds(300))
        try await server.start()
        try await connected
        #expect(node.bus.isConnected)
        await node.bus.close()
    }

    @Test("A server without JetStream")
    func noJetStream() async throws {
        let server = try await NATSServer.started(jetStream: false)
        defer { server.stop() }
        let node = try Node(server.url, subjects: .forTest())
        let error = try await startUpError(node)
        #expect(error.kind == .jetStreamMissing)
        #expect(error.message.contains("nats-server with -js") && error.message.contains("APUS_NATS_URL"))
        #expect(!node.bus.isConnected)
    }

    @Test("Wrong credentials fail at once, right ones connect; with a token as well")
    func credentials() async throws {
        let server = try await NATSServer.started(arguments: ["--user", "me", "--pass", "p@ss\"word\\1"])
        defer { server.stop() }
        let wrong = try Node("nats://me:wrong@127.0.0.1:\(server.port)", subjects: .forTest())
        let error = try await startUpError(wrong)
        #expect(error.kind == .credentials)
        #expect(error.message.contains("refused the credentials") && !error.message.contains("wrong@"))
        let none = try Node("nats://127.0.0.1:\(server.port)", subjects: .forTest())
        #expect(try await startUpError(none).kind == .credentials)
        let right = try await Node.connected(
            "nats://me:p%40ss%22word%5C1@127.0.0.1:\(server.port)", subjects: .forTest())
        await right.bus.close()

        let tokenServer = try await NATSServer.started(arguments: ["--auth", "t0ken"])
        defer { tokenServer.stop() }
        let token = try await Node.connected("nats://t0ken@127.0.0.1:\(tokenServer.port)", subjects: .forTest())
        await token.bus.close()
    }

    @Test("A stream of our name that captures something else, and a foreign stream that captures ours")
    func foreignStreams() async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        let admin = try await Node.connected(server.url, subjects: .forTest())
        let (first, second) = (try Subjects.forTest(), try Subjects.forTest())
        let made = try await admin.admin(
            "STREAM.CREATE.\(first.inStream)", #"{"name":"\#(first.inStream)","subjects":["orders.>"]}"#)
        #expect(!made.contains("error"))
        let other = try await admin.admin(
            "STREAM.CREATE.OTHER", #"{"name":"OTHER","subjects":["\#(second.prefix).>"]}"#)
        #expect(!other.contains("error"))

        let error = try await startUpError(try Node(server.url, subjects: first))
        #expect(error.kind == .streamConflict)
        #expect(error.message.contains(first.inStream) && error.message.contains("orders.>"))
        #expect(error.message.contains("APUS_NATS_PREFIX"))
        let overlap = try await startUpError(try Node(server.url, subjects: second))
        #expect(overlap.kind == .streamConflict && overlap.message.contains(second.inAll))
        await admin.bus.close()
    }

    @Test("The permissions of docs/nats.md are enough, and what lies outside is refused without ending the connection")
    func permissions() async throws {
        let folder = try TestFolder.make("permissions")
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("nats.conf")
        let consumer = "APUS_IN.notifier"
        let publish = [
            "apus.>", "$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*",
            "$JS.API.CONSUMER.INFO.\(consumer)", "$JS.API.CONSUMER.DURABLE.CREATE.\(consumer)",
            "$JS.API.CONSUMER.MSG.NEXT.\(consumer)", "$JS.ACK.>", "_INBOX.>",
        ]
        let quoted = publish.map { "\"\($0)\"" }.joined(separator: ", ")
        try Data(
            """
            authorization { users = [{ user: apus, password: secret, permissions: {
                publish: [\(quoted)], subscribe: ["apus.>", "_INBOX.>"] } }] }
            """.utf8
        ).write(to: file)
        let server = try await NATSServer.started(arguments: ["-c", file.path])
        defer { server.stop() }
        let subjects = try #require(Subjects(prefix: "apus"))
        let node = try await Node.connected("nats://apus:secret@127.0.0.1:\(server.port)", subjects: subjects)
        let got = Texts()
        try await node.bus.consume(inFlightMax: 8) { message in
            got.add("\(message.message.text) \(message.deliveries)")
            message.settle(message.deliveries == 1 ? .retry(afterMilliseconds: 10) : .done)
        }
        try await node.store("x")
        try await eventually("it came, and again") { got.all == ["x 1", "x 2"] }
        node.bus.publish(BusMessage(subject: "elsewhere", payload: []))
        try await node.bus.subscribe("elsewhere", queue: nil) { _ in }
        try await node.store("y")
        #expect(node.events == [.connected])
        await node.bus.close()
    }

    @Test("The streams are made as they should be, and found again by the next node")
    func streams() async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        let subjects = try #require(Subjects(prefix: "apus"))
        let first = try await Node.connected(server.url, subjects: subjects)
        let second = try await Node.connected(server.url, subjects: subjects)
        let stream = try await second.admin("STREAM.INFO.APUS_IN").replacing("\\u003e", with: ">")
        for part in [
            #""subjects":["apus.in.>"]"#, #""retention":"limits""#, #""storage":"file""#, #""discard":"old""#,
            #""max_age":604800000000000"#, #""duplicate_window":120000000000"#, #""num_replicas":1"#,
        ] { #expect(stream.contains(part), "\(part) in \(stream)") }
        #expect(try await second.admin("STREAM.INFO.APUS_DEAD").contains(#""subjects":["apus.dead"]"#))
        try await first.bus.consume(inFlightMax: 10) { _ in }
        let consumer = try await second.admin("CONSUMER.INFO.APUS_IN.notifier")
        for part in [#""ack_policy":"explicit""#, #""ack_wait":30000000000"#, #""max_deliver":-1"#] {
            #expect(consumer.contains(part), "\(part) in \(consumer)")
        }
        await first.bus.close()
        await second.bus.close()
    }

    @Test("A server that accepts and says nothing, or falls silent after its first line, does not hold the start")
    func silent() async throws {
        let info =
            #"INFO {"server_id":"x","version":"2.9.10","proto":1,"host":"127.0.0.1","port":4222,"headers":true,"max_payload":1048576}"#
        for greeting in ["", info + "\r\n"] {
            let server = try SilentServer(greeting: greeting)
            let node = try Node("nats://127.0.0.1:\(server.port)", subjects: .forTest()) {
                $0.startMilliseconds = 500
                $0.connectMilliseconds = 300
            }
            let start = ContinuousClock.now
            let error = try await startUpError(node)
            #expect(error.kind == .unreachable)
            #expect(ContinuousClock.now - start < .seconds(60))
            // The library would go on reading for ever.
            try await eventually("the stuck connection was ended") { server.wasLeft }
            server.stop()
        }
    }
}
