import ArgumentParser
import Foundation
import Logging

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run a node until SIGTERM.", discussion: Setting.help)

    @Argument(parsing: .allUnrecognized, help: ArgumentHelp("See below.", valueName: "settings"))
    var settings: [String] = []

    func run() async throws {
        // A peer, or a reader of the log, that is gone is an error where it is written to, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        let loaded = try await LoadedConfiguration.load(
            arguments: settings, environment: ProcessInfo.processInfo.environment, devSecrets: .store)
        LogHandlers.bootstrap(loaded.logFormat, level: loaded.logLevel)
        let logger = Logger(label: "apus")
        for warning in loaded.warnings { logger.warning("\(warning)") }
        try await Composition(loaded.node).run()
    }
}
