import ApusTesting
import Bus
import Core
import Foundation
import Logging
import NATSBus
import Synchronization
import Testing
import Wire

/// Several nodes on one Redis and one NATS, each a process of its own, and a backend on the bus.
final class Fleet: Sendable {
    let redis: RedisServer
    let nats: NATSServer
    let nodes: [ApusProcess]
    let backend: NATSBus
    private let settings: [String: String]
    private let key: TestKey

    private init(
        redis: RedisServer, nats: NATSServer, nodes: [ApusProcess], backend: NATSBus, settings: [String: String],
        key: TestKey
    ) {
        self.settings = settings
        self.redis = redis
        self.nats = nats
        self.nodes = nodes
        self.backend = backend
        self.key = key
    }

    /// Runs `body` with a fleet and takes everything down after it.
    static func with(
        nodes count: Int = 2, environment: [String: String] = [:], _ body: (Fleet) async throws -> Void
    ) async throws {
        let redis = try await RedisServer.start(
            RedisServer.Options(arguments: ["--appendonly", "yes", "--maxmemory-policy", "noeviction"]))
        defer { redis.stop() }
        let nats = try await NATSServer.started()
        defer { nats.stop() }
        var nodes: [ApusProcess] = []
        defer { nodes.forEach { $0.server.stop() } }
        let settings = ["APUS_REDIS_URL": redis.url(), "APUS_NATS_URL": nats.url].merging(environment) { _, new in new }
        for index in 1...count { nodes.append(try ApusProcess("gw-\(index)", environment: settings)) }
        for node in nodes { try await node.start() }
        let subjects = try #require(Subjects(prefix: "apus"))
        let backend = NATSBus(
            configuration: try NATSConfiguration(urls: nats.url), subjects: subjects, logger: Logger(label: "test")
        ) { _ in }
        try await backend.connect()
        let fleet = Fleet(
            redis: redis, nats: nats, nodes: nodes, backend: backend, settings: settings,
            key: try await .hs256(ApusProcess.secret))
        do { try await body(fleet) } catch {
            for node in nodes { Issue.record("\(node.server.name): \(node.server.output.suffix(2000))") }
            await backend.close()
            throw error
        }
        await backend.close()
    }

    /// One more node, which dies at a named point (`APUS_CRASHPOINT`).
    func victim(at point: String) async throws -> ApusProcess {
        let node = try ApusProcess(
            "gw-victim-\(RandomToken.make(length: 4))",
            environment: settings.merging(["APUS_CRASHPOINT": point]) { _, new in new })
        try await node.start()
        return node
    }

    func token(_ user: String) throws -> String { try key.token(user: user) }

    /// A device of `user` that records what it gets.
    func device(_ user: String, on node: ApusProcess, resume: String? = nil) async throws -> Device {
        let client = try await ScriptedClient.connect(port: node.port)
        let welcome = try await client.hello(token: try key.token(user: user), resume: resume)
        return Device(client, welcome)
    }

    /// Publishes through JetStream and waits until it is stored there.
    func publish(_ user: String, id: String, type: String = "post.liked") async throws {
        let body = #"{"id":"\#(id)","type":"\#(type)","data":{"of":"\#(id)"}}"#
        try await publish("apus.in.notify.\(user)", Array(body.utf8), id: id)
    }

    func publish(_ subject: String, _ payload: [UInt8], headers: [(name: String, value: String)] = [], id: String)
        async throws
    {
        try await eventually("JetStream takes \(id)", within: 30) {
            do {
                try await answer { (done: @escaping Completion<Void>) in
                    backend.publishDurable(
                        BusMessage(subject: subject, headers: headers, payload: payload), dedupID: "test-\(id)", done)
                }
                return true
            } catch { return false }
        }
    }

    func request(_ name: String, _ body: String) async throws -> JSONObject {
        let reply = try await answer { (done: @escaping Completion<BusMessage>) in
            backend.request(
                BusMessage(subject: "apus.rpc.\(name)", payload: Array(body.utf8)), timeoutMilliseconds: 5000, done)
        }
        return try JSONObject(reply.payload)
    }
}

/// One connected device: every frame that is no reply, in order, and how it ended.
final class Device: Sendable {
    private struct State {
        var events: [JSONObject] = []
        var closeCode: UInt16?
        var isClosed = false
        var replies: [Int64: JSONObject] = [:]
    }

    let client: ScriptedClient
    let welcome: JSONObject
    private let state = Mutex(State())
    private let nextID = Mutex<Int64>(100)

    init(_ client: ScriptedClient, _ welcome: JSONObject) {
        self.client = client
        self.welcome = welcome
        Task {
            while true {
                guard let incoming = try? await client.next(within: 120) else { return }
                switch incoming {
                case .text(let text):
                    guard let frame = try? JSONObject(Array(text.utf8)) else { continue }
                    state.withLock { state in
                        if let id = frame["re"]?.integer {
                            state.replies[id] = frame
                        } else {
                            state.events.append(frame)
                        }
                    }
                case .close(let code, _): state.withLock { $0.closeCode = code }
                case .end:
                    state.withLock { $0.isClosed = true }
                    return
                default: continue
                }
            }
        }
    }

    var events: [JSONObject] { state.withLock { $0.events } }
    var seqs: [Int64] { events.compactMap { $0["seq"]?.integer } }
    var ids: [String] { events.compactMap { $0["id"]?.string } }
    var isClosed: Bool { state.withLock { $0.isClosed } }
    var closeCode: UInt16? { state.withLock { $0.closeCode } }
    /// The timeline's head at `welcome`.
    var start: Int64 { welcome["seq"]?.integer ?? -1 }

    func reply(to id: Int64) -> JSONObject? { state.withLock { $0.replies[id] } }

    func wait(for count: Int, within seconds: Double = 30, sourceLocation: SourceLocation = #_sourceLocation)
        async throws
    {
        try await eventually("\(count) events, of which \(seqs.count) came", within: seconds) { seqs.count >= count }
    }

    func request(_ body: String) async throws -> JSONObject {
        let id = nextID.withLock { id in
            id += 1
            return id
        }
        try await client.send(#"{"id":\#(id),\#(body)}"#)
        var reply: JSONObject?
        try await eventually("a reply to \(body)") {
            reply = state.withLock { $0.replies[id] }
            return reply != nil
        }
        return try #require(reply)
    }

    /// What a client would give as `resume`.
    var position: String {
        let last = events.last { $0["seq"] != nil }
        return
            #"{"epoch":"\#(welcome["epoch"]?.string ?? "")","seq":\#(last?["seq"]?.integer ?? start),"last":"\#(last?["id"]?.string ?? welcome["last"]?.string ?? "")"}"#
    }
}
