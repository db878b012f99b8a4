import Bus
import Core
import Embedded
import Foundation
import Gateway
import Logging
import NIOPosix
import Synchronization

/// A whole node of one event loop in this process, with sessions that listen: the real thing, sockets included.
public final class BenchNode: Sendable {
    private let node: Node
    private let store: EmbeddedStore
    private let group: MultiThreadedEventLoopGroup
    private let crowd = SocketCrowd()
    /// Bytes that the crowd should have received so far, and how many rounds were run.
    private let sent = Mutex((bytes: 0, rounds: 0))
    let users: [UserID]
    let topic: Topic

    private init(
        _ node: Node, _ store: EmbeddedStore, _ group: MultiThreadedEventLoopGroup, users: [UserID], topic: Topic
    ) {
        self.node = node
        self.store = store
        self.group = group
        self.users = users
        self.topic = topic
    }

    /// Starts a node and opens the sessions, all subscribed to one topic.
    public static func start(sessions: Int) async throws -> BenchNode {
        var configuration = NodeConfiguration(
            auth: AuthConfiguration(hs256Secret: "only the benchmarks know this secret"))
        configuration.listen = ListenAddress(host: "127.0.0.1", port: 0)
        configuration.backendListen = ListenAddress(host: "127.0.0.1", port: 0)
        configuration.node = "bench"
        configuration.sessionsPerAddress = 0
        configuration.connectsPerSecond = 0
        // None comes between what is measured.
        configuration.pingSeconds = 3600
        let users = try (0..<sessions).map { try Samples.user("u\($0)") }
        let store = try openStore()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let node = try await makeNode(configuration, store, group)
        let bench = BenchNode(node, store, group, users: users, topic: try Samples.topic())
        do {
            guard let minter = try await TokenMinter(configuration.auth) else { throw BenchmarkError("no secret") }
            let now = SystemTime().wallMilliseconds()
            let tokens = try users.map { try minter.token(for: $0, ttlSeconds: 3600, nowMilliseconds: now) }
            try await bench.crowd.open(port: node.publicAddress?.port ?? 0, tokens: tokens, topic: bench.topic)
            return bench
        } catch {
            await bench.stop()
            throw error
        }
    }

    private static func openStore() throws -> EmbeddedStore {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-bench-\(UUID().uuidString)")
        let store = try EmbeddedStore(folder: folder)
        // The files stay open and usable without their names, so nothing is left behind however this ends.
        try FileManager.default.removeItem(at: folder)
        return store
    }

    private static func makeNode(
        _ configuration: NodeConfiguration, _ store: EmbeddedStore, _ group: MultiThreadedEventLoopGroup
    ) async throws -> Node {
        var logger = Logger(label: "bench")
        logger.logLevel = .critical
        guard let incarnation = Incarnation(newOf: configuration.node),
            let subjects = Subjects(prefix: configuration.natsPrefix)
        else { throw BenchmarkError("\(configuration.node) or \(configuration.natsPrefix) is no name") }
        let verifier = TokenVerifier(configuration.auth, logger: logger)
        try await verifier.start()
        let node = try Node(
            configuration, incarnation: incarnation,
            ports: NodePorts(
                timelines: store, inbox: store, presence: store, conversations: store, memberships: store,
                bus: InProcessBus(subjects: subjects), isStoreConnected: { true }),
            verifier: verifier, group: group, metrics: { "" }, logger: logger)
        try await node.start()
        return node
    }

    public func stop() async {
        await crowd.close()
        await node.drain()
        await store.close()
        try? await group.shutdownGracefully()
    }

    /// Which round of deliveries this is: 1, 2, 3 …
    func nextRound() -> Int {
        sent.withLock { sent in
            sent.rounds += 1
            return sent.rounds
        }
    }

    /// What one batch costs the loop, one operation being one message for one session.
    ///
    /// - Parameters:
    ///   - bytes: What all sessions together receive of it; waited for, so nothing is counted that did not arrive.
    ///   - withWriting: Until the loop has also written to the sockets what it queued.
    func deliver(_ batch: [Delivery], operations: Int, bytes: Int, withWriting: Bool) async throws -> Cost {
        let loop = group.next()
        let hub = node.hub
        let (start, queued) = try await loop.submit {
            let start = MeterReading.now()
            hub.deliver(batch)
            return (start, start.cost(of: operations))
        }.get()
        // The hub asked for the flush before this was asked, so it is done by now.
        let written = try await loop.submit { start.cost(of: operations) }.get()
        let expected = sent.withLock { sent in
            sent.bytes += bytes
            return sent.bytes
        }
        try await crowd.waitForBytes(expected)
        return withWriting ? written : queued
    }
}
