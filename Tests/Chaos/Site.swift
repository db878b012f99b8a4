import ApusTesting
import Bus
import Core
import Foundation
import Logging
import NATSBus
import Synchronization
import Wire

/// Three nodes, Redis and NATS, each a process of its own, with a fault proxy between every node and each server.
final class Site: Sendable {
    struct Options: Sendable {
        var nodes = 3
        var redis: [String] = []
        var store = StoreServers.Kind.single
        /// Further settings of the nodes.
        var environment: [String: String] = [:]
        /// How long JetStream waits for an acknowledgement before it hands an event out again. Apus would say 30 s; a run
        /// has less patience.
        var ackWaitSeconds = 3
    }

    /// A node and its own way to the servers.
    struct Member: Sendable {
        let process: ApusProcess
        let redis: NetworkProxy
        let nats: NetworkProxy
    }

    let options: Options
    let store: StoreServers
    var redis: RedisServer { store.redis }
    let nats: NATSServer
    let members: [Member]
    let backend: NATSBus
    let clock = RunClock()
    let notes = Notes()
    let outages = Outages()
    private let victims = Mutex<[Member]>([])
    private let key: TestKey

    private init(
        _ options: Options, _ store: StoreServers, _ nats: NATSServer, _ members: [Member], _ backend: NATSBus,
        _ key: TestKey
    ) {
        self.options = options
        self.store = store
        self.nats = nats
        self.members = members
        self.backend = backend
        self.key = key
    }

    /// Runs `body` with a site and takes everything down after it.
    static func with<Value: Sendable>(
        _ options: Options = Options(), _ body: (Site) async throws -> Value
    ) async throws -> Value {
        let store = try await StoreServers.start(options.store, options.redis)
        defer { store.stop() }
        let nats = try await NATSServer.started()
        defer { nats.stop() }
        let backend = try bus(nats.url)
        try await backend.connect()
        var members: [Member] = []
        defer { for member in members { stop(member) } }
        do {
            try await prepareStream(backend, options)
            for index in 1...options.nodes {
                members.append(try await member("gw-\(index)", store, nats, options))
            }
            for member in members { try await member.process.start() }
            let key = try await TestKey.hs256(ApusProcess.secret)
            let site = Site(options, store, nats, members, backend, key)
            defer { for victim in site.victims.withLock({ $0 }) { stop(victim) } }
            let value = try await body(site)
            await backend.close()
            return value
        } catch {
            await backend.close()
            throw error
        }
    }

    private static func member(
        _ name: String, _ store: StoreServers, _ nats: NATSServer, _ options: Options, crashPoint: String? = nil
    ) async throws -> Member {
        let ways = (try await NetworkProxy.start(to: store.redis.port), try await NetworkProxy.start(to: nats.port))
        var environment = ["APUS_PING_SECONDS": "5", "APUS_THREADS": "1"].merging(options.environment) { $1 }
        environment["APUS_REDIS_URL"] = store.url ?? "redis://127.0.0.1:\(ways.0.port)"
        environment["APUS_NATS_URL"] = "nats://127.0.0.1:\(ways.1.port)"
        if let crashPoint { environment["APUS_CRASHPOINT"] = crashPoint }
        return Member(process: try ApusProcess(name, environment: environment), redis: ways.0, nats: ways.1)
    }

    private static func stop(_ member: Member) {
        member.process.server.stop()
        member.redis.stop()
        member.nats.stop()
    }

    private static func bus(_ url: String) throws -> NATSBus {
        guard let subjects = Subjects(prefix: "apus") else { throw TestFailure("no subjects") }
        var configuration = try NATSConfiguration(urls: url)
        configuration.consumes = false
        var logger = Logger(label: "backend")
        logger.logLevel = .error
        return NATSBus(configuration: configuration, subjects: subjects, logger: logger) { _ in }
    }

    /// Makes stream and consumer before a node does, with a shorter time for acknowledgements: a node leaves what is there.
    private static func prepareStream(_ backend: NATSBus, _ options: Options) async throws {
        let stream =
            #"{"name":"APUS_IN","subjects":["apus.in.>"],"storage":"file","retention":"limits","discard":"old","#
            + #""max_age":604800000000000,"duplicate_window":120000000000,"num_replicas":1}"#
        try await jetStream(backend, "STREAM.CREATE.APUS_IN", stream)
        let consumer =
            #"{"stream_name":"APUS_IN","config":{"durable_name":"notifier","deliver_policy":"all","#
            + #""ack_policy":"explicit","ack_wait":\#(options.ackWaitSeconds)000000000,"max_deliver":-1,"#
            + #""max_ack_pending":16384,"replay_policy":"instant"}}"#
        try await jetStream(backend, "CONSUMER.DURABLE.CREATE.APUS_IN.notifier", consumer)
    }

    @discardableResult
    private static func jetStream(_ backend: NATSBus, _ name: String, _ body: String) async throws -> JSONObject {
        let reply = try await answer { (done: @escaping Completion<BusMessage>) in
            backend.request(
                BusMessage(subject: "$JS.API.\(name)", payload: Array(body.utf8)), timeoutMilliseconds: 5000, done)
        }
        let object = try JSONObject(reply.payload)
        if let error = object["error"]?.object {
            throw TestFailure("JetStream refuses \(name): \(error["description"]?.string ?? "")")
        }
        return object
    }

    @discardableResult
    func jetStream(_ name: String, _ body: String = "") async throws -> JSONObject {
        try await Self.jetStream(backend, name, body)
    }

    // MARK: Nodes

    /// One more node, which dies at a named point (`APUS_CRASHPOINT`).
    func addVictim(at point: String) async throws -> Member {
        let name = "gw-victim-\(victims.withLock { $0.count + 1 })"
        let victim = try await Self.member(name, store, nats, options, crashPoint: point)
        victims.withLock { $0.append(victim) }
        try await victim.process.start()
        return victim
    }

    var nodes: [ApusProcess] { members.map(\.process) + victims.withLock { $0.map(\.process) } }
    /// Of those that run.
    var ports: [Int] { nodes.filter(\.server.isRunning).map(\.port) }

    func token(_ user: String) throws -> String { try key.token(user: user) }

    /// What the processes printed, for a run that went wrong.
    var logs: String {
        (nodes.map(\.server) + (store.sentinels?.sentinels ?? []))
            .map { "\($0.name): …\($0.output.suffix(1200))" }.joined(separator: "\n")
    }
}

/// What a fault has to say about itself, for the report.
final class Notes: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}
