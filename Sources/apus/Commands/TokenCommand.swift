import ArgumentParser
import Core
import Foundation
import Gateway

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Make a token with the configured HS256 secret.", discussion: Setting.help)

    @Option(help: "The user's id.")
    var user: String

    @Option(help: "Seconds until the token expires, 1 to 31536000.")
    var ttl = 3600

    @Argument(
        parsing: .allUnrecognized,
        help: ArgumentHelp("As for serve; --dev takes the secret of the data folder.", valueName: "settings"))
    var settings: [String] = []

    func run() async throws {
        Output.line(try await token(environment: ProcessInfo.processInfo.environment))
    }

    func token(environment: [String: String]) async throws -> String {
        guard let id = UserID(user) else {
            throw ConfigurationError(
                "--user \(user.debugDescription) is no user id; give 1 to 64 characters of [A-Za-z0-9._:@+=~-]")
        }
        guard 1...31_536_000 ~= ttl else {
            throw ConfigurationError("--ttl \(ttl) is out of range; give 1 to 31536000 seconds")
        }
        let auth = try await LoadedConfiguration.auth(arguments: settings, environment: environment)
        guard let minter = try await TokenMinter(auth) else {
            throw ConfigurationError(
                "\(Setting.secret.variable) is unset, so no token can be made; set it, or add --dev")
        }
        return try minter.token(for: id, ttlSeconds: ttl, nowMilliseconds: SystemTime().wallMilliseconds())
    }
}
