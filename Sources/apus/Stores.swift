import Chat
import Core
import Embedded
import Foundation
import Gateway
import Logging
import NIOPosix
import RedisStore

/// Opens the adapters that hold the data: a node and the commands that work beside it open them alike.
enum Stores {
    /// - Throws: `ConfigurationError` for a folder that cannot be used, or is another node's.
    static func embedded(folder: String, limits: StoreLimits = .standard) throws -> EmbeddedStore {
        do {
            return try EmbeddedStore(folder: URL(fileURLWithPath: folder), limits: limits)
        } catch { throw ConfigurationError("\(error)") }
    }

    /// Connects, looks whether Apus may run on this server, and logs what should be known about it.
    ///
    /// - Parameter reconnected: Called each time Redis is back after an outage.
    /// - Throws: `UnreachableError` when nobody answers in time, otherwise `ConfigurationError`.
    static func redis(
        _ settings: RedisSettings, on group: MultiThreadedEventLoopGroup, withinSeconds seconds: Int,
        limits: StoreLimits = .standard, logger: Logger,
        reconnected: @escaping @Sendable () -> Void = {}
    ) async throws -> RedisStore {
        do {
            var configuration = try RedisConfiguration(url: settings.url)
            configuration.authorityFile = settings.certificateAuthority
            configuration.durability = settings.durability == .strict ? .strict : .standard
            let store = try RedisStore(
                configuration: configuration, eventLoopGroup: group, limits: limits, logger: logger)
            store.onReconnect(reconnected)
            try await store.connect(withinSeconds: seconds)
            for warning in try await store.checkServer() { logger.warning("\(warning)") }
            return store
        } catch {
            if error.kind == .unreachable { throw UnreachableError(error.description) }
            throw ConfigurationError(error.description)
        }
    }
}
