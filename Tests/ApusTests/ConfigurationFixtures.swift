import ApusTesting
import Foundation
import Testing

@testable import apus

/// A secret that is accepted.
let goodSecret = "0f8c3b1d9a7e4c2fb6d85a1e3c9f70d4"

/// Loads settings from a command line and an environment, to which the required secret is added.
func load(
    _ arguments: String..., environment: [String: String] = [:], secret: String? = goodSecret
) async throws -> LoadedConfiguration {
    var environment = environment
    if let secret, environment["APUS_AUTH_HS256_SECRET"] == nil { environment["APUS_AUTH_HS256_SECRET"] = secret }
    return try await LoadedConfiguration.load(arguments: arguments, environment: environment, devSecrets: .readOnly)
}

/// The error line that settings lead to; fails when they are accepted.
func problem(
    _ arguments: String..., environment: [String: String] = [:], secret: String? = goodSecret,
    sourceLocation: SourceLocation = #_sourceLocation
) async throws -> String {
    var environment = environment
    if let secret { environment["APUS_AUTH_HS256_SECRET"] = secret }
    do {
        _ = try await LoadedConfiguration.load(arguments: arguments, environment: environment, devSecrets: .readOnly)
    } catch let error as ConfigurationError {
        #expect(!error.description.contains { $0.isNewline }, "one line", sourceLocation: sourceLocation)
        return error.description
    }
    Issue.record("accepted", sourceLocation: sourceLocation)
    return ""
}

/// A folder with one file in it, for the time of `body`.
func withFile<Value>(_ name: String, _ text: String, _ body: (String) async throws -> Value) async throws -> Value {
    let folder = try TestFolder.make("config")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent(name)
    try Data(text.utf8).write(to: path)
    return try await body(path.path)
}
