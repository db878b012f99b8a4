import ApusTesting
import Bus
import Core
import Foundation
import Synchronization
import Testing

@testable import NATSBus

/// GUARANTEES G4 and G11 on a NATS cluster of three, with streams of three copies.
@Suite("The NATS bus on a cluster of three", .timeLimit(.minutes(4)))
struct NATSClusterTests {
    /// A producer: one message after another, each repeated with its id until JetStream has it.
    private static func publish(_ numbers: Range<Int>, by node: Node) async throws {
        for number in numbers {
            try await eventually("\(number) is stored", within: 60) {
                (try? await node.store("\(number)", id: "id-\(number)")) != nil
            }
        }
    }

    private static func quick(_ configuration: inout NATSConfiguration) {
        configuration.replicas = 3
        configuration.startMilliseconds = 60_000
        configuration.ackWaitMilliseconds = 3_000
        configuration.jetStreamMilliseconds = 2_000
    }

    @Test("Each server is killed in its turn: both nodes find another one, and nothing that was stored is lost")
    func rolling() async throws {
        let cluster = try await NATSCluster.start()
        defer { cluster.stop() }
        let subjects = try Subjects.forTest()
        let publisher = try await Node.connected(cluster.url, subjects: subjects, Self.quick)
        // It knows one server, and is told of the others.
        let consumer = try await Node.connected(cluster.servers[0].url, subjects: subjects, Self.quick)
        #expect(try await consumer.admin("STREAM.INFO.\(subjects.inStream)").contains(#""num_replicas":3"#))
        let (got, live) = (Texts(), Texts())
        try await consumer.bus.consume(inFlightMax: 64) { message in
            got.add(message.message.text)
            message.settle(.done)
        }
        try await consumer.bus.subscribe(subjects.liveAll, queue: nil) { live.add($0.text) }
        var next = 0
        for server in cluster.servers {
            try await Self.publish(next..<(next + 20), by: publisher)
            server.killNow()
            try await Self.publish((next + 20)..<(next + 40), by: publisher)
            next += 40
            try await eventually("both are connected to another server", within: 30) {
                publisher.bus.isConnected && consumer.bus.isConnected
            }
            let word = "after \(next)"
            try await eventually("core messages arrive", within: 30) {
                publisher.bus.publish(BusMessage(subject: subjects.liveAll, payload: Array(word.utf8)))
                try await Task.sleep(for: .milliseconds(50))
                return live.all.contains(word)
            }
            try await server.start()
            try await eventually("all copies are up to date", within: 60) { try await Self.isWhole(publisher) }
        }
        let all = Set((0..<next).map(String.init))
        try await eventually("all came: \(all.subtracting(got.all).count) are missing", within: 60) {
            all.isSubset(of: got.all)
        }
        #expect(consumer.events.contains(.disconnected) && consumer.events.contains(.messagesLost))
        await publisher.bus.close()
        await consumer.bus.close()
    }

    /// Whether the stream has a leader and every other copy follows.
    private static func isWhole(_ node: Node) async throws -> Bool {
        guard let info = try? await node.admin("STREAM.INFO.\(node.subjects.inStream)") else { return false }
        return info.contains(#""leader":"n"#) && info.components(separatedBy: #""current":true"#).count == 3
    }

    @Test(
        "A node that is cut off from NATS for 40 s while the stream grows resumes by itself, and gets everything once settled"
    )
    func cutOff() async throws {
        // The nodes are not told of other servers: cut off from its own, one has nowhere to go.
        let cluster = try await NATSCluster.start(advertises: false)
        defer { cluster.stop() }
        let subjects = try Subjects.forTest()
        let publisher = try await Node.connected(
            "\(cluster.servers[0].url),\(cluster.servers[1].url)", subjects: subjects, Self.quick)
        let consumer = try await Node.connected(cluster.servers[2].url, subjects: subjects, Self.quick)
        let got = Texts()
        try await consumer.bus.consume(inFlightMax: 64) { message in
            got.add(message.message.text)
            message.settle(.done)
        }
        try await Self.publish(0..<20, by: publisher)
        try await eventually("they came") { got.count >= 20 }
        cluster.servers[2].signal(SIGSTOP)
        let cut = ContinuousClock.now
        var next = 20
        while ContinuousClock.now - cut < .seconds(40) {
            try await Self.publish(next..<(next + 1), by: publisher)
            next += 1
            try await Task.sleep(for: .milliseconds(100))
        }
        #expect(!consumer.bus.isConnected && publisher.bus.isConnected && next > 100)
        cluster.servers[2].signal(SIGCONT)
        let healed = ContinuousClock.now
        try await eventually("it is connected again", within: 20) { consumer.bus.isConnected }
        #expect(ContinuousClock.now - healed < .seconds(15))
        let all = Set((0..<next).map(String.init))
        try await eventually("everything came", within: 60) { all.isSubset(of: got.all) }
        try await eventually("everything is settled", within: 30) {
            try await publisher.admin("CONSUMER.INFO.\(subjects.inStream).notifier").contains(#""num_ack_pending":0"#)
        }
        await publisher.bus.close()
        await consumer.bus.close()
    }

    @Test("More copies than servers: the start says which setting is wrong")
    func tooFewServers() async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        let node = try Node(server.url, subjects: .forTest()) {
            $0.replicas = 3
            $0.startMilliseconds = 500
        }
        let error = try await startUpError(node)
        #expect(error.message.contains("APUS_NATS_REPLICAS is 3"), "\(error)")
    }
}
