import ApusTesting
import Core
import Foundation
import Logging
import NIOCore
import NIOPosix
import Notifications
import Synchronization
import Testing

@testable import RedisStore

@Suite("The connections", .timeLimit(.minutes(2)))
struct ConnectionTests {
    @Test("A caller on an event loop is answered there, without a hop")
    func sameLoop() async throws {
        try await RedisFixture.with { fixture in
            let user = RedisFixture.user()
            for loop in fixture.group.makeIterator() {
                let onLoop = try await loop.flatSubmit { () -> EventLoopFuture<Bool> in
                    let promise = loop.makePromise(of: Bool.self)
                    fixture.store.append(RedisFixture.notification(), to: user, nowMilliseconds: RedisFixture.now) {
                        result in
                        promise.completeWith(result.map { _ in loop.inEventLoop }.mapError { $0 as any Error })
                    }
                    return promise.futureResult
                }.get()
                #expect(onLoop)
            }
            #expect(try await fixture.ids(of: user).count == 2)
        }
    }

    @Test("So many commands may be in flight on a connection; the next is refused at once")
    func bounded() async throws {
        try await RedisFixture.with(loops: 1) { fixture in
            var configuration = fixture.store.configuration
            configuration.commandsInFlightMax = 10
            let store = try RedisStore(configuration: configuration, eventLoopGroup: fixture.group, logger: quiet)
            try await store.connect()
            try await fixture.whileHanging {
                let results = Shared<[String]>([])
                for _ in 0..<25 {
                    store.counts(of: RedisFixture.user(), nowMilliseconds: 0) { result in
                        if case .failure(let error) = result { results.lock { $0.append("\(error.outcome)") } }
                    }
                }
                try await eventually("the surplus is refused", within: 1) { results.lock { $0.count } == 15 }
                #expect(results.lock { $0 }.allSatisfy { $0 == "notStored" })
                try await eventually("the others are unknown", within: 2) { results.lock { $0.count } == 25 }
                #expect(results.lock { $0 }.suffix(10).allSatisfy { $0 == "unknown" })
            }
            await store.close()
        }
    }

    @Test("Closing waits for what is in flight; afterwards everything is refused")
    func closing() async throws {
        try await RedisFixture.with { fixture in
            let user = RedisFixture.user()
            let answered = Shared(0)
            for _ in 0..<50 {
                fixture.store.append(RedisFixture.notification(), to: user, nowMilliseconds: RedisFixture.now) {
                    result in
                    if case .success = result { answered.lock { $0 += 1 } }
                }
            }
            await fixture.store.close()
            #expect(answered.lock { $0 } == 50)
            #expect(!fixture.store.isConnected)
            #expect(await fixture.tryAppend(.new(atMilliseconds: 0), to: user).result == "notStored")
            await fixture.store.close()
        }
    }

    @Test("Nothing works before connecting, and it says so")
    func unconnected() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let store = try RedisStore(
            configuration: RedisConfiguration(host: "127.0.0.1", port: FreePort.next()), eventLoopGroup: group,
            logger: quiet)
        let error = await #expect(throws: StoreError.self) {
            try await answer { store.counts(of: RedisFixture.user(), nowMilliseconds: 0, $0) }
        }
        #expect(error?.outcome == .notStored)
        let heads = await #expect(throws: StoreError.self) {
            try await answer { store.heads([RedisFixture.user()], $0) }
        }
        #expect(heads?.outcome == .notStored)
        await store.close()
        try await group.shutdownGracefully()
    }

    @Test("An outage is one line in the log when it begins and one when it ends, is counted, and is told afterwards")
    func reporting() async throws {
        try await RedisFixture.with { fixture in
            let (lines, metrics, back) = (Shared<[String]>([]), CountingMetrics(), Shared(0))
            let store = try RedisStore(
                configuration: fixture.store.configuration, eventLoopGroup: fixture.group,
                logger: Logger(label: "test") { _ in LineLog(lines: lines) }, metrics: metrics)
            store.onReconnect { back.lock { $0 += 1 } }
            try await store.connect()
            #expect(lines.lock { $0 }.isEmpty && back.lock { $0 } == 0)
            for _ in 0..<2 {
                fixture.server.killNow()
                try await eventually("the loss is noticed") { !store.isConnected }
                try await fixture.server.start()
                try await eventually("it is back", within: 5) { store.isConnected }
            }
            #expect(back.lock { $0 } == 2)
            #expect(
                lines.lock { $0 } == ["Redis is lost, reconnecting", "Redis is back"] + [
                    "Redis is lost, reconnecting", "Redis is back",
                ])
            #expect(metrics.value("apus_redis_outages_total") == 2)
            _ = try await answer { store.counts(of: RedisFixture.user(), nowMilliseconds: 0, $0) }
            try await eventually("nothing is in flight") { metrics.value("apus_redis_in_flight") == 0 }
            #expect(metrics.value("apus_redis_round_trip_seconds") == 1)
            #expect(metrics.value("apus_redis_timeouts_total") == 0)
            try await fixture.whileHanging {
                _ = try? await answer { store.counts(of: RedisFixture.user(), nowMilliseconds: 0, $0) }
                #expect(metrics.value("apus_redis_timeouts_total") == 1)
            }
            await store.close()
        }
    }
}

/// Keeps the messages.
struct LineLog: LogHandler {
    let lines: Shared<[String]>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { lines.lock { $0.append("\(event.message)") } }
}
