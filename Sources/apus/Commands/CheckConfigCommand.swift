import ArgumentParser
import Foundation

struct CheckConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config", abstract: "Check the settings and show them, with secrets hidden.",
        discussion: Setting.help)

    @Argument(parsing: .allUnrecognized, help: ArgumentHelp("As for serve.", valueName: "settings"))
    var settings: [String] = []

    func run() async throws {
        let loaded = try await LoadedConfiguration.load(
            arguments: settings, environment: ProcessInfo.processInfo.environment, devSecrets: .readOnly)
        for warning in loaded.warnings { Output.error("warning: \(warning)") }
        Output.line(Self.table(loaded.shown))
    }

    /// Name, value and origin in columns.
    static func table(_ rows: [SettingValues.Shown]) -> String {
        let names = rows.map(\.setting.variable.count).max() ?? 0
        let values = min(48, rows.map(\.value.count).max() ?? 0)
        return rows.map { row in
            "\(padded(row.setting.variable, names))  \(padded(row.value, values))  \(row.origin)"
        }.joined(separator: "\n")
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
