import ArgumentParser
import Core
import Embedded
import Foundation
import Logging
import NIOPosix

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Bring in what another platform has.", subcommands: [ImportPaopaoCommand.self])
}

struct ImportPaopaoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "paopao", abstract: "Bring in the whispers of paopao-ce (docs/import-paopao.md).",
        discussion: """
            It may be run again at any time, and after it was killed: what is there already is not imported again. In a fleet \
            it runs beside the nodes; the data folder of an embedded node can be used only while that one is stopped.

            \(Setting.help)
            """)

    private static let connectSeconds = 30

    @Option(help: "The table p_message: a CSV file with a header line, or paopao's SQLite file.")
    var file: String

    @Option(help: "The table's name in a SQLite file.")
    var table = "p_message"

    @Flag(help: "In a file with commas, a backslash escapes the next character (MySQL's ESCAPED BY '\\\\').")
    var backslash = false

    @Flag(help: "Where a conversation has newer messages already, put the whispers after them.")
    var append = false

    @Flag(help: "Read and count only.")
    var dryRun = false

    @Argument(
        parsing: .allUnrecognized,
        help: ArgumentHelp("As for serve; only where the data is, and the log, is looked at.", valueName: "settings"))
    var settings: [String] = []

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        let stores = try await LoadedConfiguration.stores(
            arguments: settings, environment: ProcessInfo.processInfo.environment)
        LogHandlers.bootstrap(stores.logFormat, level: stores.logLevel)
        let source = try SourceFile.open(file, table: table, backslash: backslash)
        let columns = try WhisperColumns(
            source.columns, path: file, nowSeconds: SystemTime().wallMilliseconds() / 1000)
        let work = Work(
            reader: WhisperReader(
                source: source, columns: columns, sorter: try PairSorter(), progress: ImportProgress()), appends: append
        )
        if dryRun { return try await work.count() }
        guard let redis = stores.redis else { return try await runEmbedded(work, folder: stores.dataFolder) }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: min(2, ProcessInfo.processInfo.activeProcessorCount))
        let store = try await Stores.redis(
            redis, on: group, withinSeconds: Self.connectSeconds, logger: Logger(label: "apus"))
        let target = ImportTarget(conversations: store, memberships: store, time: SystemTime())
        try await work.run(to: target) { await store.close() }
        try? await group.shutdownGracefully()
    }

    private func runEmbedded(_ work: Work, folder: String) async throws {
        let store = try Stores.embedded(folder: folder)
        let target = ImportTarget(conversations: store, memberships: store, time: SystemTime())
        try await work.run(to: target) { await store.close() }
    }

    /// The import itself, when all is open.
    private struct Work {
        let reader: WhisperReader
        let appends: Bool

        func count() async throws {
            try await shown(isDry: true) { try await read() }
        }

        func run(to target: ImportTarget, close: () async -> Void) async throws {
            do {
                try await shown(isDry: false) {
                    try await read()
                    let run = ImportRun(
                        sorter: reader.sorter, target: target, appends: appends, progress: reader.progress)
                    try await run.run()
                }
            } catch {
                await close()
                throw error
            }
            await close()
        }

        private func read() async throws {
            var reader = reader
            try await reader.read()
        }

        /// Shows how far it is, and in the end what came of it, also when it did not come to its end.
        private func shown(isDry: Bool, _ body: () async throws -> Void) async throws {
            let lines = ProgressLines(reader.progress)
            do { try await body() } catch {
                await lines.stop()
                // Of a file that cannot be read, the figures mean nothing.
                if !(error is ImportFileError) { summarise(isDry) }
                throw error
            }
            await lines.stop()
            summarise(isDry)
        }

        private func summarise(_ isDry: Bool) {
            Output.line(ImportReport.summary(reader.progress.now, isDry: isDry))
        }
    }
}
