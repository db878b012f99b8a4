import ApusTesting
import Core
import NIOCore
import NIOPosix
import Testing

@testable import RedisStore

/// A master with replicas and sentinels, and a store on them, for one test.
struct SentinelFixture: StoreFixture {
    let servers: RedisSentinels
    let store: RedisStore
    let group: MultiThreadedEventLoopGroup

    static func with<Value>(
        _ options: RedisSentinels.Options = .init(), loops: Int = 2,
        adjust: (inout RedisConfiguration) -> Void = { _ in }, _ body: (SentinelFixture) async throws -> Value
    ) async throws -> Value {
        let servers = try await RedisSentinels.start(options)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        let result: Result<Value, any Error>
        do {
            var configuration = try RedisConfiguration(url: servers.url())
            adjust(&configuration)
            let store = try RedisStore(
                configuration: configuration, eventLoopGroup: group, limits: .forTests, logger: quiet)
            do {
                try await store.connect()
                result = .success(
                    try await body(SentinelFixture(servers: servers, store: store, group: group)))
            } catch { result = .failure(error) }
            await store.close()
        } catch { result = .failure(error) }
        servers.stop()
        try await group.shutdownGracefully()
        return try result.get()
    }

    /// Waits until a sentinel names a master other than the first one.
    func promoted() async throws -> RedisServer {
        var found: RedisServer?
        try await eventually("a replica is promoted", within: 40) {
            let port = try await servers.masterPort()
            found = servers.replicas.first { $0.port == port }
            guard let found else { return false }
            return try await found.command("ROLE").hasPrefix("master")
        }
        return try #require(found)
    }
}
