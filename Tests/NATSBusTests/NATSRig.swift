import ApusTesting
import Bus
import Core
import Foundation
import Logging
import NATSBus
import Synchronization
import Testing

/// Starts one server for a suite, and ends it after the suite's last test.
struct WithNATSServer: SuiteTrait, TestScoping {
    @TaskLocal static var current: NATSServer?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
    ) async throws {
        let server = try await NATSServer.started()
        defer { server.stop() }
        try await Self.$current.withValue(server) { try await body() }
    }
}

extension Trait where Self == WithNATSServer {
    static var natsServer: Self { WithNATSServer() }
}

/// A bus and what it said.
final class Node: Sendable {
    let bus: NATSBus
    let subjects: Subjects
    private let told: EventLog

    init(_ url: String, subjects: Subjects, _ adjust: (inout NATSConfiguration) -> Void = { _ in }) throws {
        var configuration = try NATSConfiguration(urls: url)
        configuration.startMilliseconds = 10_000
        // Generous: the tests share a busy machine with builds.
        configuration.jetStreamMilliseconds = 10_000
        adjust(&configuration)
        let told = EventLog()
        self.told = told
        self.subjects = subjects
        bus = NATSBus(configuration: configuration, subjects: subjects, logger: .quiet) { told.add($0) }
    }

    static func connected(
        _ url: String, subjects: Subjects, _ adjust: (inout NATSConfiguration) -> Void = { _ in }
    ) async throws -> Node {
        let node = try Node(url, subjects: subjects, adjust)
        try await node.bus.connect()
        return node
    }

    var events: [BusEvent] { told.all }

    func store(_ text: String, id: String = UUID().uuidString) async throws {
        let message = BusMessage(subject: subjects.inNotify, payload: Array(text.utf8))
        try await answer { bus.publishDurable(message, dedupID: id, $0) }
    }

    /// A request to JetStream's API, as an operator's tool makes it.
    func admin(_ name: String, _ json: String = "") async throws -> String {
        let message = BusMessage(subject: "$JS.API.\(name)", payload: Array(json.utf8))
        let reply = try await answer { bus.request(message, timeoutMilliseconds: 5_000, $0) }
        return String(decoding: reply.payload, as: UTF8.self)
    }
}

/// Keeps what handlers were given.
final class EventLog: Sendable {
    private let events = Mutex<[BusEvent]>([])
    var all: [BusEvent] { events.withLock { $0 } }
    func add(_ event: BusEvent) { events.withLock { $0.append(event) } }
}

/// Texts, in order of arrival.
final class Texts: Sendable {
    private let texts = Mutex<[String]>([])
    var all: [String] { texts.withLock { $0 } }
    var count: Int { texts.withLock { $0.count } }
    func add(_ text: String) { texts.withLock { $0.append(text) } }
}

extension Logger {
    static var quiet: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}

extension Subjects {
    static func forTest() throws -> Subjects {
        try #require(Subjects(prefix: "t" + RandomToken.make(length: 10)))
    }
}

extension BusMessage {
    var text: String { String(decoding: payload, as: UTF8.self) }
}

/// What `connect` throws.
func startUpError(_ node: Node) async throws -> NATSBusError {
    try await #require(throws: NATSBusError.self) { try await node.bus.connect() }
}
