import Foundation

/// Reads settings as what they are meant to be, and says what is wrong in the one form of configuration errors.
struct SettingValues {
    let sources: SettingSources

    /// What `check-config` shows.
    struct Shown: Hashable {
        let setting: Setting
        let value: String
        let origin: String
    }

    func text(_ setting: Setting) throws -> String? { try sources.find(setting)?.value }

    /// Whether a setting is given, rather than left to its default.
    func isGiven(_ setting: Setting) throws -> Bool {
        guard let found = try sources.find(setting) else { return false }
        return found.origin != .standard
    }

    func number(_ setting: Setting, in range: ClosedRange<Int>) throws -> Int {
        guard let text = try text(setting) else { return range.lowerBound }
        guard let number = Int(text), range.contains(number) else {
            throw problem(setting, "is not a whole number from \(range.lowerBound) to \(range.upperBound)", "give one")
        }
        return number
    }

    func flag(_ setting: Setting) throws -> Bool {
        switch try text(setting)?.lowercased() {
        case nil, "false", "no", "off", "0": return false
        case "true", "yes", "on", "1": return true
        default: throw problem(setting, "is neither true nor false", "give one of them")
        }
    }

    /// The entries without the white space around them; nil when the setting is not given.
    func list(_ setting: Setting) throws -> [String]? {
        guard let text = try text(setting) else { return nil }
        let entries = text.split(separator: ",", omittingEmptySubsequences: false).map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        guard !entries.contains("") else { throw problem(setting, "has an empty entry", "remove the spare comma") }
        return entries
    }

    /// The path of a file that can be read; nil when the setting is not given.
    func file(_ setting: Setting) throws -> String? {
        guard let path = try text(setting) else { return nil }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else {
            throw problem(setting, "names no file", "give the path of one")
        }
        guard FileManager.default.isReadableFile(atPath: path) else {
            throw problem(setting, "names a file that this user may not read", "change its mode or its owner")
        }
        return path
    }

    /// `NAME=value problem; fix`, by the name it has where the value came from.
    func problem(_ setting: Setting, _ problem: String, _ fix: String) -> ConfigurationError {
        guard let found = try? sources.find(setting) else {
            return ConfigurationError("\(setting.variable) \(problem); \(fix)")
        }
        return ConfigurationError("\(found.origin.name(of: setting))=\(setting.shown(found.value)) \(problem); \(fix)")
    }

    func shown() throws -> [Shown] {
        try Setting.all.map { setting in
            guard let found = try sources.find(setting) else {
                return Shown(setting: setting, value: "(unset)", origin: "default")
            }
            return Shown(setting: setting, value: setting.shown(found.value), origin: found.origin.shown)
        }
    }
}
