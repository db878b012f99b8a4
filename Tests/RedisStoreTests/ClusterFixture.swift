import ApusTesting
import Core
import NIOCore
import NIOPosix
import Testing

@testable import RedisStore

/// A Redis Cluster and a store on it, for one suite or one test.
struct ClusterFixture: StoreFixture {
    let cluster: RedisCluster
    let store: RedisStore
    let group: MultiThreadedEventLoopGroup
    let metrics: CountingMetrics

    /// What `.redisCluster()` has started for the suite.
    @TaskLocal static var current: ClusterFixture?

    static func the() throws -> ClusterFixture { try #require(current) }

    static func start(
        _ options: RedisCluster.Options, loops: Int = 2, adjust: (inout RedisConfiguration) -> Void = { _ in }
    ) async throws -> ClusterFixture {
        let cluster = try await RedisCluster.start(options)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        do {
            var configuration = try RedisConfiguration(url: cluster.url())
            if configuration.tls { configuration.authorityFile = cluster.authorityFile }
            adjust(&configuration)
            let metrics = CountingMetrics()
            let store = try RedisStore(
                configuration: configuration, eventLoopGroup: group, limits: .forTests, logger: quiet, metrics: metrics,
                clock: SampleTime())
            try await store.connect()
            return ClusterFixture(cluster: cluster, store: store, group: group, metrics: metrics)
        } catch {
            cluster.stop()
            try await group.shutdownGracefully()
            throw error
        }
    }

    func stop() async throws {
        await store.close()
        cluster.stop()
        try await group.shutdownGracefully()
    }

    /// Runs a test on a Cluster of its own, that it may hurt.
    static func with<Value>(
        _ options: RedisCluster.Options = .init(), loops: Int = 2,
        adjust: (inout RedisConfiguration) -> Void = { _ in }, _ body: (ClusterFixture) async throws -> Value
    ) async throws -> Value {
        let fixture = try await start(options, loops: loops, adjust: adjust)
        do {
            let value = try await body(fixture)
            try await fixture.stop()
            return value
        } catch {
            try await fixture.stop()
            throw error
        }
    }

    // MARK: Users and slots

    /// A user whose data is on that master, as the Cluster was made.
    func user(on master: Int) -> UserID {
        while true {
            let user = RedisFixture.user()
            if isOn(master, RedisKeys.meta(user)) { return user }
        }
    }

    private func isOn(_ master: Int, _ key: String) -> Bool {
        RedisSlot.of(key) * cluster.masters.count / RedisSlot.count == master
    }

    /// A user on one master, the notes of whose expiries are on another.
    func user(on master: Int, notedOn other: Int) -> UserID {
        while true {
            let user = user(on: master)
            if isOn(other, RedisKeys.due(RedisKeys.dueShard(of: user))) { return user }
        }
    }

    /// A conversation on one master, whose marks are on another, and one of its two.
    func conversation(on master: Int, markedOn other: Int) -> (ConversationID, UserID) {
        while true {
            let (one, two) = (RedisFixture.user(), RedisFixture.user())
            guard let conversation = ConversationID(between: one, and: two) else { continue }
            guard isOn(master, RedisKeys.meta(conversation)) else { continue }
            if isOn(other, RedisKeys.fanOut(RedisKeys.fanOutShard(of: conversation))) { return (conversation, one) }
        }
    }

    static func slot(of user: UserID) -> Int { RedisSlot.of(RedisKeys.meta(user)) }

    /// Another user in the same slot.
    static func neighbour(of user: UserID) -> UserID {
        while true {
            let other = RedisFixture.user()
            if slot(of: other) == slot(of: user) { return other }
        }
    }

    func redirections(_ kind: Redirection.Kind) -> Int64 {
        metrics.value("apus_redis_redirections_total{kind=\(kind.rawValue)}")
    }
}

/// Gives a suite one Cluster for all its tests, as `ClusterFixture.current`.
struct ClusterTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await ClusterFixture.with(adjust: { $0.waitLong() }) { fixture in
            try await ClusterFixture.$current.withValue(fixture) { try await function() }
        }
    }
}

extension Trait where Self == ClusterTrait {
    static func redisCluster() -> ClusterTrait { ClusterTrait() }
}
