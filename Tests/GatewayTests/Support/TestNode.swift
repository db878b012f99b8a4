import ApusTesting
import Bus
import Core
import Embedded
import Foundation
import Logging
import NIOPosix
import NIOSSL
import Notifications
import Synchronization
import Wire

@testable import Gateway

/// What nodes of one test share: the store and the bus. With one node it is what that node runs on.
final class TestWorld: Sendable {
    let store: EmbeddedStore
    let network = InProcessBus.Network()

    init(limits: StoreLimits = .standard) throws {
        let folder = try TestFolder.make("gateway")
        store = try EmbeddedStore(folder: folder, limits: limits)
        // The files stay open and usable without their names, so nothing is left behind however a test ends.
        try FileManager.default.removeItem(at: folder)
    }
}

/// A whole node in this process, on free ports: the real thing but for the switch in front of its store.
final class TestNode: Sendable {
    static let secret = "only the tests of the gateway know this secret"
    static let apiKey = "an-api-key-for-tests"

    let node: Node
    let world: TestWorld
    /// Takes the store away from this node alone.
    let fault: FaultyStore
    let bus: InProcessBus
    /// Loses what this node sends to others.
    let loss: LossyBus
    private let group: MultiThreadedEventLoopGroup

    private init(
        node: Node, world: TestWorld, fault: FaultyStore, bus: InProcessBus, loss: LossyBus,
        group: MultiThreadedEventLoopGroup
    ) {
        self.node = node
        self.world = world
        self.fault = fault
        self.bus = bus
        self.loss = loss
        self.group = group
    }

