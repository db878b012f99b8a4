import Core
import Foundation
import Gateway
import Logging

/// A checked configuration, and what is to be said about it.
struct LoadedConfiguration {
    let node: NodeConfiguration
    let logLevel: Logger.Level
    let logFormat: LogFormat
    /// What is allowed but should be known.
    let warnings: [String]
    let shown: [SettingValues.Shown]

    /// Whether the dev secrets of a new data folder are written there, or made up for this run only.
    enum DevSecretsUse { case store, readOnly }

    /// Reads and checks every setting.
    ///
    /// - Parameter arguments: What follows the subcommand.
    /// - Throws: `ConfigurationError` for the first thing that is wrong.
    static func load(
        arguments: [String], environment: [String: String], devSecrets: DevSecretsUse
    ) async throws -> LoadedConfiguration {
        let values = SettingValues(sources: try await SettingSources(arguments: arguments, environment: environment))
        let builder = ConfigurationBuilder(values: values, devSecretsUse: devSecrets)
        let node = try builder.node()
        if let problem = await node.auth.jwks?.fileProblem() {
            throw values.problem(.jwks, "is no key set: \(problem)", "mend the file")
        }
        let (level, format) = try builder.log()
        return LoadedConfiguration(
            node: node, logLevel: level, logFormat: format, warnings: try builder.warnings(node),
            shown: try builder.shown(node))
    }

    /// Reads and checks only what tokens need, so that `apus token` works beside a node whose other settings it has not.
    static func auth(arguments: [String], environment: [String: String]) async throws -> AuthConfiguration {
        let values = SettingValues(sources: try await SettingSources(arguments: arguments, environment: environment))
        let builder = ConfigurationBuilder(values: values, devSecretsUse: .store)
        return try builder.auth(dev: try builder.dev(), isRequired: false)
    }

    /// Reads and checks only what tells where the data is, so that an import needs no secret.
    static func stores(arguments: [String], environment: [String: String]) async throws -> StoreSettings {
        let values = SettingValues(sources: try await SettingSources(arguments: arguments, environment: environment))
        return try ConfigurationBuilder(values: values, devSecretsUse: .readOnly).stores()
    }
}

/// Where the data is, and how to log.
struct StoreSettings {
    let dataFolder: String
    /// nil: embedded.
    let redis: RedisSettings?
    let logLevel: Logger.Level
    let logFormat: LogFormat
}
