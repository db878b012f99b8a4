import Configuration
import Foundation
import Synchronization
import SystemPackage

/// Where a value came from.
enum Origin: Hashable, Sendable {
    case flag, environment, standard
    /// The key as it is spelled in the file.
    case file(path: String, key: String)

    /// How a setting is called there, for messages.
    func name(of setting: Setting) -> String {
        switch self {
        case .flag: setting.flag
        case .environment, .standard: setting.variable
        case .file(let path, let key): "\(key) in \(path)"
        }
    }

    var shown: String {
        switch self {
        case .flag: "flag"
        case .environment: "environment"
        case .standard: "default"
        case .file(let path, _): path
        }
    }
}

/// The three places, the first of which that has a setting wins.
struct SettingSources: Sendable {
    struct Found: Hashable, Sendable {
        let value: String
        let origin: Origin
    }

    private let flags: InMemoryProvider
    private let environment: EnvironmentVariablesProvider
    private let file: SettingFile?
    /// Variables that begin like a setting and are none: a typing error most likely.
    let unknownVariables: [String]

    /// - Throws: `ConfigurationError` for an unknown flag or key, or a file that cannot be read.
    init(arguments: [String], environment variables: [String: String]) async throws {
        let given = try FlagParser(settings: Setting.all).parse(arguments)
        flags = InMemoryProvider(
            values: Dictionary(
                uniqueKeysWithValues: given.map {
                    (AbsoluteConfigKey($0.key.components), ConfigValue(.string($0.value), isSecret: true))
                }))
        environment = EnvironmentVariablesProvider(environmentVariables: variables, secretsSpecifier: .all)
        unknownVariables = Self.unknown(variables.keys)
        if let path = given[.config] ?? variables[Setting.config.variable], !path.isEmpty {
            file = try await SettingFile(path: path)
        } else {
            file = nil
        }
    }

    /// The value of a setting; nil when it is given nowhere and has no default.
    func find(_ setting: Setting) throws -> Found? {
        let key = AbsoluteConfigKey(setting.components)
        if let value = try flags.value(forKey: key, type: .string).text { return Found(value: value, origin: .flag) }
        if let value = try environment.environmentValue(forName: setting.variable), !value.isEmpty {
            return Found(value: value, origin: .environment)
        }
        if let found = try file?.find(setting) { return found }
        return setting.standard.map { Found(value: $0, origin: .standard) }
    }

    private static func unknown(_ names: some Sequence<String>) -> [String] {
        let known = Set(Setting.all.map(\.variable))
        return names.filter { $0.hasPrefix("APUS_") && !known.contains($0) && !isForeign($0) }.sorted()
    }

    /// Kubernetes gives every container the addresses of services, `APUS_SERVICE_HOST` and so on when one is called apus.
    /// `APUS_CRASHPOINT` is read by test builds.
    private static func isForeign(_ name: String) -> Bool {
        name == "APUS_CRASHPOINT" || name.contains("_SERVICE_HOST") || name.contains("_SERVICE_PORT")
            || name.hasSuffix("_PORT") || name.contains("_PORT_")
    }
}

extension LookupResult {
    /// A string that is not empty.
    fileprivate var text: String? {
        guard case .string(let text) = value?.content, !text.isEmpty else { return nil }
        return text
    }
}

/// Settings in a YAML or JSON file.
///
/// `redis.url`, `redis: {url: …}`, `sessions.per_user` and `sessionsPerUser` all name what they seem to name: keys are
/// compared by their words.
private struct SettingFile: Sendable {
    private let path: String
    private let provider: any ConfigProvider
    /// The key under which each setting stands in the file.
    private let keys: [Setting: String]

    init(path: String) async throws {
        self.path = path
        // The parsers show each key to the question whether it is secret, which is how the keys become known.
        let seen = Mutex<Set<String>>([])
        do {
            switch path.split(separator: ".").last?.lowercased() {
            case "yaml", "yml":
                let options = YAMLSnapshot.ParsingOptions(
                    secretsSpecifier: .dynamic { key, _ in
                        seen.withLock { _ = $0.insert(key) }; return true
                    })
                provider = try await FileProvider<YAMLSnapshot>(parsingOptions: options, filePath: FilePath(path))
            case "json":
                let options = JSONSnapshot.ParsingOptions(
                    secretsSpecifier: .dynamic { key, _ in
                        seen.withLock { _ = $0.insert(key) }; return true
                    })
                provider = try await FileProvider<JSONSnapshot>(parsingOptions: options, filePath: FilePath(path))
            default: throw ConfigurationError("the file ends neither in .yaml, .yml nor .json; rename it")
            }
        } catch {
            let reason = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
            throw ConfigurationError("\(Setting.config.flag) \(path): \(reason)")
        }
        keys = try Self.match(seen.withLock { $0 }, path)
    }

    func find(_ setting: Setting) throws -> SettingSources.Found? {
        guard let key = keys[setting], let value = try value(key, setting.kind) else { return nil }
        // YAML's null arrives as its spelling.
        guard !["", "~", "null"].contains(value) else { return nil }
        return SettingSources.Found(value: value, origin: .file(path: path, key: key))
    }

    private static func match(_ seen: Set<String>, _ path: String) throws(ConfigurationError) -> [Setting: String] {
        var keys: [Setting: String] = [:]
        for key in seen.sorted() {
            guard let setting = Setting.all.first(where: { $0.name == words(key) }), setting != .config else {
                let near = Spelling.nearest(to: words(key), among: Setting.all.map(\.name))
                throw ConfigurationError(
                    "unknown setting \(key) in \(path); \(near.map { "did you mean \($0)?" } ?? "remove it")")
            }
            if let other = keys.updateValue(key, forKey: setting) {
                throw ConfigurationError("\(path) has both \(other) and \(key), which are the same setting; remove one")
            }
        }
        return keys
    }

    /// `sessionsPerUser`, `sessions.per_user` and `sessions-per-user` are all `sessions.per.user`.
    private static func words(_ key: String) -> String {
        var out = ""
        var before: Character = "."
        for character in key {
            if character.isUppercase, before.isLowercase || before.isNumber { out.append(".") }
            out.append(character == "_" || character == "-" ? "." : Character(character.lowercased()))
            before = character
        }
        return out
    }

    /// The value as the text that a flag would have.
    private func value(_ key: String, _ kind: Setting.Kind) throws(ConfigurationError) -> String? {
        let types: [ConfigType] = kind == .flag ? [.bool, .string] : [.string, .int, .double, .stringArray]
        for type in types {
            guard let found = try? provider.value(forKey: AbsoluteConfigKey([key]), type: type) else { continue }
            switch found.value?.content {
            case .string(let text): return text
            case .int(let number): return "\(number)"
            case .double(let number): return "\(number)"
            case .bool(let flag): return "\(flag)"
            case .stringArray(let list) where kind == .list: return list.joined(separator: ",")
            default: continue
            }
        }
        throw ConfigurationError(
            "\(key) in \(path) is not a \(kind == .list ? "list of texts" : "single value"); write it as one")
    }
}
