import ApusTesting
import Core
import Logging
import NIOCore
import NIOPosix
import RedisStore
import Testing

/// A server and a store on it, for one suite or one test.
struct RedisFixture: Sendable {
    let server: RedisServer
    let store: RedisStore
    let group: MultiThreadedEventLoopGroup

    /// What `.redis()` has started for the suite.
    @TaskLocal static var current: RedisFixture?

    static func the() throws -> RedisFixture { try #require(current) }

    static func start(
        _ options: RedisServer.Options, loops: Int = 2, limits: StoreLimits = .forTests,
        adjust: (inout RedisConfiguration) -> Void = { _ in }
    ) async throws -> RedisFixture {
        let server = try await RedisServer.start(options)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        do {
            var configuration = try RedisConfiguration(url: server.url())
            if options.tls { configuration.authorityFile = server.authorityFile }
            adjust(&configuration)
            let store = try RedisStore(
                configuration: configuration, eventLoopGroup: group, limits: limits, logger: quiet,
                clock: SampleTime())
            try await store.connect()
            return RedisFixture(server: server, store: store, group: group)
        } catch {
            server.stop()
            try await group.shutdownGracefully()
            throw error
        }
    }

    func stop() async throws {
        await store.close()
        server.stop()
        try await group.shutdownGracefully()
    }

    /// Runs a test on a server of its own, that it may hurt.
    static func with<Value>(
        _ options: RedisServer.Options = .init(), loops: Int = 2, limits: StoreLimits = .forTests,
        adjust: (inout RedisConfiguration) -> Void = { _ in }, _ body: (RedisFixture) async throws -> Value
    ) async throws -> Value {
        let fixture = try await start(options, loops: loops, limits: limits, adjust: adjust)
        do {
            let value = try await body(fixture)
            try await fixture.stop()
            return value
        } catch {
            try await fixture.stop()
            throw error
        }
    }
}

extension RedisConfiguration {
    /// For suites that hurt no server and promise no times: a machine that is busy with other suites may take its own.
    mutating func waitLong() { deadlineMilliseconds = 20_000 }
}

/// The wall clock stands before everything that the suites do: entries are then younger than the store's connections, as
/// they are in life.
struct SampleTime: TimeSource {
    var wall: Int64 = 0

    func wallMilliseconds() -> Int64 { wall }
    func monotonicNanoseconds() -> UInt64 { SystemTime().monotonicNanoseconds() }
}

/// A logger that says nothing.
let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

/// Gives a suite one server for all its tests, as `RedisFixture.current`.
struct RedisTrait: SuiteTrait, TestScoping {
    let options: RedisServer.Options

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await RedisFixture.with(options, adjust: { $0.waitLong() }) { fixture in
            try await RedisFixture.$current.withValue(fixture) { try await function() }
        }
    }
}

extension Trait where Self == RedisTrait {
    static func redis(_ options: RedisServer.Options = .init()) -> RedisTrait { RedisTrait(options: options) }
}