    /// Starts a node; `configure` changes what tests usually have: no limits per address, two loops, keys.
    static func start(
        _ name: String = "gw-test", in world: TestWorld? = nil, files: [String: SiteFile] = [:],
        time: any TimeSource = SystemTime(), configure: (inout NodeConfiguration) -> Void = { _ in }
    ) async throws -> TestNode {
        var configuration = NodeConfiguration(auth: AuthConfiguration(hs256Secret: secret))
        configuration.listen = ListenAddress(host: "127.0.0.1", port: 0)
        configuration.backendListen = ListenAddress(host: "127.0.0.1", port: 0)
        configuration.node = name
        configuration.apiKeys = ["another-key", apiKey]
        configuration.sessionsPerAddress = 0
        configure(&configuration)
        let world = try world ?? TestWorld()
        guard let incarnation = Incarnation(newOf: name), let subjects = Subjects(prefix: configuration.natsPrefix)
        else {
            throw TestFailure("\(name) or \(configuration.natsPrefix) is no name")
        }
        let box = Box()
        let bus = InProcessBus(subjects: subjects, network: world.network) { box.node?.busEvent($0) }
        let (fault, loss) = (FaultyStore(world.store), LossyBus(bus))
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let verifier = TokenVerifier(configuration.auth, time: time, logger: logger)
        try await verifier.start()
        do {
            let node = try Node(
                configuration, incarnation: incarnation,
                ports: NodePorts(
                    timelines: fault, inbox: fault, presence: fault, conversations: fault, memberships: fault,
                    bus: loss,
                    isStoreConnected: { fault.mode == .up }),
                verifier: verifier, group: group, files: files, metrics: { "# none\n" }, time: time,
                logger: logger)
            box.set(node)
            try await node.start()
            return TestNode(node: node, world: world, fault: fault, bus: bus, loss: loss, group: group)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
    }

    /// Runs `body` with a node of its own, which is drained after it.
    static func run(
        _ name: String = "gw-test", in world: TestWorld? = nil, files: [String: SiteFile] = [:],
        time: any TimeSource = SystemTime(), configure: (inout NodeConfiguration) -> Void = { _ in },
        _ body: (TestNode) async throws -> Void
    ) async throws {
        let node = try await start(name, in: world, files: files, time: time, configure: configure)
        do {
            try await body(node)
            await node.stop()
        } catch {
            await node.stop()
            throw error
        }
    }

    private static let everyday = Task { try await TestNode.start("gw-everyday") }
    /// The node that tests share which need nothing of their own. It runs until the process ends.
    static var shared: TestNode { get async throws { try await everyday.value } }

    func stop() async {
        await node.drain()
        try? await group.shutdownGracefully()
    }

    var port: Int { node.publicAddress?.port ?? 0 }
    var backendPort: Int { node.backendAddress?.port ?? 0 }

    // MARK: Clients

    private static let key = Task { try await TestKey.hs256(secret) }

    static func token(_ user: String, ttlSeconds: Int = 3600) async throws -> String {
        try await key.value.token(user: user, ttlSeconds: ttlSeconds)
    }

    /// A socket that has not said hello.
    func socket(headers: [String] = [], path: String = "/ws") async throws -> ScriptedClient {
        try await ScriptedClient.connect(port: port, path: path, headers: headers)
    }

    /// A session, and the `welcome` that it got.
    func session(
        _ user: String, resume: String? = nil, device: String? = nil, ttlSeconds: Int = 3600
    ) async throws -> (client: ScriptedClient, welcome: JSONObject) {
        let client = try await socket()
        let welcome = try await client.hello(
            token: try await Self.token(user, ttlSeconds: ttlSeconds), resume: resume, device: device)
        guard welcome["ev"]?.string == "welcome" else { throw TestFailure("no welcome: \(welcome.rendered)") }
        return (client, welcome)
    }

    // MARK: Backends

    /// A request to the backend listener, with the answer's JSON.
    @discardableResult
    func backend(
        _ method: String, _ path: String, _ body: String = "", headers: [String] = [], key: String? = apiKey
    ) async throws -> BackendAnswer {
        let client = try await ScriptedClient.raw(port: backendPort)
        defer { client.drop() }
        var request = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        if let key { request += "Authorization: Bearer \(key)\r\n" }
        for header in headers { request += header + "\r\n" }
        if !body.isEmpty || method == "POST" { request += "Content-Length: \(body.utf8.count)\r\n" }
        // An answer may come before a body that is too large was taken whole.
        try? await client.send(raw: Array((request + "\r\n" + body).utf8))
        let answer = try await client.httpAnswer()
        return BackendAnswer(status: answer.status, body: answer.body)
    }

    /// A notification by HTTP; fails the test when it was not stored.
    @discardableResult
    func notify(_ user: String, _ members: String = "\"type\":\"post.liked\"") async throws -> JSONObject {
        let answer = try await backend("POST", "/v1/notifications", "{\"to\":\"\(user)\",\(members)}")
        guard answer.status == 200, let result = answer.json["results"]?.array?.first?.object,
            result["stored"]?.bool == true
        else { throw TestFailure("not stored: \(answer.status) \(answer.body)") }
        return result
    }

    /// Appends past every node: the store has it and nobody was told, as after a lost hint.
    func appendSilently(_ user: String, count: Int = 1, bytes: Int = 10) async throws {
        guard let user = UserID(user) else { throw TestFailure("no user id") }
        let now = SystemTime().wallMilliseconds()
        let rest = Array(
            "\"type\":\"a.b\",\"category\":\"a\",\"data\":\"\(String(repeating: "x", count: bytes))\"".utf8)
        for _ in 0..<count {
            let notification = Notifications.Notification(
                id: .new(atMilliseconds: now), category: "a", collapse: nil, expiresAtMilliseconds: nil,
                timestampMilliseconds: now, rest: rest)
            _ = try await answer { world.store.append(notification, to: user, nowMilliseconds: now, $0) }
        }
    }
}

/// What the backend listener answered.
struct BackendAnswer: Sendable {
    let status: Int
    let body: String

    var json: JSONObject { (try? JSONObject(Array(body.utf8))) ?? Self.empty }
    var results: [JSONObject] { json["results"]?.array?.compactMap(\.object) ?? [] }
    var errorCode: String? { json["error"]?.object?["code"]?.string }

    private static let empty = JSONObject.empty
}

/// Hands the node to the bus, which is made before it.
private final class Box: Sendable {
    private let current = Mutex<Node?>(nil)
    var node: Node? { current.withLock { $0 } }
    func set(_ node: Node) { current.withLock { $0 = node } }
}

/// A user that no other test has.
func someUser(_ name: String = "u") -> String { "\(name)-\(RandomToken.make(length: 10))" }

/// A value that several threads change.
final class Locked<Value: Sendable>: Sendable {
    private let current: Mutex<Value>
    init(_ value: Value) { current = Mutex(value) }
    var value: Value { current.withLock { $0 } }
    func change(_ body: (inout Value) -> Void) { current.withLock { value in body(&value) } }
}
